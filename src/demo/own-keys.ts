/**
 * Keys that only one client writes, so that it knows what every read must answer. A client that does not see what it wrote, at
 * any moment of the migration, counts as a client error. What it knows at the end is compared with the servers as well.
 */
import type { LoadClient } from './load-client.ts'
import type { Argument } from './raw-connection.ts'

/** Counters that all clients add to: in the end they must hold the sum of what was acknowledged, no more and no less. */
export class SharedCounters {
  readonly #sums = new Map<string, number>()
  /** Set by a failed command: it may or may not have run, so the sum is not known any more. */
  #known = true

  name(number: number): string {
    return `shared:counter:${number}`
  }

  acknowledge(name: string, delta: number): void {
    this.#sums.set(name, (this.#sums.get(name) ?? 0) + delta)
  }

  lose(): void {
    this.#known = false
  }

  expected(): Map<string, string> {
    return new Map(this.#known ? [...this.#sums].map(([name, sum]) => [name, String(sum)]) : [])
  }
}

const sharedCounters = 8
const expirySlackMs = 60

export class OwnKeys {
  readonly #client: LoadClient
  readonly #shared: SharedCounters
  /** Plain values without a time to live; null = the key must not exist. */
  readonly #expected = new Map<string, string | null>()
  readonly #lengths = new Map<string, number>()
  readonly #checks: readonly (() => Promise<void>)[] = [
    () => this.#setAndGet(),
    () => this.#setAndGet(),
    () => this.#pipelined(),
    () => this.#count(),
    () => this.#shareCount(),
    () => this.#shareCount(),
    () => this.#floatCount(),
    () => this.#remove(),
    () => this.#keepForAWhile(),
    () => this.#expire(),
    () => this.#hash(),
    () => this.#list(),
    () => this.#set(),
    () => this.#sortedSet(),
    () => this.#stream(),
    () => this.#transaction(),
    () => this.#script(),
    () => this.#several(),
    () => this.#append(),
  ]

  constructor(client: LoadClient, shared: SharedCounters) {
    this.#client = client
    this.#shared = shared
  }

  /** One write-then-read of some kind. A command that failed makes everything known before uncertain. */
  async check(): Promise<void> {
    try {
      await this.#client.random.pick(this.#checks)()
    } catch (error) {
      this.#expected.clear()
      this.#lengths.clear()
      this.#shared.lose()
      throw error
    }
  }

  get expected(): ReadonlyMap<string, string | null> {
    return this.#expected
  }

