/**
 * The first look at values that are no small strings. Either their payloads are read from both sides, or both sides are asked for digests
 * of them, which moves nothing but costs the servers more: whichever is observed to come faster here. What neither proves equal is for
 * others to compare by meaning.
 *
 * DEBUG DIGEST-VALUE is not used. Measured on Redis 7.0, it costs a server 30 times what DUMP costs for a hash of 40 fields, and 10 times
 * for one of 800. It also says the same of a string and a list of one element, and does not tell when hash fields expire, what groups a
 * stream has, nor the same thing of scores in Redis 7.0 as in later servers.
 */
import { isReplyError, type Reply } from '../resp/decode.ts'
import type { Pair } from './verify-pair.ts'
import type { VerifyPipe } from './verify-pipe.ts'
import { type Verb, verb } from './verify-requests.ts'
import { samePayload } from './verify-values.ts'

/** Above it no payload is asked for, nor a digest: the server would build it in one piece, and everybody would wait. */
export const payloadBytesMax = 1 << 20

/** As samePayload has it: the footer says nothing about the value where the type byte means the same to every server. */
const digestScript = `local out={}
for i=1,#KEYS do
  local value
  if ARGV[1]=='DUMP' then
    value=redis.call('DUMP',KEYS[i])
    if value and string.byte(value)<=21 then value=string.sub(value,1,-11) end
  else value=redis.call('GETRANGE',KEYS[i],0,ARGV[3]) end
  out[#out+1]=value and redis.sha1hex(value) or ''
  out[#out+1]=redis.call(ARGV[2],KEYS[i])
end
return out`

const readString = verb('GETRANGE', 0, payloadBytesMax)
const readPayload = verb('DUMP')

export type PayloadWay = 'payload' | 'digest'

export interface PayloadLook {
  readonly way: PayloadWay
  /** By key, as asked. Each: whether the values are certain to be equal. */
  readonly same: readonly boolean[]
  /** By key: source and target. NaN where it was refused. */
  readonly expiries: readonly (readonly [number, number])[]
}

export class Payloads {
  readonly #pair: Pair
  readonly #choice: PayloadChoice

  constructor(pair: Pair, choice = new PayloadChoice()) {
    this.#pair = pair
    this.#choice = choice
  }

  /** `sizeBytes`: of all of them together, as far as known. None is larger than `payloadBytesMax`. */
  async look(keys: readonly Buffer[], strings: boolean, sizeBytes: number): Promise<PayloadLook> {
    const startedMs = performance.now()
    const wanted = this.#choice.next()
    const digests = wanted === 'digest' ? await this.#digests(keys, strings) : null
    if (wanted === 'digest' && digests === null) this.#choice.refuseDigests()
    const [source, target] = digests ?? (await this.#payloads(keys, strings))
    const way = digests === null ? 'payload' : 'digest'
    this.#choice.took(way, sizeBytes, performance.now() - startedMs)
    const equal = way === 'payload' && !strings ? samePayloads : sameBytes
    return {
      way,
      same: keys.map((_, index) => equal(source[index * 2], target[index * 2])),
      expiries: keys.map((_, index) => [numberOf(source[index * 2 + 1]), numberOf(target[index * 2 + 1])]),
    }
  }

  async #payloads(keys: readonly Buffer[], strings: boolean): Promise<[Reply[], Reply[]]> {
    const verbs: Verb[] = [strings ? readString : readPayload, verb(this.#pair.expiry)]
    return Promise.all([this.#pair.source.perKey(verbs, keys), this.#pair.target.perKey(verbs, keys)])
  }

  /** Null where one of the sides runs no script for us: not allowed, or a cluster whose slots are not one. */
  async #digests(keys: readonly Buffer[], strings: boolean): Promise<[Reply[], Reply[]] | null> {
    const { source, target, expiry } = this.#pair
    const args = [strings ? 'GETRANGE' : 'DUMP', expiry, payloadBytesMax]
    const ask = (pipe: VerifyPipe) => pipe.call(['EVAL', digestScript, keys.length, ...keys, ...args])
    const [left, right] = await Promise.all([ask(source), ask(target)])
    return Array.isArray(left) && Array.isArray(right) ? [left, right] : null
  }
}

const sameBytes = (left: Reply | undefined, right: Reply | undefined): boolean =>
  Buffer.isBuffer(left) && Buffer.isBuffer(right) && left.length > 0 && left.equals(right)

const samePayloads = (left: Reply | undefined, right: Reply | undefined): boolean =>
  Buffer.isBuffer(left) && Buffer.isBuffer(right) && samePayload(left, right)

const numberOf = (reply: Reply | undefined): number =>
  reply === undefined || isReplyError(reply) ? Number.NaN : Number(reply as number)

/** Each way is tried so often before they are compared, and the slower one again after so many of the faster. */
const firstTries = 4
const againAfter = 64
/** What a measurement weighs against those before it. */
const newShare = 0.25

/** Which of the ways was faster lately, in time per byte. */
export class PayloadChoice {
  readonly #tries = { payload: 0, digest: 0 }
  readonly #msPerByte = { payload: 0, digest: 0 }
  #sinceTried = 0
  #refused = false

  next(): PayloadWay {
    if (this.#refused) return 'payload'
    if (this.#tries.payload < firstTries) return 'payload'
    if (this.#tries.digest < firstTries) return 'digest'
    const faster = this.#msPerByte.payload <= this.#msPerByte.digest ? 'payload' : 'digest'
    this.#sinceTried++
    if (this.#sinceTried < againAfter) return faster
    this.#sinceTried = 0
    return faster === 'payload' ? 'digest' : 'payload'
  }

  took(way: PayloadWay, sizeBytes: number, ms: number): void {
    const msPerByte = ms / Math.max(1, sizeBytes)
    this.#tries[way]++
    const before = this.#msPerByte[way]
    this.#msPerByte[way] = this.#tries[way] === 1 ? msPerByte : before + (msPerByte - before) * newShare
  }

  refuseDigests(): void {
    this.#refused = true
  }
}
