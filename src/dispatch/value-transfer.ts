/**
 * Whole keys from one side to the other by whichever way the two servers allow: DUMP and RESTORE where the payload is taken, by their types
 * where it is not. Which one is found out by trying, before the value is needed: once it is read the key's writes go on, and it must not be
 * read again. Whoever uses this holds the keys.
 */
import { CommandWriter } from '../resp/command-writer.ts'
import { ReplyCursor } from '../resp/reply-cursor.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import type { Access, AccessCarry } from './access-carry.ts'
import { exchange, type Payload, readAccesses, readPayloads, writePayloads } from './key-transfer.ts'
import { longKeys } from './long-keys.ts'
import { noteMix, readStrings } from './strings-first.ts'
import type { Passage } from './typed/passage.ts'
import { isModulePayload, isPayloadRefusal, isPlainLongString, PayloadRoute } from './typed/payload-route.ts'
import { newTemporaryKey, temporaryKeyMs } from './typed/staging.ts'
import { findAll, readsByType, readTyped, readTypedStrings } from './typed/typed-read.ts'
import { discardStaged, writeTyped } from './typed/typed-write.ts'
import type { Windows } from './typed/windows.ts'

/** A larger payload is not sent twice: where it is refused, its key is tried again, and then goes by type. */
const probeBytesMax = 1 << 20

/** By the writing lane; each has one way to it. */
const routes = new WeakMap<Lane, PayloadRoute>()

function routeBetween(from: Lane, to: Lane): PayloadRoute {
  const known = routes.get(to)
  if (known?.isBetween(from, to)) return known
  const route = new PayloadRoute(from, to)
  routes.set(to, route)
  return route
}

/**
 * In the order of the keys. `stopped` is asked on the way: once it is true nobody wants the values. A long value is on its way to the writing
 * side when this resolves, under another name: it has to be written (`writeValues`) or let go of (`discardValues`). `placeOf` tells what a key
 * will be called there, whose slot that name has to lie in. With `carry` each comes with how it was used, and whatever the writing side takes as
 * a payload is dumped: nothing else takes that along by itself.
 */
export async function readValues(
  from: Lane,
  to: Lane,
  db: number,
  keys: readonly Buffer[],
  stopped: () => boolean,
  placeOf: (key: Buffer) => Buffer = sameName,
  carry: AccessCarry | null = null,
): Promise<Payload[]> {
  const passage = passageBetween(from, to, db, stopped, placeOf)
  const payloads = await readAll(passage, keys, carry)
  noteMix(from, payloads)
  return payloads
}

async function readAll(passage: Passage, keys: readonly Buffer[], carry: AccessCarry | null): Promise<Payload[]> {
  const { route } = passage
  if (route.refusal !== null) {
    return carry === null ? readTyped(passage, keys) : readUsed(passage, keys, carry)
  }
  if (route.longStrings && carry === null) return readLongStrings(passage, keys)
  const payloads = await readDumped(passage, keys, carry)
  // Otherwise it was found out by reading them by their type.
  if (route.refusal === null)
    route.longStrings = payloads.filter(({ bytes }) => bytes !== null && isPlainLongString(bytes)).length * 2 > keys.length
  return payloads
}

/** By their types. How they were used is asked for first, in the same pipeline: what finds out about a key before it is read does not use it. */
async function readUsed(passage: Passage, keys: readonly Buffer[], carry: AccessCarry): Promise<Payload[]> {
  const asked = readAccesses(passage.from, passage.db, keys, carry)
  const [accesses, payloads] = await Promise.all([asked, readTyped(passage, keys)])
  return payloads.map((payload, i) => used(payload, accesses[i] ?? null))
}

/** A value that was read by its type, with its use, unless it is too long to be given it. */
const used = (payload: Payload, access: Access | null): Payload =>
  access !== null && payload.typed !== null && access.carry.isShort(payload.typed.sizeBytes) ? { ...payload, access } : payload

/** Strings by their type, which spares the server to try and compress them; everything else by DUMP. */
async function readLongStrings(passage: Passage, keys: readonly Buffer[]): Promise<Payload[]> {
  const strings = await readTypedStrings(passage, keys)
  const others = keys.filter((_, i) => strings[i] === null)
  if (others.length * 2 >= keys.length) passage.route.longStrings = false
  const dumped = new Map((await readDumped(passage, others, null)).map((payload) => [payload.key, payload]))
  return strings.map((payload, i) => payload ?? (dumped.get(keys[i] as Buffer) as Payload))
}

/** By DUMP; by their types the ones that the writing side does not take like that. */
async function readDumped(passage: Passage, keys: readonly Buffer[], carry: AccessCarry | null): Promise<Payload[]> {
  const { from, db, route, stopped } = passage
  const payloads = await readPayloads(from, db, keys, carry)
  noteMix(from, payloads)
  let unproven = false
  for (const { bytes } of payloads) if (bytes !== null && !route.isAccepted(bytes)) unproven = true
  if (!unproven) return payloads
  await probe(passage, payloads)
  const refused = payloads.filter(({ bytes }) => bytes !== null && route.isRefused(bytes)).map(({ key }) => key)
  if (refused.length === 0 || stopped()) return payloads
  const typed = new Map((await readTyped(passage, refused)).map((payload) => [payload.key, payload]))
  return payloads.map((payload) => {
    const instead = typed.get(payload.key)
    return instead === undefined ? payload : used(instead, payload.access ?? null)
  })
}