  #key(kind: string): string {
    return `own:${this.#client.name}:${kind}:${this.#client.random.below(12)}`
  }

  #must(what: string, actual: unknown, expected: unknown): void {
    if (String(actual) === String(expected)) return
    this.#client.mismatch(
      `read ${JSON.stringify(actual)?.slice(0, 60)} where it wrote ${JSON.stringify(expected)?.slice(0, 60)}: ${what}`,
    )
  }

  #call(...argv: Argument[]): Promise<unknown> {
    return this.#client.call(argv)
  }

  async #setAndGet(): Promise<void> {
    const [key, value] = [this.#key('string'), this.#client.random.word(24)]
    await this.#call('SET', key, value)
    this.#expected.set(key, value)
    this.#must(`GET ${key}`, await this.#call('GET', key), value)
  }

  async #pipelined(): Promise<void> {
    const key = this.#key('string')
    const [first, second] = [this.#client.random.word(12), this.#client.random.word(12)]
    const replies = await this.#client.pipeline([
      ['SET', key, first],
      ['GET', key],
      ['SET', key, second],
      ['GET', key],
    ])
    this.#expected.set(key, second)
    this.#must(`pipelined GET ${key}`, replies[1], first)
    this.#must(`pipelined GET ${key}`, replies[3], second)
  }

  async #count(): Promise<void> {
    const key = this.#key('counter')
    const before = this.#expected.get(key)
    const reply = await this.#call('INCR', key)
    if (before !== undefined) this.#must(`INCR ${key}`, reply, Number(before) + 1)
    this.#expected.set(key, String(reply))
    this.#must(`GET ${key}`, await this.#call('GET', key), reply)
  }

  async #shareCount(): Promise<void> {
    const { random } = this.#client
    const [key, other] = [this.#shared.name(random.below(sharedCounters)), this.#shared.name(random.below(sharedCounters))]
    if (this.#client.db !== 0) return
    const delta = random.between(1, 5)
    await this.#call('INCRBY', key, delta)
    this.#shared.acknowledge(key, delta)
    await this.#client.transaction([
      ['INCR', key],
      ['INCR', other],
    ])
    this.#shared.acknowledge(key, 1)
    this.#shared.acknowledge(other, 1)
  }

  async #floatCount(): Promise<void> {
    const key = this.#key('float')
    const before = this.#expected.get(key)
    const reply = await this.#call('INCRBYFLOAT', key, 0.25)
    if (before !== undefined) this.#must(`INCRBYFLOAT ${key}`, Number(reply), Number(before) + 0.25)
    this.#expected.set(key, String(reply))
    this.#must(`GET ${key}`, await this.#call('GET', key), reply)
  }

  async #remove(): Promise<void> {
    const key = this.#key('string')
    const before = this.#expected.get(key)
    const removed = await this.#call('DEL', key)
    if (before !== undefined) this.#must(`DEL ${key}`, removed, before === null ? 0 : 1)
    this.#expected.set(key, null)
    this.#must(`GET ${key}`, await this.#call('GET', key), null)
  }

  async #keepForAWhile(): Promise<void> {
    const [key, value] = [this.#key('lasting'), this.#client.random.word(10)]
    await this.#call('SET', key, value, 'EX', 1000)
    this.#must(`GET ${key}`, await this.#call('GET', key), value)
    const seconds = Number(await this.#call('TTL', key))
    if (seconds < 990 || seconds > 1000) this.#must(`TTL ${key}`, seconds, 1000)
    this.#must(`GETEX ${key}`, await this.#call('GETEX', key, 'PERSIST'), value)
    this.#must(`TTL ${key}`, await this.#call('TTL', key), -1)
    this.#must(`EXPIRE ${key}`, await this.#call('EXPIRE', key, 500), 1)
    this.#must(`PERSIST ${key}`, await this.#call('PERSIST', key), 1)
    this.#must(`GETDEL ${key}`, await this.#call('GETDEL', key), value)
    this.#expected.set(key, null)
  }

  async #expire(): Promise<void> {
    const [key, value] = [this.#key('brief'), this.#client.random.word(10)]
    await this.#call('PSETEX', key, 30, value)
    await new Promise((resolve) => setTimeout(resolve, 30 + expirySlackMs))
    this.#must(`GET ${key} after its time`, await this.#call('GET', key), null)
    this.#expected.set(key, null)
  }

  async #hash(): Promise<void> {
    const [key, value] = [this.#key('hash'), this.#client.random.word(8)]
    await this.#call('HSET', key, 'what', value)
    this.#must(`HGET ${key}`, await this.#call('HGET', key, 'what'), value)
    const sum = await this.#call('HINCRBY', key, 'n', 3)
    this.#must(`HGET ${key} n`, await this.#call('HGET', key, 'n'), sum)
  }

  async #list(): Promise<void> {
    const [key, value] = [this.#key('list'), this.#client.random.word(8)]
    const before = this.#lengths.get(key)
    const length = Number(await this.#call('RPUSH', key, value))
    if (before !== undefined) this.#must(`RPUSH ${key}`, length, before + 1)
    this.#must(`LINDEX ${key}`, await this.#call('LINDEX', key, -1), value)
    if (length > 20) await this.#call('LTRIM', key, -5, -1)
    this.#lengths.set(key, length > 20 ? 5 : length)
    this.#must(`LLEN ${key}`, await this.#call('LLEN', key), this.#lengths.get(key))
  }

  async #set(): Promise<void> {
    const key = this.#key('set')
    await this.#call('SADD', key, 'a', 'b', 'c', 'd')
    const popped = String(await this.#call('SPOP', key))
    this.#must(`SISMEMBER ${key} ${popped}`, await this.#call('SISMEMBER', key, popped), 0)
    this.#must(`SCARD ${key}`, await this.#call('SCARD', key), 3)
  }

  async #sortedSet(): Promise<void> {
    const [key, score] = [this.#key('zset'), this.#client.random.below(1000)]
    await this.#call('ZADD', key, score, 'm', 5000, 'last')
    this.#must(`ZSCORE ${key}`, await this.#call('ZSCORE', key, 'm'), score)
    this.#must(`ZINCRBY ${key}`, await this.#call('ZINCRBY', key, 2, 'm'), score + 2)
    this.#must(`ZPOPMIN ${key}`, await this.#call('ZPOPMIN', key), ['m', score + 2])
    this.#must(`ZSCORE ${key}`, await this.#call('ZSCORE', key, 'm'), null)
  }

  async #stream(): Promise<void> {
    const key = this.#key('stream')
    const id = await this.#call('XADD', key, 'MAXLEN', 50, '*', 'n', 1)
    const newest = (await this.#call('XREVRANGE', key, '+', '-', 'COUNT', 1)) as [string, string[]][]
    this.#must(`XREVRANGE ${key}`, newest[0]?.[0], id)
  }

  async #transaction(): Promise<void> {
    const [key, value] = [this.#key('string'), this.#client.random.word(16)]
    const counter = this.#key('counter')
    const replies = await this.#client.transaction([
      ['SET', key, value],
      ['GET', key],
      ['INCR', counter],
    ])
    if (!replies) return this.#client.mismatch('EXEC answered null although nothing was watched')
    this.#expected.set(key, value)
    this.#expected.set(counter, String(replies[2]))
    this.#must(`GET ${key} in EXEC`, replies[1], value)
    this.#must(`GET ${key} after EXEC`, await this.#call('GET', key), value)
    this.#must(`GET ${counter} after EXEC`, await this.#call('GET', counter), replies[2])
  }

  async #script(): Promise<void> {
    const [key, value] = [this.#key('string'), this.#client.random.word(16)]
    const counter = this.#key('counter')
    const script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])"
    const count = await this.#call('EVAL', script, 2, key, counter, value)
    this.#expected.set(key, value)
    this.#expected.set(counter, String(count))
    this.#must(`GET ${key} after EVAL`, await this.#call('GET', key), value)
    this.#must(`GET ${counter} after EVAL`, await this.#call('GET', counter), count)
  }

  async #several(): Promise<void> {
    const { random } = this.#client
    const pairs = new Map([1, 2, 3].map(() => [this.#key('string'), random.word(9)]))
    await this.#call('MSET', ...[...pairs].flat())
    for (const [key, value] of pairs) this.#expected.set(key, value)
    this.#must(`MGET ${[...pairs.keys()]}`, await this.#call('MGET', ...pairs.keys()), [...pairs.values()])
  }

  async #append(): Promise<void> {
    const [key, value] = [this.#key('text'), this.#client.random.word(4)]
    const before = this.#expected.get(key)
    const length = Number(await this.#call('APPEND', key, value))
    if (before !== undefined) this.#must(`APPEND ${key}`, length, (before ?? '').length + 4)
    const text = String(await this.#call('GET', key))
    this.#must(`the end of GET ${key}`, text.slice(-4), value)
    this.#expected.set(key, text)
    if (length < 200) return
    await this.#call('SET', key, '')
    this.#expected.set(key, '')
  }
}
