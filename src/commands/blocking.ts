/**
 * Blocking commands as what they do: a form that does not block, tried again whenever it may have something to answer. Pure: reads the
 * arguments, and turns the plain form's reply into the blocking one's. Texts and order of the errors are those of Redis 8 and Valkey;
 * whatever else is wrong with a command the server says itself, being given the plain form.
 */
import { encodeBulk } from '../resp/encode.ts'
import type { ArgView } from './arg-view.ts'
import { blocks } from './keys.ts'
import type { CommandSpec } from './spec.ts'

/** How the reply of a plain form differs from that of the blocking one. */
type Shape =
  /** Not at all. */
  | 'same'
  /** LPOP's value; ZPOPMIN's member and score: the key comes before it. */
  | 'value'
  | 'pair'
  /** LMPOP's and ZMPOP's key and list of one: without the list. */
  | 'listed-value'
  | 'listed-pair'

export interface Attempt {
  readonly argv: readonly Buffer[]
  readonly shape: Shape
  /** Stands before the reply in the shapes `value` and `pair`. */
  readonly key: Buffer
}

/** An id that means "what comes from now on": the server's last id of that stream has to take its place. */
export interface OpenId {
  readonly key: Buffer
  /** Argument index in the only attempt. */
  readonly at: number
  /** `+`: the last entry there is, so it is put in place only after a first attempt. */
  readonly last: boolean
}

export interface BlockingPlan {
  /** Tried one after the other until one answers. */
  readonly attempts: readonly Attempt[]
  /** 0 = for ever. */
  readonly timeoutMs: number
  /** What it waits for, in the order given. */
  readonly keys: readonly Buffer[]
  /** Who has the same line on a key is served in order, one element each; null: everybody is served (XREAD). */
  readonly line: string | null
  /** XREAD: it changes nothing. */
  readonly reads: boolean
  /** Where it puts what it takes. */
  readonly destination: Buffer | null
  readonly openIds: readonly OpenId[]
}

export type Blocking =
  | { readonly how: 'error'; readonly text: string }
  /** Something is wrong with it that the server will say, being asked once without waiting. */
  | { readonly how: 'once'; readonly argv: readonly Buffer[] }
  | { readonly how: 'wait'; readonly plan: BlockingPlan }

const none = Buffer.alloc(0)
const emptyReplies: ReadonlySet<string> = new Set(['$-1\r\n', '*-1\r\n', '_\r\n', '*0\r\n'])
const int64Max = 2n ** 63n - 1n

/** `argv` is kept. `multiPop`: both servers know LMPOP and ZMPOP (Redis 7.0), which look at several keys in one step. */
export function readBlocking({ name }: CommandSpec, argv: readonly Buffer[], multiPop: boolean): Blocking {
  switch (name) {
    case 'blpop':
      return popOfKeys(argv, 'lpop', ['lmpop', 'LEFT'], multiPop)
    case 'brpop':
      return popOfKeys(argv, 'rpop', ['lmpop', 'RIGHT'], multiPop)
    case 'bzpopmin':
      return popOfKeys(argv, 'zpopmin', ['zmpop', 'MIN'], multiPop)
    case 'bzpopmax':
      return popOfKeys(argv, 'zpopmax', ['zmpop', 'MAX'], multiPop)
    case 'blmpop':
      return countedPop(argv, 'lmpop', ['left', 'right'])
    case 'bzmpop':
      return countedPop(argv, 'zmpop', ['min', 'max'])
    case 'blmove':
      return move(argv, 'lmove', 5)
    case 'brpoplpush':
      return move(argv, 'rpoplpush', 3)
    default:
      return streams(name, argv)
  }
}

/** Commands that leave no key with more to pop or read than it had: they wake nobody. XGROUP DESTROY and DEL do, for XREADGROUP. */
const wakesNobody: ReadonlySet<string> = new Set(
  `lpop rpop lmpop lrem ltrim zpopmin zpopmax zmpop zrem zremrangebylex zremrangebyrank zremrangebyscore xack xackdel xdel xdelex xtrim
   xclaim xautoclaim xreadgroup expire pexpire expireat pexpireat persist publish spublish`.split(/\s+/),
)

export const mayWake = (spec: CommandSpec): boolean => !wakesNobody.has(spec.name)

