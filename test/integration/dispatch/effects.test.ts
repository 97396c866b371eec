/**
 * Every write command in every form of its options, through a Ferry between two real servers: the client's answer is the authority's, both
 * sides end equal to the last millisecond and pending entry, and the journal was not needed, unless the case says that it is.
 * The servers are set up so that rough trimming cuts in different places, and the target stands still while the commands are sent: what
 * depended on its own clock or ids would come out differently.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { stateOf } from '../../support/server-state.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'
import { type Case, cases } from './effect-cases.ts'

interface Pair {
  readonly source: string
  readonly target: string
  readonly protocol: 2 | 3
}

/** Whatever is on PATH. */
const own = 'redis-7.0'
const pairs: readonly Pair[] = [
  { source: own, target: own, protocol: 2 },
  { source: 'redis-8.0', target: 'redis-8.0', protocol: 3 },
  { source: 'valkey-9.1', target: 'valkey-9.1', protocol: 3 },
  { source: own, target: 'redis-8.0', protocol: 3 },
  { source: 'valkey-8.1', target: 'valkey-9.1', protocol: 2 },
  { source: 'redis-8.0', target: own, protocol: 2 },
  { source: 'redis-8.0', target: 'valkey-9.1', protocol: 3 },
  { source: 'valkey-9.1', target: own, protocol: 3 },
]
const missing = (engine: string): boolean => engine !== own && engineMissing(engine)
const versionOf = (engine: string): number => Number(engine.split('-')[1])
const familyOf = (engine: string) => engine.split('-')[0] as 'redis' | 'valkey'

const journals = ({ journal = () => false }: Case, { source, target }: Pair): boolean =>
  journal(versionOf(source), versionOf(target))

function suits(one: Case, pair: Pair): boolean {
  const knows = (engine: string): boolean =>
    one.needs === undefined || versionOf(engine) >= (one.needs[familyOf(engine)] ?? Number.POSITIVE_INFINITY)
  return knows(pair.source) && (one.nearest === true || knows(pair.target))
}

/** A case in two databases of its own. */
interface Placed extends Case {
  readonly name: string
  readonly databases: readonly [number, number]
}

interface Outcome {
  readonly refused: readonly string[]
  readonly replies: readonly string[]
  readonly marks: number
  readonly source: unknown
  readonly target: unknown
}

const placed = (chosen: readonly Case[]): Placed[] =>
  chosen.map((one, i) => ({ ...one, name: one.when.join('; ').slice(0, 120), databases: [2 * i + 1, 2 * i + 2] }))
const databasesMax = 2 * cases.length + 1

/** What SET k 5 is dumped as by Redis 7.0, which every later server takes. */
const payload = Buffer.from('00c0050a00632f5f66832fb351', 'hex').toString('latin1')

/** A line of a case, in its own databases. */
function bytesOf(line: string, [first, second]: readonly [number, number]): string {
  const own = (digit: string): string => String(digit === '0' ? first : second)
  const moved = line
    .replace(/^(SELECT|MOVE \w+|COPY .* DB) ([03])\b/, (_, head: string, db: string) => `${head} ${own(db)}`)
    .replace(/^SWAPDB (\d) (\d)$/, (_, one: string, other: string) => `SWAPDB ${own(one)} ${own(other)}`)
  return multibulk(...moved.split(' ').map((word) => (word === '@' ? payload : word)))
}

/** They wait for the follower, which must not stand still then: all writes do, or it is asked how many databases it has. */
const asksFollower = ({ when }: Case): boolean => when.some((line) => /^(SWAPDB|FLUSH|MOVE|COPY .* DB )/.test(line))

function byDatabase(state: Record<string, unknown>): Map<number, unknown[]> {
  const databases = new Map<number, unknown[]>()
  for (const entry of Object.entries(state)) {
    const db = Number.parseInt(entry[0], 10)
    databases.set(db, [...(databases.get(db) ?? []), entry])
  }
  return databases
}

class Bench {
  readonly source: RedisServer
  readonly target: RedisServer
  readonly ferry: Ferry
  readonly client: WireClient

