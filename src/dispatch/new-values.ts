/**
 * Puts whole values into places that are free, and leaves those that are not: what comes to be there between a question and a write is never
 * overwritten. The counterpart of `writeValues`, which replaces.
 */
import { CommandWriter } from '../resp/command-writer.ts'
import { isReplyError, type Reply } from '../resp/decode.ts'
import { ReplyCursor } from '../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import { exchange, type Payload } from './key-transfer.ts'
import { moveUsed, setUsed, type Use } from './typed/access-script.ts'
import { newTemporaryKey } from './typed/staging.ts'
import { arrived, discardStaged, reasonOf } from './typed/typed-write.ts'
import { noneUsed, settled, type UsedOutcome, usedOf, usedOutcome, useOf } from './typed/used-write.ts'
import { learned } from './value-transfer.ts'

/** What an outcome says where something was there. */
export const placeIsTaken = 'BUSYKEY the target has the key'

/** Per payload, in order: null where it was written, `placeIsTaken`, or why not. Rejects with TransferLost. All of them have a value. */
export async function writeNewValues(from: Lane, to: Lane, db: number, payloads: readonly Payload[]): Promise<(string | null)[]> {
  for (const { typed } of payloads) if (typed?.kind === 'staged') await arrived(typed.staged)
  const tried = await putAll(to, db, payloads, usedOf(to, payloads))
  const outcomes = await settled(to, payloads, tried, (unrun) => putAll(to, db, unrun, noneUsed))
  await discardStaged(
    to,
    db,
    payloads.filter((_, i) => outcomes[i] !== null).map(({ typed }) => typed),
  )
  return learned(from, to, payloads, outcomes)
}

async function putAll(
  to: Lane,
  db: number,
  payloads: readonly Payload[],
  used: ReadonlySet<Payload>,
): Promise<readonly UsedOutcome[]> {
  const out = new CommandWriter()
  const counts = payloads.map((payload) => {
    const before = out.commands
    if (refusalOf(payload) === null) place(out, to, db, payload, useOf(used, payload))
    return out.commands - before
  })
  const bytes =
    out.commands === 0 ? Buffer.alloc(0) : await exchange(to, contextOf(2, db), out.commands, (lane) => out.writeTo(lane))
  const replies = new ReplyCursor(bytes)
  return payloads.map((payload, i) => {
    const refusal = refusalOf(payload)
    const said = Array.from({ length: counts[i] as number }, () => replies.reply())
    if (refusal !== null) return refusal
    const outcome = used.has(payload) ? usedOutcome(to, payload, said, placeIsTaken) : outcomeOf(payload, said)
    return typeof outcome !== 'string' || outcome === placeIsTaken ? outcome : reasonOf(to, outcome)
  })
}

const refusalOf = ({ error, typed }: Payload): string | null => error ?? (typed?.kind === 'staged' ? typed.staged.error : null)

function place(
  out: CommandWriter,
  to: Lane,
  db: number,
  { key, bytes, typed, expiresAtMs, access }: Payload,
  used: Use | null,
): void {
  if (bytes !== null) {
    const options = access === undefined ? [] : [access.option, access.value]
    out.command('RESTORE', key, expiresAtMs, bytes, 'ABSTTL', ...options)
  }
  if (typed?.kind === 'string' && used !== null) setUsed(out, key, [typed.bytes], used, true)
  else if (typed?.kind === 'string') {
    out.command('SET', key, typed.bytes, 'NX', ...(expiresAtMs === 0 ? [] : ['PXAT', expiresAtMs]))
  } else if (typed?.kind === 'elements') {
    const name = newTemporaryKey(to, db, key)
    out.command('MULTI')
    typed.shape.write(out, name, typed.elements)
    moveIn(out, name, key, expiresAtMs, used)
  } else if (typed?.kind === 'staged') {
    out.command('MULTI')
    moveIn(out, typed.staged.name, key, expiresAtMs, used)
  }
}

function moveIn(out: CommandWriter, name: Buffer, key: Buffer, expiresAtMs: number, used: Use | null): void {
  if (expiresAtMs === 0) out.command('PERSIST', name)
  else out.command('PEXPIREAT', name, expiresAtMs)
  if (used === null) out.command('RENAMENX', name, key)
  else moveUsed(out, name, key, used)
  out.command('UNLINK', name).command('EXEC')
}

function outcomeOf({ bytes, typed, expiresAtMs }: Payload, said: readonly Reply[]): string | null {
  const last = said.at(-1) as Reply
  if (bytes !== null) return isReplyError(last) ? (/^BUSYKEY/.test(last.error) ? placeIsTaken : last.error) : null
  if (typed?.kind === 'string') return isReplyError(last) ? last.error : last === null ? placeIsTaken : null
  // What was refused before EXEC tells more than EXEC does.
  const all = [...said.slice(0, -1), ...(Array.isArray(last) ? last : [last])]
  const refusal = all.find(isReplyError)
  if (refusal === undefined) return Array.isArray(last) && last.at(-2) === 0 ? placeIsTaken : null
  // Its end had passed already: there is nothing to be moved.
  return expiresAtMs !== 0 && /no such key/i.test(refusal.error) ? null : refusal.error
}
