/**
 * Commands that two servers could make something different of: random members, the server's clock, floating point, several databases,
 * scripts, everything at once.
 *
 * Clients: the authority's own reply.
 * Source and target: equal as soon as the journal is empty, whichever of them is the authority.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Stage } from '../../support/stage.ts'
import { WireClient } from '../../support/wire-client.ts'

let stage: Stage
let client: WireClient

beforeAll(async () => {
  stage = await Stage.open()
  await stage.ferry.backfill()
  client = await WireClient.open(stage.ferry.port)
})

afterAll(async () => {
  client?.close()
  await stage?.close()
})

const members = Array.from({ length: 60 }, (_, n) => `m${n}`).join(' ')
const pairs = Array.from({ length: 30 }, (_, n) => `${n % 7} m${n}`).join(' ')

const cases: readonly (readonly [string, readonly string[]])[] = [
  ['SPOP', [`SADD set ${members}`, 'SPOP set', 'SPOP set 20', 'SADD set new', 'SPOP set 5']],
  ['INCRBYFLOAT', ['INCRBYFLOAT float 0.1', 'INCRBYFLOAT float 0.2', 'HINCRBYFLOAT hash f 3.7', 'HINCRBYFLOAT hash f -0.3']],
  ['XADD *', ['XADD stream * a 1', 'XADD stream MAXLEN ~ 2 * a 2', 'XADD stream NOMKSTREAM * a 3', 'XTRIM stream MAXLEN ~ 1']],
  [
    'consumer groups',
    [
      'XADD s * a 1',
      'XADD s * a 2',
      'XGROUP CREATE s g 0',
      'XREADGROUP GROUP g c COUNT 1 STREAMS s >',
      'XAUTOCLAIM s g d 0 0',
      'XACK s g 1-1',
    ],
  ],
  ['EVAL with keys', ['EVAL return{redis.call("INCR",KEYS[1]),redis.call("SET",KEYS[2],ARGV[1])} 2 {e}a {e}b v', 'INCR {e}a']],
  [
    'SET EX and the like',
    ['SET ex v EX 100', 'SETEX ex2 100 v', 'PSETEX ex3 100000 v', 'GETEX ex EX 50', 'EXPIRE ex2 70', 'SET ex3 w KEEPTTL'],
  ],
  [
    'conditional SET',
    ['SET cond 1 NX', 'SET cond 2 NX', 'SET cond 3 XX GET', 'SETNX cond 4', 'SET cond2 5 XX', 'EXPIRE cond 100 NX'],
  ],
  [
    'RENAME',
    [
      'SET old v EX 100',
      'RENAME old renamed',
      'RENAME nosuchkey x',
      'SET other o',
      'RENAMENX other renamed',
      'RENAMENX other free',
    ],
  ],
  [
    'SORT STORE',
    ['RPUSH list 3 1 2 2', 'SORT list STORE sorted', 'SORT list BY nosort STORE sorted2', 'SORT nosuchkey STORE sorted'],
  ],
  [
    'COPY',
    ['SET from v', 'COPY from to', 'COPY from to', 'COPY from to REPLACE', 'COPY from there DB 4', 'COPY from there DB 99'],
  ],
  [
    'MOVE',
    ['SET moving v', 'MOVE moving 4', 'GET moving', 'SET moving w', 'MOVE moving 4', 'SELECT 4', 'GET moving', 'SELECT 0'],
  ],
  [
    'sets from sets',
    [`SADD a ${members}`, 'SADD b m1 m2 x', 'SUNIONSTORE u a b', 'SINTERSTORE i a b', 'SDIFFSTORE d a b', 'SMOVE a b m5'],
  ],
  [
    'sorted sets',
    [
      `ZADD z ${pairs}`,
      'ZADD y 1 m1 2 m2 3 q',
      'ZUNIONSTORE zu 2 z y WEIGHTS 0.1 0.7',
      'ZINTERSTORE zi 2 z y',
      'ZPOPMIN z 3',
      'ZINCRBY z 0.1 m9',
    ],
  ],
  [
    'geo',
    [
      'GEOADD g 13.361389 38.115556 p 15.087269 37.502669 c',
      'GEOSEARCHSTORE gs g FROMLONLAT 15 37 BYRADIUS 200 km',
      'GEORADIUS g 15 37 200 km STORE gr',
    ],
  ],
  ['HyperLogLog', ['PFADD h1 a b c', 'PFADD h2 c d', 'PFMERGE h3 h1 h2', 'PFCOUNT h3', 'PFCOUNT h1 h2']],
  [
    'bits',
    [
      'SETBIT bit 1000 1',
      'BITFIELD bit INCRBY u5 100 1 GET u4 0',
      'BITOP NOT bitnot bit',
      'BITFIELD bit OVERFLOW FAIL SET u2 0 9',
    ],
  ],
  ['RESTORE', ['SET r v', 'RESTORE r 0 nonsense', 'RESTORE r2 0 nonsense']],
  ['wrong types', ['LPUSH l x', 'INCR l', 'SADD l x', 'SPOP l', 'EVAL return{redis.call("INCR",KEYS[1])} 1 l', 'RENAME l l2']],
]

describe.each(['source', 'target'] as const)('with the %s as the authority', (authority) => {
  beforeAll(async () => {
    if (authority === 'target') await stage.ferry.step('cutover')
  })

  it.each(cases)('%s: both sides are equal in the end', async (_, lines) => {
    expect(await client.ask('FLUSHALL')).toBe('+OK\r\n')
    const direct = await WireClient.open(authority === 'source' ? stage.source.port : stage.target.port)
    const replies = await client.pipeline(lines)
    expect(replies.filter((reply) => reply.includes('FERRY'))).toEqual([])
    const { journal } = await stage.ferry.untilSettled()
    expect(journal.failed).toBe(0)
    expect(await stage.wrong()).toEqual([])
    expect(await direct.ask('DBSIZE')).not.toBe(':0\r\n')
    direct.close()
  })

  it('FLUSHDB takes one database, FLUSHALL all, in order with what is around them', async () => {
    const lines = ['SET a 1', 'SELECT 2', 'SET b 2', 'FLUSHDB', 'SET c 3', 'SELECT 0', 'SET d 4']
    await client.pipeline(lines)
    await stage.ferry.untilSettled()
    expect(await stage.wrong()).toEqual([])
    expect(await stage.target.client({ db: 2 }).keys('*')).toEqual(['c'])
    expect(await client.pipeline(['SET e 5', 'FLUSHALL', 'SET f 6', 'DBSIZE'])).toEqual([
      '+OK\r\n',
      '+OK\r\n',
      '+OK\r\n',
      ':1\r\n',
    ])
    await stage.ferry.untilSettled()
    expect(await Promise.all([stage.source, stage.target].map((server) => server.client().keys('*')))).toEqual([['f'], ['f']])
  })

  it('all of them at once, by several clients, converge', async () => {
    await client.ask('FLUSHALL')
    const work = cases.map(async ([, lines]) => {
      const own = await WireClient.open(stage.ferry.port)
      for (let round = 0; round < 5; round++) await own.pipeline(lines)
      own.close()
    })
    await Promise.all(work)
    expect((await stage.ferry.untilSettled()).journal.failed).toBe(0)
    expect(await stage.wrong()).toEqual([])
  })
})
