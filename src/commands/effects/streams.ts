/** XADD, XTRIM and XGROUP: ids that the server makes, and trimming that stops where it is cheap to stop. */
import { isReplyError, type Reply } from '../../resp/decode.ts'
import { encodeCommand, encodeInteger, replies } from '../../resp/encode.ts'
import { isSince, type Release } from '../server-name.ts'
import { type Beside, copy, type EffectRule, none, one, replyBytes, wordAt } from './effect.ts'

/** KEEPREF and its like. */
const references: Release = { redis: '8.2', valkey: null }
const idForm = /^(\*|\d+-\*|\d+(-\d+)?)$/

/** How a stream is trimmed. Positions are argument indexes. */
interface Trim {
  /** By a rule of thumb (`~`): two servers stop in different places. */
  readonly approximate: boolean
  /** MAXLEN or MINID stands here … */
  readonly from: number
  /** … and this is the first argument behind the threshold and LIMIT. */
  readonly to: number
}

/** MAXLEN or MINID at `at`; null where it is neither. */
function trimAt(argv: readonly Buffer[], at: number): Trim | null {
  const word = wordAt(argv, at)
  if (word !== 'maxlen' && word !== 'minid') return null
  const mark = wordAt(argv, at + 1)
  const approximate = mark === '~'
  let to = at + (approximate || mark === '=' ? 3 : 2)
  if (wordAt(argv, to) === 'limit') to += 2
  return { approximate, from: at, to }
}

const isReference = (word: string): boolean => word === 'keepref' || word === 'delref' || word === 'acked'

interface Addition {
  readonly idAt: number
  readonly trim: Trim | null
  /** Where KEEPREF, DELREF or ACKED stands; 0 = nowhere. */
  readonly referenceAt: number
}

/** XADD's options; null where they are not understood, or (IDMP) the reply does not tell whether anything was added. */
function additionIn(argv: readonly Buffer[]): Addition | null {
  let trim: Trim | null = null
  let referenceAt = 0
  for (let at = 2; at < argv.length; ) {
    const word = wordAt(argv, at)
    if (idForm.test(word)) return { idAt: at, trim, referenceAt }
    if (isReference(word)) referenceAt = at++
    else if (word === 'nomkstream') at++
    else {
      if (trim !== null) return null
      trim = trimAt(argv, at)
      if (trim === null) return null
      at = trim.to
    }
  }
  return null
}

/** ACKED takes entries out of the middle, which the first one that is left does not tell. */
const tellsByFirst = (argv: readonly Buffer[], referenceAt: number): boolean =>
  referenceAt === 0 || wordAt(argv, referenceAt) !== 'acked'

const firstEntry = (argv: readonly Buffer[]): Buffer => encodeCommand(['XRANGE', argv[1] as Buffer, '-', '+', 'COUNT', 1])

/** The exact trimming that leaves what the first entry says was left; null where it says nothing. */
function trimTo(first: Reply | undefined): string[] | null {
  if (!Array.isArray(first)) return null
  if (first.length === 0) return ['MAXLEN', '=', '0']
  const entry = first[0]
  const id = Array.isArray(entry) ? entry[0] : null
  return Buffer.isBuffer(id) ? ['MINID', '=', String(id)] : null
}

/** The arguments in [from, to) without KEEPREF, which is what a server does that does not know the word. */
function withoutUnknown(argv: readonly Buffer[], from: number, to: number, { follower }: Beside): Buffer[] {
  const words = argv.slice(from, to)
  return isSince(follower, references) ? words : words.filter((word) => String(word).toLowerCase() !== 'keepref')
}

export const xadd: EffectRule = {
  tells(argv) {
    const form = additionIn(argv)
    return form !== null && form.trim?.approximate !== true
  },
  companion(argv) {
    const form = additionIn(argv)
    return form?.trim?.approximate === true && tellsByFirst(argv, form.referenceAt) ? firstEntry(argv) : null
  },
  effect(argv, reply, beside) {
    if (reply === null) return none
    const form = additionIn(argv)
    if (form === null || !Buffer.isBuffer(reply)) return copy
    const { idAt, trim } = form
    const entry = [reply, ...argv.slice(idAt + 1)]
    if (trim?.approximate !== true) {
      const options = withoutUnknown(argv, 2, idAt, beside)
      return one(['XADD', argv[1] as Buffer, ...options, ...entry], replyBytes(reply))
    }
    const exact = trimTo(beside.companion)
    if (exact === null) return copy
    const [before, behind] = [withoutUnknown(argv, 2, trim.from, beside), withoutUnknown(argv, trim.to, idAt, beside)]
    return one(['XADD', argv[1] as Buffer, ...before, ...exact, ...behind, ...entry], replyBytes(reply))
  },
}

/** XTRIM's options; null where they are not understood. */
function trimmingIn(argv: readonly Buffer[]): Trim | null {
  const trim = trimAt(argv, 2)
  if (trim === null || trim.to > argv.length) return null
  const understood = trim.to === argv.length || (trim.to === argv.length - 1 && isReference(wordAt(argv, trim.to)))
  return understood ? trim : null
}

export const xtrim: EffectRule = {
  tells: (argv) => trimmingIn(argv)?.approximate === false,
  companion(argv) {
    const trim = trimmingIn(argv)
    return trim?.approximate === true && wordAt(argv, trim.to) !== 'acked' ? firstEntry(argv) : null
  },
  effect(argv, reply, beside) {
    if (reply === 0) return none
    const trim = trimmingIn(argv)
    if (trim?.approximate === false && typeof reply === 'number')
      return one(['XTRIM', ...withoutUnknown(argv, 1, argv.length, beside)], encodeInteger(reply))
    const exact = trimTo(beside.companion)
    if (trim === null || exact === null || typeof reply !== 'number') return copy
    const behind = withoutUnknown(argv, trim.to, argv.length, beside)
    return one(['XTRIM', argv[1] as Buffer, ...exact, ...behind], encodeInteger(reply))
  },
}

/** XGROUP CREATE and SETID: sub, key, group, id. `$` is the last id that the stream gave out. */
export const xgroup: EffectRule = {
  tells: () => false,
  companion: (argv) => (wordAt(argv, 4) === '$' ? encodeCommand(['XINFO', 'STREAM', argv[2] as Buffer]) : null),
  effect(argv, _reply, { companion }) {
    const id = lastId(companion)
    return id === null ? copy : one([...argv.slice(0, 4), id, ...argv.slice(5)], replies.ok)
  },
}

function lastId(stream: Reply | undefined): Buffer | null {
  if (!Array.isArray(stream) || isReplyError(stream)) return null
  const at = stream.findIndex((name, i) => i % 2 === 0 && Buffer.isBuffer(name) && String(name) === 'last-generated-id')
  const id = at < 0 ? null : stream[at + 1]
  return Buffer.isBuffer(id) ? id : null
}
