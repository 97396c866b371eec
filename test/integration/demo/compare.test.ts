import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { compareServers } from '../../../src/demo/compare.ts'
import { fillDataset } from '../../../src/demo/dataset.ts'
import { type Argument, RawConnection } from '../../../src/demo/raw-connection.ts'
import { type RedisServer, Servers } from '../../../src/demo/servers.ts'

const servers = new Servers('ferry-compare-')
let pair: [RedisServer, RedisServer]
let source: RawConnection
let target: RawConnection

beforeAll(async () => {
  pair = [await servers.startRedis('source'), await servers.startRedis('target')]
  source = await RawConnection.open(pair[0].port)
  target = await RawConnection.open(pair[1].port)
  // The target stores small things as large ones, so that equal values have different payloads.
  const settings = ['hash-max-listpack-entries', 'zset-max-listpack-entries', 'list-max-listpack-size', 'set-max-intset-entries']
  for (const setting of settings) await target.command('CONFIG', 'SET', setting, 1)
})

afterEach(async () => {
  for (const side of [source, target]) await side.command('FLUSHALL')
})

afterAll(async () => {
  source.close()
  target.close()
  await servers.stop()
})

const compare = () => compareServers(pair[0].port, pair[1].port)

async function both(...commands: Argument[][]): Promise<void> {
  for (const side of [source, target]) {
    for (const reply of await side.batch(commands)) if (reply instanceof Error) throw reply
  }
}

const stream: Argument[][] = [
  ['XADD', 'k', '1-1', 'a', 1],
  ['XADD', 'k', '2-1', 'a', 2],
  ['XGROUP', 'CREATE', 'k', 'g', '0'],
  ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', 'k', '>'],
]

/** What both sides get, then what only the target gets, then what the comparison must call it. */
const differing: [string, Argument[][], Argument[][], string][] = [
  ['a string', [['SET', 'k', 'a']], [['SET', 'k', 'b']], 'value'],
  ['a missing key', [['SET', 'k', 'a']], [['DEL', 'k']], 'missing'],
  ['an extra key', [], [['SET', 'k', 'a']], 'extra'],
  [
    'a type',
    [['SET', 'k', 'a']],
    [
      ['DEL', 'k'],
      ['RPUSH', 'k', 'a'],
    ],
    'type',
  ],
  [
    'the order of a list',
    [['RPUSH', 'k', 'a', 'b']],
    [
      ['DEL', 'k'],
      ['RPUSH', 'k', 'b', 'a'],
    ],
    'value',
  ],
  [
    'a member of a set',
    [['SADD', 'k', 'a', 'b']],
    [
      ['SADD', 'k', 'c'],
      ['SREM', 'k', 'a'],
    ],
    'value',
  ],
  ['a score', [['ZADD', 'k', 1, 'a', 2, 'b']], [['ZADD', 'k', 1.5, 'a']], 'value'],
  ['a field', [['HSET', 'k', 'a', 1, 'b', 2]], [['HSET', 'k', 'b', 3]], 'value'],
  ['a HyperLogLog', [['PFADD', 'k', 'a']], [['PFADD', 'k', 'b', 'c']], 'value'],
  ['an entry of a stream', stream, [['XDEL', 'k', '2-1']], 'value'],
  ['the last id of a stream', stream, [['XSETID', 'k', '9-9']], 'value'],
  ['the position of a group', stream, [['XGROUP', 'SETID', 'k', 'g', '0']], 'value'],
  ['a pending entry', stream, [['XACK', 'k', 'g', '1-1']], 'value'],
  ['a time to live', [['SET', 'k', 'a', 'EX', 100]], [['EXPIRE', 'k', 102]], 'ttl'],
  ['a time to live that is not there', [['SET', 'k', 'a', 'EX', 100]], [['PERSIST', 'k']], 'ttl'],
  ['a time to live that should not be there', [['SET', 'k', 'a']], [['EXPIRE', 'k', 100]], 'ttl'],
  [
    'another database',
    [],
    [
      ['SELECT', 3],
      ['SET', 'k', 'a'],
      ['SELECT', 0],
    ],
    'extra',
  ],
]

/** Nothing of this is a difference. */
const agreeing: [string, Argument[][], Argument[][]][] = [
  ['the cached count of a HyperLogLog', [['PFADD', 'k', 'a', 'b']], [['PFCOUNT', 'k']]],
  [
    'the order of a set',
    [['SADD', 'k', 'x', 'y', 'z']],
    [
      ['DEL', 'k'],
      ['SADD', 'k', 'z', 'y', 'x'],
    ],
  ],
  [
    'the order of a hash',
    [['HSET', 'k', 'a', 1, 'b', 2]],
    [
      ['DEL', 'k'],
      ['HSET', 'k', 'b', 2, 'a', 1],
    ],
  ],
  ['when a pending entry was delivered', stream, [['XCLAIM', 'k', 'g', 'c', 0, '1-1', 'IDLE', 50_000, 'JUSTID']]],
  ['a few milliseconds of life', [['SET', 'k', 'a', 'PX', 100_000]], [['PEXPIRE', 'k', 100_600]]],
  ['a key that is about to go, a moment apart', [['SET', 'k', 'a', 'PX', 250]], [['PEXPIRE', 'k', 900]]],
]

/** The case's own key in place of `k`, so that all cases can be told apart in one comparison. */
const withKey = (commands: readonly Argument[][], key: string) =>
  commands.map((argv) => argv.map((argument) => (argument === 'k' ? key : argument)))

describe('compareServers', () => {
  it('finds every kind of difference, each once and under its name', async () => {
    for (const [name, common, onTarget] of differing) {
      await both(...withKey(common, name))
      await target.batch(withKey(onTarget, name))
    }
    const comparison = await compare()
    expect(new Map(comparison.samples.map(({ key, kind }) => [key, kind]))).toEqual(
      new Map(differing.map(([name, , , kind]) => [name, kind])),
    )
    const count = (kind: string) => differing.filter((difference) => difference[3] === kind).length
    expect(comparison).toMatchObject({
      differences: differing.length,
      missing: count('missing'),
      extra: count('extra'),
      ttlDifferences: count('ttl'),
    })
  })

  it.each(agreeing)('takes no offence at %s', async (_, common, onTarget) => {
    await both(...common)
    await target.batch(onTarget)
    expect(await compare()).toMatchObject({ differences: 0, samples: [] })
  })

  it('finds two fillings of the data set equal, and each key that is then changed', async () => {
    // At the same time: some keys live for seconds only.
    await Promise.all(pair.map(({ port }) => fillDataset(port, 3000, () => {})))
    const equal = await compare()
    expect(equal.keysCompared).toBe(3000)
    // Times to live count from the moment of filling, and the large keys take their time: the values are what matters here.
    expect(equal.differences - equal.ttlDifferences).toBe(0)
    await target.batch([
      ['APPEND', 'demo:string:100', '!'],
      ['INCR', 'demo:counter:124'],
      ['RPUSH', 'demo:list:140', 'x'],
      ['HINCRBY', 'demo:hash:276', 'n', 1],
      ['DEL', 'demo:hll:494'],
    ])
    const changed = await compare()
    expect(changed.differences - changed.ttlDifferences).toBe(5)
    expect(changed.missing).toBe(1)
  })
})
