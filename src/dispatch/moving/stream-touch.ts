/** What commands change of the one stream that is looked at, by their arguments. Pure. */
import { type ArgView, argBytes, argIs } from '../../commands/arg-view.ts'

export type StreamTouch =
  /** What a look at the stream tells. */
  | { readonly kind: 'evident' }
  /** Entries, which are deleted. */
  | { readonly kind: 'entries'; readonly ids: readonly string[] }
  /** What is pending in a group under these ids. */
  | { readonly kind: 'pending'; readonly group: Buffer; readonly ids: readonly string[] }
  /** What is pending in a group with one consumer behind an id. `removed`: and the consumer itself. */
  | {
      readonly kind: 'consumer'
      readonly group: Buffer
      readonly consumer: Buffer
      readonly after: string
      readonly removed: boolean
    }
  /** Its effect, which is known once it is answered, tells. */
  | { readonly kind: 'told' }

/** Null: it cannot be told, so it may be anything. */
type Touch = StreamTouch | null

/** A look at the stream tells: what was added is behind its last id, what was trimmed before its first one, and groups tell how far they are. */
const evident: Touch = { kind: 'evident' }
const exactId = /^(\d{1,20})(?:-(\d{1,20}))?$/

/** As servers write it; null where it is none. */
function idAt(args: ArgView, i: number): string | null {
  const found = exactId.exec(argBytes(args, i).toString('latin1'))
  return found === null ? null : `${BigInt(found[1] as string)}-${BigInt(found[2] ?? 0)}`
}

const own = (args: ArgView, i: number): Buffer => Buffer.from(argBytes(args, i))

/** From argument `first` on; null where one is none: the server refuses the command, or it is one that is not known here. */
function idsFrom(args: ArgView, first: number): string[] | null {
  const ids: string[] = []
  for (let i = first; i < args.argc; i++) {
    const id = idAt(args, i)
    if (id === null) return null
    ids.push(id)
  }
  return ids
}

/** The argument after a trimming that stands at i, or i. */
function afterTrim(args: ArgView, i: number): number {
  if (!argIs(args, i, 'maxlen') && !argIs(args, i, 'minid')) return i
  const threshold = argIs(args, i + 1, '=') || argIs(args, i + 1, '~') ? i + 2 : i + 1
  return argIs(args, threshold + 1, 'limit') ? threshold + 3 : threshold + 1
}

/** Behind all options that leave what is pending as it is. */
function afterOptions(args: ArgView, from: number): number {
  for (let i = from; ; ) {
    const next = argIs(args, i, 'nomkstream') || argIs(args, i, 'keepref') ? i + 1 : afterTrim(args, i)
    if (next === i) return i
    i = next
  }
}

function xadd(args: ArgView): Touch {
  const at = afterOptions(args, 2)
  if (at >= args.argc) return null
  const first = args.buf[args.offsets[2 * at] as number] as number
  return argIs(args, at, '*') || (first >= 48 && first <= 57) ? evident : null
}

const xtrim = (args: ArgView): Touch => (afterOptions(args, 2) >= args.argc ? evident : null)

function xdel(args: ArgView): Touch {
  const ids = idsFrom(args, 2)
  return ids === null ? null : { kind: 'entries', ids }
}

function xack(args: ArgView): Touch {
  const ids = idsFrom(args, 3)
  return ids === null ? null : { kind: 'pending', group: own(args, 2), ids }
}

function xclaim(args: ArgView): Touch {
  const ids: string[] = []
  for (let i = 5; i < args.argc; i++) {
    const id = idAt(args, i)
    if (id === null) break
    ids.push(id)
  }
  return { kind: 'pending', group: own(args, 2), ids }
}

/** New entries are told by how far the group is; whoever asks for its own once more counts them all up. */
function xreadgroup(args: ArgView, key: Buffer): Touch {
  let at = 4
  for (; !argIs(args, at, 'streams'); ) {
    if (argIs(args, at, 'count') || argIs(args, at, 'block')) at += 2
    else if (argIs(args, at, 'noack')) at++
    else return null
  }
  const count = (args.argc - at - 1) / 2
  if (!Number.isInteger(count)) return null
  let after: string | null = null
  for (let i = at + 1; i <= at + count; i++) {
    if (!argBytes(args, i).equals(key) || argIs(args, i + count, '>')) continue
    // Twice in one command is not worth telling apart.
    if (after !== null) return null
    after = idAt(args, i + count)
    if (after === null) return null
  }
  return after === null ? evident : { kind: 'consumer', group: own(args, 2), consumer: own(args, 3), after, removed: false }
}

const removedConsumer = (args: ArgView): Touch => ({
  kind: 'consumer',
  group: own(args, 3),
  consumer: own(args, 4),
  after: '0-0',
  removed: true,
})

/** Arguments of the right number, and the key that is asked about. */
export const streamRules: ReadonlyMap<string, (args: ArgView, key: Buffer) => Touch> = new Map([
  ['xadd', xadd],
  ['xtrim', xtrim],
  ['xdel', xdel],
  ['xack', xack],
  ['xclaim', xclaim],
  ['xautoclaim', () => ({ kind: 'told' })],
  ['xreadgroup', xreadgroup],
  // A group that is there is not made anew.
  ['xgroup|create', () => evident],
  ['xgroup|createconsumer', () => evident],
  ['xgroup|delconsumer', removedConsumer],
])