const sameName = (key: Buffer): Buffer => key

/** As `readValues`, where nearly all are strings. Of the others those that turn out to be long come in `long`, and have no payload. */
export async function readStringsFirst(
  from: Lane,
  to: Lane,
  db: number,
  keys: readonly Buffer[],
  stopped: () => boolean,
  longBytes: number,
): Promise<{ payloads: Payload[]; long: ReadonlySet<Buffer> }> {
  const { payloads, others } = await readStrings(from, db, keys)
  if (others.length === 0 || stopped()) return { payloads, long: new Set() }
  const long = await longKeys(from, db, others, longBytes)
  const short = others.filter((key) => !long.has(key))
  return { payloads: [...payloads, ...(await readValues(from, to, db, short, stopped))], long }
}

/** One long value, in pieces whatever the servers take of each other; by DUMP only where its type is not known. Else as `readValues`. */
export async function readLong(passage: Passage, key: Buffer, carry: AccessCarry | null): Promise<Payload[]> {
  const { from, to, db, stopped, placeOf } = passage
  const [type] = await findAll(passage, [key])
  if (type !== undefined && type.error === null && !readsByType(type.type))
    return readValues(from, to, db, [key], stopped, placeOf, carry)
  carry?.lostLong()
  return readTyped(passage, [key])
}

/** What a copy in pieces works with. */
export const passageBetween = (
  from: Lane,
  to: Lane,
  db: number,
  stopped: () => boolean,
  placeOf: (key: Buffer) => Buffer = sameName,
  windows: Windows | null = null,
): Passage => ({
  from,
  to,
  db,
  route: routeBetween(from, to),
  stopped,
  placeOf,
  windows,
})

/** Per payload, in order: null where it was written, else why not. Rejects with TransferLost. */
export async function writeValues(from: Lane, to: Lane, db: number, payloads: readonly Payload[]): Promise<(string | null)[]> {
  if (payloads.every(isDumped)) return writeDumped(from, to, db, payloads)
  const typed = payloads.filter((payload) => payload.typed !== null)
  const dumped = payloads.filter(isDumped)
  const [ofTyped, ofDumped] = await Promise.all([writeTyped(to, db, typed), writeDumped(from, to, db, dumped)])
  let [t, d] = [0, 0]
  return payloads.map((payload) => (payload.typed === null ? ofDumped[d++] : ofTyped[t++]) ?? null)
}

const isDumped = ({ typed }: Payload): boolean => typed === null

/** Never rejects. */
export const discardValues = (to: Lane, db: number, payloads: readonly Payload[]): Promise<void> =>
  discardStaged(
    to,
    db,
    payloads.map(({ typed }) => typed),
  )

async function writeDumped(from: Lane, to: Lane, db: number, payloads: readonly Payload[]): Promise<(string | null)[]> {
  return learned(from, to, payloads, await writePayloads(to, db, payloads))
}

/** What was answered to dumped values, in words. One that is refused against all experience is learned from: the next try goes by type. */
export function learned(
  from: Lane,
  to: Lane,
  payloads: readonly Payload[],
  outcomes: readonly (string | null)[],
): (string | null)[] {
  return outcomes.map((error, i) => {
    if (error === null) return null
    const { bytes, error: unread } = payloads[i] as Payload
    if (bytes === null || unread !== null || !isPayloadRefusal(error)) return error
    if (isModulePayload(bytes)) return `the ${to.side} does not have the module of this value, or in another version: ${error}`
    routeBetween(from, to).learn(bytes, error)
    return error
  })
}

/** Restores the smallest payload of each kind that nothing is known about yet, under a name that nobody asks for. */
async function probe({ to, db, route, placeOf }: Passage, payloads: readonly Payload[]): Promise<void> {
  const samples = new Map<number, { key: Buffer; bytes: Buffer }>()
  for (const { key, bytes } of payloads) {
    if (bytes === null || bytes.length > probeBytesMax || !route.isUnknown(bytes)) continue
    const other = samples.get(bytes[0] as number)
    if (other === undefined || other.bytes.length > bytes.length) samples.set(bytes[0] as number, { key, bytes })
  }
  if (samples.size === 0) return
  const out = new CommandWriter()
  for (const { key, bytes } of samples.values()) {
    const name = newTemporaryKey(to, db, placeOf(key))
    out.command('RESTORE', name, temporaryKeyMs, bytes).command('UNLINK', name)
  }
  const replies = new ReplyCursor(await exchange(to, contextOf(2, db), out.commands, (lane) => out.writeTo(lane)))
  for (const { bytes } of samples.values()) {
    route.learn(bytes, replies.firstError())
    replies.firstError()
  }
}