  static async open(pair: Pair): Promise<Bench> {
    const start = (engine: string, entries: number) =>
      startRedis({
        ...(engine === own ? {} : { engine }),
        args: ['--stream-node-max-entries', `${entries}`, '--databases', `${databasesMax}`],
      })
    const [source, target] = await Promise.all([start(pair.source, 5), start(pair.target, 3)])
    const ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    const client = await WireClient.open(ferry.port)
    await client.ask(`HELLO ${pair.protocol}`)
    return new Bench(source, target, ferry, client)
  }

  private constructor(source: RedisServer, target: RedisServer, ferry: Ferry, client: WireClient) {
    this.source = source
    this.target = target
    this.ferry = ferry
    this.client = client
  }

  async close(): Promise<void> {
    this.client.close()
    await this.ferry.dispose()
    await Promise.all([this.source.stop(), this.target.stop()])
  }

  async marks(): Promise<number> {
    const page = await (await fetch(`${this.ferry.controlUrl}/metrics`)).text()
    return Number(/^ferry_journal_marks_total(?:\{.*\})? (\d+)$/m.exec(page)?.[1] ?? Number.NaN)
  }

  /** Each by itself, so that the marks are its own. */
  async oneByOne(chosen: readonly Placed[]): Promise<Map<Placed, Outcome>> {
    const outcomes = new Map<Placed, Outcome>()
    for (const one of chosen) for (const [key, outcome] of await this.together([one])) outcomes.set(key, outcome)
    return outcomes
  }

  /** All of them in one go: what was marked is told of each of them. */
  async together(chosen: readonly Placed[]): Promise<Map<Placed, Outcome>> {
    await this.client.ask('FLUSHALL')
    const before = await this.marks()
    const given = await this.#send(chosen, ({ given }) => given)
    await this.ferry.untilSettled()
    const still = !chosen.some(asksFollower)
    if (still) this.target.freeze()
    const replies = await this.#send(chosen, ({ when }) => when)
      .then((all) => this.#laterThan(all))
      .finally(() => this.target.thaw())
    await this.ferry.untilSettled()
    const marks = (await this.marks()) - before
    const databases = chosen.flatMap((one) => one.databases)
    const stateAt = async ({ port }: RedisServer) => byDatabase(await stateOf(port, databases))
    const [source, target] = await Promise.all([stateAt(this.source), stateAt(this.target)])
    const ofCase = (state: Map<number, unknown[]>, { databases }: Placed) => databases.map((db) => state.get(db))
    return new Map(
      chosen.map((one) => [
        one,
        {
          refused: (given.get(one) ?? []).filter((reply) => reply.startsWith('-')),
          replies: replies.get(one) ?? [],
          marks,
          source: ofCase(source, one),
          target: ofCase(target, one),
        },
      ]),
    )
  }

  /** So that the follower's clock is another one for the last command, too. */
  async #laterThan<T>(sent: T): Promise<T> {
    const answeredMs = Date.now()
    await until(() => Date.now() > answeredMs + 5, { intervalMs: 1, what: 'the clock to go on' })
    return sent
  }

  async #send(chosen: readonly Placed[], linesOf: (one: Placed) => readonly string[]): Promise<Map<Placed, string[]>> {
    const sent = chosen.map((one) => ({ one, lines: ['SELECT 0', ...linesOf(one)] }))
    this.client.write(sent.map(({ one, lines }) => lines.map((line) => bytesOf(line, one.databases)).join('')).join(''))
    const replies = new Map<Placed, string[]>()
    for (const { one, lines } of sent) replies.set(one, (await this.client.take(lines.length)).slice(1))
    return replies
  }
}

interface Run {
  readonly bench: Bench
  readonly outcomes: ReadonlyMap<Placed, Outcome>
}

async function run(pair: Pair, chosen: readonly Placed[]): Promise<Run> {
  const bench = await Bench.open(pair)
  const quiet = chosen.filter((one) => !journals(one, pair))
  const outcomes = new Map<Placed, Outcome>()
  for (const some of [quiet.filter((one) => !asksFollower(one)), quiet.filter(asksFollower)]) {
    const all = await bench.together(some)
    const marked = [...all.values()].some(({ marks }) => marks > 0)
    for (const [one, outcome] of marked ? await bench.oneByOne(some) : all) outcomes.set(one, outcome)
  }
  for (const [one, outcome] of await bench.oneByOne(chosen.filter((one) => journals(one, pair)))) outcomes.set(one, outcome)
  return { bench, outcomes }
}

