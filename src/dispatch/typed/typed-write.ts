/** Puts values that were read by their type into their places: each key gets its whole value in one step that nobody can look into. */
import { CommandWriter, inlineBytesMax } from '../../resp/command-writer.ts'
import type { Reply } from '../../resp/decode.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../../upstream/lane.ts'
import { exchange, type Payload } from '../key-transfer.ts'
import { giveUse, setUsed, type Use } from './access-script.ts'
import { lacksFieldEnds } from './hashes.ts'
import { writeString } from './strings.ts'
import type { StagedValue, TypedValue } from './typed-value.ts'
import { noneUsed, settled, type UsedOutcome, usedOf, usedOutcome, useOf } from './used-write.ts'

const multi = Buffer.from('MULTI')
const exec = Buffer.from('EXEC')
const unlink = Buffer.from('UNLINK')
const rename = Buffer.from('RENAME')
const persist = Buffer.from('PERSIST')
const pexpireat = Buffer.from('PEXPIREAT')

/** More than the commands around a value take. */
const overheadBytes = 256

/** Per payload, in order: null where it was written, else why not. Rejects with TransferLost. All of them have a typed value. */
export async function writeTyped(lane: Lane, db: number, payloads: readonly Payload[]): Promise<(string | null)[]> {
  for (const { typed } of payloads) if (typed?.kind === 'staged') await arrived(typed.staged)
  const tried = await putAll(lane, db, payloads, usedOf(lane, payloads))
  const outcomes = await settled(lane, payloads, tried, (unrun) => putAll(lane, db, unrun, noneUsed))
  for (const { typed } of payloads) if (typed?.kind === 'string') typed.done?.()
  await discardStaged(
    lane,
    db,
    payloads.filter((_, i) => outcomes[i] !== null).map(({ typed }) => typed),
  )
  return outcomes.map((refusal) => (refusal === null ? null : reasonOf(lane, refusal)))
}

async function putAll(lane: Lane, db: number, payloads: readonly Payload[], used: ReadonlySet<Payload>): Promise<UsedOutcome[]> {
  const expected = payloads.reduce((sum, { key, typed }) => sum + key.length + copiedBytes(typed) + overheadBytes, 0)
  const out = new CommandWriter(Math.min(expected, 4 << 20))
  const counts = payloads.map((payload) => {
    const before = out.commands
    if (payload.error === null) place(out, payload, useOf(used, payload))
    return out.commands - before
  })
  const bytes =
    out.commands === 0 ? Buffer.alloc(0) : await exchange(lane, contextOf(2, db), out.commands, (to) => out.writeTo(to))
  const replies = new ReplyCursor(bytes)
  return payloads.map((payload, i) => {
    const { typed, error } = payload
    const count = counts[i] as number
    if (count > 0 && used.has(payload)) return usedOutcome(lane, payload, repliesOf(replies, count), null)
    let refusal = error ?? (typed?.kind === 'staged' ? typed.staged.error : null)
    for (let left = count; left > 0; left--) {
      const said = replies.firstError()
      refusal ??= said
    }
    return refusal
  })
}

const repliesOf = (replies: ReplyCursor, count: number): Reply[] => Array.from({ length: count }, () => replies.reply())

/** What of it is written into the commands: long strings go as they are, and what is staged is there already. */
function copiedBytes(typed: TypedValue | null): number {
  if (typed === null || typed.kind === 'staged') return 0
  return typed.kind === 'string' && typed.sizeBytes > inlineBytesMax ? 0 : typed.sizeBytes
}

export async function arrived(staged: StagedValue): Promise<void> {
  await staged.answered
  if (staged.lost !== null) throw staged.lost
}

function place(out: CommandWriter, { key, typed, expiresAtMs }: Payload, use: Use | null): void {
  switch (typed?.kind) {
    case 'string': {
      const pieces = typed.pieces ?? [typed.bytes]
      if (use === null) writeString(out, key, pieces, expiresAtMs)
      else setUsed(out, key, pieces, use, false)
      return
    }
    case 'elements':
      out.begin(1).add(multi).begin(2).add(unlink).add(key)
      typed.shape.write(out, key, typed.elements)
      if (expiresAtMs !== 0) out.begin(3).add(pexpireat).add(key).number(expiresAtMs)
      if (use !== null) giveUse(out, key, use)
      out.begin(1).add(exec)
      return
    case 'staged':
      if (typed.staged.error === null) takeOver(out, key, typed.staged, expiresAtMs, use)
  }
}

/** The temporary name has an end of its own, which goes in the same step. */
function takeOver(out: CommandWriter, key: Buffer, { name }: StagedValue, expiresAtMs: number, use: Use | null): void {
  // What is there is freed beside the server's other work, which RENAME would not leave to it.
  out.begin(1).add(multi).begin(2).add(unlink).add(key).begin(3).add(rename).add(name).add(key)
  if (expiresAtMs === 0) out.begin(2).add(persist).add(key)
  else out.begin(3).add(pexpireat).add(key).number(expiresAtMs)
  if (use !== null) giveUse(out, key, use)
  out.begin(1).add(exec)
}

export function reasonOf(lane: Lane, error: string): string {
  if (!lacksFieldEnds(error)) return error
  const { family, version } = lane.server
  return `its hash fields expire, and the ${lane.side} (${family} ${version}) has no expiry of fields`
}

/** Lets go of what was sent ahead and shall not be put into its place. What cannot be removed now ends by itself. Never rejects. */
export async function discardStaged(lane: Lane, db: number, values: readonly (TypedValue | null)[]): Promise<void> {
  const names = values.flatMap((typed) => (typed?.kind === 'staged' ? [typed.staged.name] : []))
  if (names.length === 0) return
  const out = new CommandWriter()
  for (const name of names) out.command('UNLINK', name)
  await exchange(lane, contextOf(2, db), out.commands, (to) => out.writeTo(to)).catch(() => undefined)
}