/** Whether this call waits for keys: not WAIT, which waits for replicas. */
export const waitsForKeys = (spec: CommandSpec, args: ArgView): boolean =>
  spec.name !== 'wait' && spec.name !== 'waitaof' && blocks(spec, args)

/** Takes a list: as many arguments as a command may have do not fit the stack as a call's own. */
const argvOf = (args: readonly (Buffer | string | number)[]): Buffer[] =>
  args.map((arg) => (typeof arg === 'object' ? arg : Buffer.from(String(arg))))

const lower = (arg: Buffer | undefined): string => (arg === undefined ? '' : arg.toString('latin1').toLowerCase())

const same = (argv: readonly Buffer[]): Attempt => ({ argv, shape: 'same', key: none })

/** BLPOP, BRPOP, BZPOPMIN, BZPOPMAX: keys, then the timeout. */
function popOfKeys(argv: readonly Buffer[], plain: string, multi: readonly [string, string], multiPop: boolean): Blocking {
  const keys = argv.slice(1, -1)
  const timeoutMs = secondsAsMs(argv.at(-1) as Buffer)
  if (typeof timeoutMs === 'string') return { how: 'error', text: timeoutMs }
  const sorted = plain.startsWith('z')
  const atOnce = multiPop && keys.length > 1
  const attempts: Attempt[] = atOnce
    ? [{ argv: argvOf([multi[0], keys.length, ...keys, multi[1]]), shape: sorted ? 'listed-pair' : 'listed-value', key: none }]
    : keys.map((key) => ({ argv: argvOf([plain, key]), shape: sorted ? 'pair' : 'value', key }))
  const line = sorted ? 'zset' : 'list'
  return { how: 'wait', plan: { attempts, timeoutMs, keys, line, reads: false, destination: null, openIds: [] } }
}

/** BLMPOP and BZMPOP: timeout, count of keys, keys, which end, COUNT. The servers look at the timeout last. */
function countedPop(argv: readonly Buffer[], plain: string, ends: readonly string[]): Blocking {
  const attempt = argvOf([plain, ...argv.slice(2)])
  const count = Number(integer(argv[2] as Buffer) ?? 0n)
  const end = 3 + count
  const options = argv.length - end - 1
  const elements = options === 2 && lower(argv[end + 1]) === 'count' ? integer(argv[end + 2] as Buffer) : null
  const sound = count > 0 && ends.includes(lower(argv[end])) && (options === 0 || (elements !== null && elements > 0n))
  if (!sound) return { how: 'once', argv: attempt }
  const timeoutMs = secondsAsMs(argv[1] as Buffer)
  if (typeof timeoutMs === 'string') return { how: 'error', text: timeoutMs }
  const line = plain === 'zmpop' ? 'zset' : 'list'
  const keys = argv.slice(3, end)
  return {
    how: 'wait',
    plan: { attempts: [same(attempt)], timeoutMs, keys, line, reads: false, destination: null, openIds: [] },
  }
}

/** BLMOVE and BRPOPLPUSH: source, destination, perhaps two ends, timeout. */
function move(argv: readonly Buffer[], plain: string, timeoutAt: number): Blocking {
  const attempt = argvOf([plain, ...argv.slice(1, timeoutAt)])
  const sound = argv.slice(3, timeoutAt).every((end) => ['left', 'right'].includes(lower(end)))
  if (!sound) return { how: 'once', argv: attempt }
  const timeoutMs = secondsAsMs(argv[timeoutAt] as Buffer)
  if (typeof timeoutMs === 'string') return { how: 'error', text: timeoutMs }
  const [, source, destination] = argv as readonly [Buffer, Buffer, Buffer]
  return {
    how: 'wait',
    plan: { attempts: [same(attempt)], timeoutMs, keys: [source], line: 'list', reads: false, destination, openIds: [] },
  }
}

