/**
 * Slots change hands under a pipelined load. The client: gets every reply, in order, and no redirection. The cluster: has run every command
 * once, in the order in which each key's were sent.
 */
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SidesBehind, sidesBehind } from '../../../src/cluster/sides.ts'
import { Random } from '../../../src/demo/random.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { type RedisCluster, slotOfKey, startCluster } from '../../support/redis-cluster.ts'
import { until } from '../../support/wait.ts'

const seed = Number(process.env.RESHARDING_SEED ?? Date.now() % 1_000_000)
const keysPerSlot = 4
const slots = 3

let cluster: RedisCluster
let behind: SidesBehind

beforeAll(async () => {
  cluster = await startCluster()
  behind = sidesBehind({ source: parseEndpoint(cluster.url), target: parseEndpoint('redis://127.0.0.1:1') }, new Turn())
}, 60_000)

afterAll(async () => {
  behind?.stop()
  await cluster?.stop()
})

/** Appends to every key in turn until told to stop; checks each reply against what it must be. */
class Appender {
  readonly expected = new Map<string, string>()
  readonly wrong: string[] = []
  sent = 0
  readonly #client: Redis
  readonly #keys: readonly string[]
  readonly #random: Random

  constructor(client: Redis, keys: readonly string[], random: Random) {
    this.#client = client
    this.#keys = keys
    this.#random = random
  }

  async run(over: () => boolean): Promise<void> {
    const waiting: Promise<void>[] = []
    while (!over()) {
      for (let i = this.#random.between(1, 40); i > 0; i--) waiting.push(this.#append())
      if (waiting.length > 400) await Promise.all(waiting.splice(0, 200))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(waiting)
  }

  async #append(): Promise<void> {
    const key = this.#random.pick(this.#keys)
    const more = `${this.sent++},`
    const value = (this.expected.get(key) ?? '') + more
    this.expected.set(key, value)
    try {
      const length = await this.#client.append(key, more)
      if (length !== value.length) this.wrong.push(`${key}: ${length} bytes after ${more} instead of ${value.length}`)
    } catch (error) {
      this.wrong.push(`${key} ${more}: ${(error as Error).message}`)
    }
  }
}

describe(`slots on their way (seed ${seed})`, () => {
  test('nothing is lost, doubled or overtaken', { timeout: 60_000 }, async () => {
    const random = new Random(seed)
    const tags = Array.from({ length: slots }, (_, i) => `{t${seed % 97}-${i}}`)
    const keys = tags.flatMap((tag) => Array.from({ length: keysPerSlot }, (_, i) => `${tag}:${i}`))
    const client = await connectClient(behind.source.endpoint, 'test')
    const other = await connectClient(behind.source.endpoint, 'test')
    let over = false
    const appenders = [client, other].map((one, i) => {
      const own = keys.filter((_, at) => at % 2 === i)
      return new Appender(one, own, new Random(seed + i))
    })
    const running = appenders.map((appender) => appender.run(() => over))
    const primaries = await cluster.primaries()
    for (let round = 0; round < 6; round++) {
      const slot = slotOfKey(random.pick(tags))
      const from = await cluster.primaryOf(slot)
      const to = random.pick(primaries.filter((node) => node !== from))
      await cluster.beginMigration(slot, to)
      while ((await cluster.moveKeys(slot, 1)) > 0) await new Promise((resolve) => setTimeout(resolve, random.between(0, 15)))
      await cluster.finishMigration(slot)
    }
    over = true
    await Promise.all(running)
    for (const appender of appenders) {
      expect(appender.wrong).toEqual([])
      expect(appender.sent).toBeGreaterThan(1_000)
      for (const [key, value] of appender.expected) expect(await client.get(key)).toBe(value)
    }
    client.disconnect()
    other.disconnect()
  })

  test('a command on keys of which some have gone is tried again, told of as out of order, and given up in the end', {
    timeout: 60_000,
  }, async () => {
    const slot = slotOfKey('{half}')
    const keys = ['{half}1', '{half}2']
    const reordered: string[] = []
    let answers = ''
    const opened = Promise.withResolvers<void>()
    const wire = behind.source.endpoint.dial?.(
      {
        credentials: { username: null, password: null },
        whileBusy: false,
        singly: true,
        reordered: (frame) => reordered.push(String(frame)),
      },
      opened.resolve,
      (chunk) => {
        answers += chunk
      },
    )
    if (wire === undefined) throw new Error('a cluster is dialled')
    await opened.promise
    const set = encodeCommand(['MSET', keys[0] as string, 'a', keys[1] as string, 'b'])
    const from = await cluster.primaryOf(slot)
    const [to] = (await cluster.primaries()).filter((node) => node !== from)
    if (to === undefined) throw new Error('a cluster of one')
    wire.write(set)
    await until(() => answers === '+OK\r\n', { what: 'the first answer' })
    await cluster.beginMigration(slot, to)
    expect(await cluster.moveKeys(slot, 1)).toBe(1)
    wire.write(set)
    await until(() => reordered.length > 0, { what: 'a refusal' })
    expect(reordered[0]).toBe(String(set))
    await cluster.moveKeys(slot)
    await until(() => answers === '+OK\r\n+OK\r\n', { what: 'the second answer' })
    await cluster.finishMigration(slot)

    await cluster.beginMigration(slot, from)
    expect(await cluster.moveKeys(slot, 1)).toBe(1)
    wire.write(set)
    await until(() => answers.includes('-TRYAGAIN'), { what: 'the refusal to be passed on', timeoutMs: 5_000 })
    await cluster.moveKeys(slot)
    await cluster.finishMigration(slot)
    wire.destroy()
  })
})