const chosenOf = new Map(pairs.map((pair) => [pair, placed(cases.filter((one) => suits(one, pair)))]))
const runs = new Map<Pair, Promise<Run>>()

/** Starts it, and the next one beside it: starting servers is mostly waiting. */
function runOf(pair: Pair): Promise<Run> {
  const next = pairs.slice(pairs.indexOf(pair), pairs.indexOf(pair) + 2)
  for (const one of next.filter(({ source, target }) => !missing(source) && !missing(target))) {
    if (runs.has(one)) continue
    const started = run(one, chosenOf.get(one) ?? [])
    started.catch(() => {}) // Its own tests tell.
    runs.set(one, started)
  }
  return runs.get(pair) as Promise<Run>
}

describe.each(pairs)('$source to $target in RESP$protocol', (pair) => {
  describe.skipIf(missing(pair.source) || missing(pair.target))('through Ferry', () => {
    const chosen = chosenOf.get(pair) ?? []
    let bench: Bench
    let outcomes: ReadonlyMap<Placed, Outcome>

    beforeAll(async () => {
      ;({ bench, outcomes } = await runOf(pair))
    }, 60_000)

    afterAll(() => bench?.close())

    test.each(chosen)('leaves both sides equal: $name', (one) => {
      const { refused, replies, marks, source, target } = outcomes.get(one) as Outcome
      expect(refused).toEqual([])
      expect(replies).toHaveLength(one.when.length)
      for (const reply of replies) expect(reply).toMatch(one.answers ?? /^[^-]/)
      expect(target).toEqual(source)
      if (journals(one, pair)) expect(marks, 'marks').toBeGreaterThan(0)
      else expect(marks, 'marks').toBe(0)
    })

    const untilMarked = (before: number): Promise<boolean> =>
      until(async () => (await bench.marks()) > before, { timeoutMs: 5_000, what: 'the key to be marked' })

    // What the follower answers to an effect is compared, too: an error, or a change that is not the authority's, puts the key in the journal.
    test.each([
      ['SADD k a b c', 'SPOP k 2', 'SREM k a b c'],
      ['SADD k a b c', 'SPOP k', 'SET k string'],
      ['HSET k f 1', 'HINCRBYFLOAT k f 0.5', 'SET k string'],
      ['XADD k 1-1 f v', 'XADD k * f v', 'XADD k 9999999999999-1 f v'],
      ['XADD k 1-1 f v', 'XADD k MAXLEN ~ 5 * f v', 'SET k string'],
      ['XADD k 1-1 f v', 'XGROUP CREATE k g $', 'XGROUP CREATE k g 0'],
      ['ZADD k 1 a', 'ZINCRBY k 0.5 a', 'ZADD k 3 a'],
    ])('%s; %s, where %s came past Ferry, is healed', async (given, when, past) => {
      const { client, ferry } = bench
      await client.ask('SELECT 0')
      await client.ask('FLUSHALL')
      await client.ask(given)
      await ferry.untilSettled()
      const before = await bench.marks()
      const [name = '', ...rest] = past.split(' ')
      const redis = bench.target.client()
      if (name === 'SET' || name === 'SREM') await redis.del('k')
      if (name !== 'SREM') await redis.call(name, ...rest)
      redis.disconnect()
      expect(await client.ask(when)).not.toMatch(/^-/)
      await untilMarked(before)
      await ferry.untilSettled()
      expect(await stateOf(bench.target.port)).toEqual(await stateOf(bench.source.port))
    })

    // Last: what is in the journal then cannot be copied to an older server, and stays there.
    test.skipIf(pair.source !== 'redis-8.0' || pair.target !== own).each([
      ['SET k v', 'HSETEX h EX 50 FIELDS 1 a 9'],
      ['HSET h a 1', 'HGETEX h EX 50 FIELDS 1 a'],
      ['HSET h a 1', 'HEXPIRE h 50 FIELDS 1 a'],
    ])('%s; %s, of which the follower has nothing near, goes to the journal', async (given, when) => {
      const { client } = bench
      await client.ask('SELECT 0')
      await client.ask('FLUSHALL')
      await client.ask(given)
      const before = await bench.marks()
      expect(await client.ask(when)).not.toMatch(/^-/)
      await untilMarked(before)
    })
  })
})