/** XREAD and XREADGROUP. Only called where `blocks` has found STREAMS and BLOCK among the options. */
function streams(name: string, argv: readonly Buffer[]): Blocking {
  const options: Buffer[] = [argv[0] as Buffer]
  let timeoutMs: number | string = 0
  let group = ''
  let sound = true
  let at = 1
  for (; at < argv.length && lower(argv[at]) !== 'streams'; at++) {
    const word = lower(argv[at])
    const values = word === 'group' ? 2 : word === 'noack' ? 0 : 1
    if (word === 'group') group = (argv[at + 1] as Buffer).toString('latin1')
    if (word === 'count') sound &&= integer(argv[at + 1] as Buffer) !== null
    if (word === 'block') {
      timeoutMs = milliseconds(argv[at + 1] as Buffer)
      // What is wrong before it is said first.
      if (typeof timeoutMs === 'string' && sound) return { how: 'error', text: timeoutMs }
    } else options.push(...argv.slice(at, at + 1 + values))
    at += values
  }
  const first = options.length + 1
  const attempt = [...options, ...argv.slice(at)]
  const count = (attempt.length - first) / 2
  if (!sound || typeof timeoutMs === 'string' || !Number.isInteger(count)) return { how: 'once', argv: attempt }
  const reads = name === 'xread'
  const keys = attempt.slice(first, first + count)
  const openIds = reads ? openIdsOf(attempt, first, count) : []
  const line = reads ? null : `stream ${group}`
  return { how: 'wait', plan: { attempts: [same(attempt)], timeoutMs, keys, line, reads, destination: null, openIds } }
}

function openIdsOf(attempt: readonly Buffer[], first: number, count: number): OpenId[] {
  const open: OpenId[] = []
  for (let i = 0; i < count; i++) {
    const at = first + count + i
    const id = (attempt[at] as Buffer).toString('latin1')
    if (id === '$' || id === '+') open.push({ key: attempt[first + i] as Buffer, at, last: id === '+' })
  }
  return open
}

function integer(arg: Buffer): bigint | null {
  const text = arg.toString('latin1')
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return null
  const value = BigInt(text)
  return value <= int64Max && value >= -int64Max - 1n ? value : null
}

const negative = 'ERR timeout is negative'
const outOfRange = 'ERR timeout is out of range'

/** Seconds as a decimal number; rounded up, as the servers do. A text: the error. */
function secondsAsMs(arg: Buffer): number | string {
  const text = arg.toString('latin1')
  const infinite = /^[+-]?inf(inity)?$/i.test(text)
  if (!infinite && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return 'ERR timeout is not a float or out of range'
  const ms = infinite ? (text.startsWith('-') ? -1 : Number.POSITIVE_INFINITY) : Math.ceil(Number(text) * 1000)
  return inRange(ms)
}

function milliseconds(arg: Buffer): number | string {
  const value = integer(arg)
  return value === null ? 'ERR timeout is not an integer or out of range' : inRange(Number(value))
}

function inRange(ms: number): number | string {
  if (ms < 0) return negative
  // Added to the clock it has to fit 63 bits.
  return ms > Number(int64Max) - Date.now() ? outOfRange : ms + 0
}

export type Outcome = 'empty' | 'error' | Buffer

/** What the blocking command answers where its plain form was answered `reply`; an error is passed on, or not, by the caller. */
export function outcomeOf(attempt: Attempt, reply: Buffer): Outcome {
  if (reply[0] === 45 || reply[0] === 33) return 'error'
  if (reply.length <= 5 && emptyReplies.has(reply.toString('latin1'))) return 'empty'
  switch (attempt.shape) {
    case 'same':
      return reply
    case 'value':
      return Buffer.concat([Buffer.from('*2\r\n'), encodeBulk(attempt.key), reply])
    case 'pair':
      return Buffer.concat([Buffer.from('*3\r\n'), encodeBulk(attempt.key), reply.subarray(lineEnd(reply, 0))])
    default:
      return unlisted(reply, attempt.shape === 'listed-pair' ? 2 : 1)
  }
}

/** `*2 key *1 value` becomes `*2 key value`; `*2 key *1 *2 member score` becomes `*3 key member score`. */
function unlisted(reply: Buffer, headers: number): Buffer {
  const keyAt = lineEnd(reply, 0)
  const keyEnd = lineEnd(reply, keyAt) + Number(reply.toString('latin1', keyAt + 1, lineEnd(reply, keyAt) - 2)) + 2
  let rest = keyEnd
  for (let i = 0; i < headers; i++) rest = lineEnd(reply, rest)
  return Buffer.concat([Buffer.from(`*${headers + 1}\r\n`), reply.subarray(keyAt, keyEnd), reply.subarray(rest)])
}

const lineEnd = (reply: Buffer, from: number): number => reply.indexOf(10, from) + 1

/** A blocking command's answer to a time-out. */
export const nothing = (protocol: number): Buffer => (protocol === 3 ? Buffer.from('_\r\n') : Buffer.from('*-1\r\n'))
