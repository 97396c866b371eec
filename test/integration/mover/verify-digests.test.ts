/** Digests of payloads, made by the servers: the same for the same value on both, another one for another value, on every engine. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Pair } from '../../../src/mover/verify-pair.ts'
import { PayloadChoice, Payloads } from '../../../src/mover/verify-payloads.ts'
import { VerifyPipe } from '../../../src/mover/verify-pipe.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { engineNames, type RedisServer, startRedis } from '../../support/redis-server.ts'

const servers: RedisServer[] = []
const pipes: VerifyPipe[] = []

afterEach(async () => {
  for (const pipe of pipes.splice(0)) pipe.close()
  for (const server of servers.splice(0)) await server.stop()
})

async function pipeTo(engine: string | undefined): Promise<VerifyPipe> {
  const server = await startRedis(engine === undefined ? {} : { engine })
  servers.push(server)
  const endpoint = parseEndpoint(server.url)
  const pipe = new VerifyPipe(endpoint)
  pipes.push(pipe)
  await pipe.signIn(endpoint)
  return pipe
}

/** Digests are wanted, whatever is faster. */
function digests(): PayloadChoice {
  const choice = new PayloadChoice()
  for (let n = 0; n < 4; n++) choice.took('payload', 1, 1_000)
  return choice
}

/** A set of words has an order of its own on each server of 7.0: such a one is for the comparison by meaning. */
const values = [
  ['RPUSH', 'list', 'a', 'b'],
  ['SADD', 'set', '1', '2', '3'],
  ['ZADD', 'zset', '0.1', 'a', '2', 'b'],
  ['HSET', 'hash', 'a', '1', 'b', '2'],
  ['XADD', 'stream', '1-1', 'a', 'b'],
  ['PEXPIREAT', 'hash', '4102444800000'],
  ['SET', 'string', 'x'.repeat(10_000)],
]
const keys = ['list', 'set', 'zset', 'hash', 'stream'].map((key) => Buffer.from(key))
const changes = [
  ['LSET', 'list', '0', 'A'],
  ['SADD', 'set', '4'],
  ['ZADD', 'zset', '0.2', 'a'],
  ['HSET', 'hash', 'b', '3'],
  ['XGROUP', 'CREATE', 'stream', 'g', '0'],
  ['SETRANGE', 'string', '9999', 'y'],
]

describe.each([undefined, ...engineNames()])('%s (undefined: the one on PATH)', (engine) => {
  it('tells equal values from others, with their expiry', async () => {
    const [source, target] = [await pipeTo(engine), await pipeTo(engine)]
    for (const pipe of [source, target]) await pipe.callAll(values)
    const pair: Pair = { source, target, ttlToleranceMs: 0, expiry: 'PEXPIRETIME', fieldTtls: { source: false, target: false } }
    const equal = await new Payloads(pair, digests()).look(keys, false, 1)
    expect([equal.way, equal.same]).toEqual(['digest', [true, true, true, true, true]])
    expect(equal.expiries[3]).toEqual([4_102_444_800_000, 4_102_444_800_000])
    const string = [Buffer.from('string')]
    expect((await new Payloads(pair, digests()).look(string, true, 1)).same).toEqual([true])
    await target.callAll(changes)
    const other = await new Payloads(pair, digests()).look([...keys, Buffer.from('none')], false, 1)
    expect(other.same).toEqual([false, false, false, false, false, false])
    expect(other.expiries[5]).toEqual([-2, -2])
    expect((await new Payloads(pair, digests()).look(string, true, 1)).same).toEqual([false])
  })
})

it('falls back on payloads where the user may run no script, and does not ask again', async () => {
  const [source, target] = [await pipeTo(undefined), await pipeTo(undefined)]
  for (const pipe of [source, target]) await pipe.callAll([...values, ['ACL', 'SETUSER', 'default', '-eval']])
  const pair: Pair = { source, target, ttlToleranceMs: 0, expiry: 'PEXPIRETIME', fieldTtls: { source: false, target: false } }
  const payloads = new Payloads(pair, digests())
  for (let n = 0; n < 8; n++)
    expect(await payloads.look(keys, false, 1)).toMatchObject({ way: 'payload', same: keys.map(() => true) })
  const stats = String(await source.call(['INFO', 'commandstats']))
  expect(/cmdstat_eval:calls=\d+,.*rejected_calls=(\d+)/.exec(stats)?.[1]).toBe('1')
})
