/** The claim behind Kind.WritePlain, WriteMovable and WriteFar: the same commands from the same state give the same state, on any two servers. */
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { Kind } from '../../../src/commands/spec.ts'
import { commandLine, firstLines } from '../../support/command-lines.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

const templates = [
  'append <string> <value>',
  'bitop xor <string> <string> <string>',
  'bitop not <key> <string>',
  'decr <string>',
  'decrby <string> <number>',
  'del <key> <key>',
  'expireat <key> <instantSeconds>',
  'geoadd g1 xx ch 13.5 38.25 a',
  'geoadd g1 15.25 -37.123456789 c',
  'getdel <string>',
  'getset <string> <value>',
  'hdel <hash> <member> <member>',
  'hincrby <hash> <member> <number>',
  'hmset <hash> <member> <value>',
  'hset <hash> <member> <value> <member> <number>',
  'hsetnx <hash> <member> <value>',
  'incr <string>',
  'incrby <string> <number>',
  'linsert <list> before <member> <value>',
  'lmove <list> <list> <end> <end>',
  'lmpop 2 <list> <list> <end> count 2',
  'lpop <list> 2',
  'lpush <list> <value> <member>',
  'lpushx <list> <value>',
  'lrem <list> <number> <member>',
  'lset <list> <number> <value>',
  'ltrim <list> <number> <number>',
  'mset <string> <value> <key> <value>',
  'msetnx <string> <value> <key> <value>',
  'persist <key>',
  'pexpireat <key> <instant> gt',
  'pfadd <hll> <member> <value> <number>',
  'pfmerge <hll> <hll> <hll>',
  'rename <key> <key>',
  'renamenx <key> <key>',
  'rpop <list>',
  'rpoplpush <list> <list>',
  'rpush <list> <value> <member>',
  'rpushx <list> <value>',
  'sadd <set> <member> <number>',
  'sdiffstore <key> <set> <set>',
  'setbit <string> <offset> 1',
  'setnx <key> <value>',
  'setrange <string> <offset> <value>',
  'sinterstore <key> <set> <set>',
  'smove <set> <set> <member>',
  'srem <set> <member>',
  'sunionstore <key> <set> <set> <set>',
  'unlink <key>',
  'xack <stream> g1 <id> 1-1',
  'xdel <stream> <id> 1-1',
  'xgroup createconsumer <stream> g1 c2',
  'xgroup delconsumer <stream> g1 c1',
  'xgroup destroy <stream> g1',
  'xsetid <stream> <id>',
  'zadd <zset> <plainScore> <member> <plainScore> <member>',
  'zadd <zset> gt ch <plainScore> <member>',
  'zadd <zset> nx incr <plainScore> <member>',
  'zdiffstore <key> 2 <zset> <zset>',
  'zincrby <zset> <plainScore> <member>',
  'zmpop 2 <zset> <zset> min count 2',
  'zpopmax <zset>',
  'zpopmin <zset> 2',
  'zrangestore <key> <zset> 0 1 rev',
  'zrem <zset> <member>',
  'zremrangebylex <zset> [a (c',
  'zremrangebyrank <zset> <number> <number>',
  'zremrangebyscore <zset> <score> inf',
  // What rewrite.ts calls plain.
  'set <key> <value> xx get',
  'set <string> <value> keepttl',
  'copy <key> <key> replace',
  'bitfield <string> overflow sat incrby i5 <offset> <number>',
  'zunionstore <key> 2 <zset> <zset>',
  'zinterstore <key> 2 <zset> <zset> weights 0.3 7 aggregate max',
  'xadd <stream> maxlen = 2 <id> f <value>',
  'xtrim <stream> minid <id>',
  'xgroup create <stream> g2 <id> mkstream',
  'sort <set> alpha desc limit 0 2 store <key>',
  // Not as numbers: of an empty string Redis makes 0, and Valkey 9 an error. The answers tell them apart then.
  'sort <list> alpha store <key>',
  'sort <zset> alpha store <key>',
  'expire <key> -5 lt',
  'move <key> 3',
]

/** Not on Redis 7.0, so not compared with it. */
const newer = 'ardel ardelrange arinsert armset arring arseek arset hexpireat hpersist hpexpireat vsetattr'.split(' ')

async function run(client: Redis, words: readonly string[]): Promise<string> {
  const [name, ...rest] = words
  try {
    await client.callBuffer(String(name), ...rest)
    return 'ok'
  } catch (error) {
    return String(error).split(' ').slice(0, 2).join(' ')
  }
}

/** As numbers: how a double is printed changed between versions. */
function scoresOf(reply: unknown): number[] {
  return (reply as unknown[])
    .flat()
    .filter((_, i) => i % 2 === 1)
    .map(Number)
}

async function contentOf(client: Redis, key: string): Promise<unknown> {
  switch (await client.type(key)) {
    case 'string':
      // Of a HyperLogLog, the elements it has seen: its bytes depend on settings.
      return key.startsWith('p') ? client.pfcount(key).catch(String) : (await client.getBuffer(key))?.toString('latin1')
    case 'list':
      return client.lrange(key, 0, -1)
    case 'set':
      return (await client.smembers(key)).sort()
    case 'zset':
      return [await client.zrange(key, '0', '-1'), scoresOf(await client.call('ZRANGE', key, '0', '-1', 'WITHSCORES'))]
    case 'hash':
      return Object.entries(await client.hgetall(key)).sort()
    default: {
      // The lag is no data: each version reckons it from the counters in its own way.
      const groups = JSON.stringify(await client.xinfo('GROUPS', key)).replace(/"lag",(\d+|null)/g, '')
      return [await client.xrange(key, '-', '+'), groups]
    }
  }
}

async function stateOf(client: Redis): Promise<unknown> {
  const keys = (await client.keys('*')).sort()
  return Promise.all(keys.map(async (key) => [key, await client.pexpiretime(key), await contentOf(client, key)]))
}

async function runAll(client: Redis, lines: readonly (readonly string[])[]): Promise<string[]> {
  await client.flushall()
  return Promise.all(lines.map((words) => run(client, words)))
}

describe('writes that both sides run', () => {
  it('are all tried here', () => {
    const tried = new Set(
      templates.map((template) => template.split(' ')).flatMap(([name = '', sub]) => [name, `${name}|${sub}`]),
    )
    const claimed = allCommands.filter((spec) => spec.kind === Kind.WritePlain || spec.kind === Kind.WriteMovable)
    expect(
      claimed
        .map((spec) => spec.name)
        .filter((name) => !tried.has(name))
        .sort(),
    ).toEqual(newer)
  })

  describe.each(['redis-8.0', 'valkey-8.0', 'valkey-9.1'])('on Redis 7 and %s', (engine) => {
    describe.skipIf(engineMissing(engine))('from the same state', () => {
      let servers: RedisServer[] = []
      beforeAll(async () => {
        servers = await Promise.all([startRedis(), startRedis({ engine })])
      })
      afterAll(() => Promise.all(servers.map((server) => server.stop())))

      it('end in the same state', async () => {
        const [one, other] = servers.map((server) => server.client()) as [Redis, Redis]
        const first = firstLines.map((line) => line.split(' '))
        const sequences = fc.array(commandLine(templates), { minLength: 1, maxLength: 40, size: 'max' })
        await fc.assert(
          fc.asyncProperty(sequences, async (lines) => {
            const outcomes = await Promise.all([one, other].map((client) => runAll(client, [...first, ...lines])))
            expect(outcomes[1]).toEqual(outcomes[0])
            const states = await Promise.all([one, other].map(stateOf))
            expect(states[1]).toEqual(states[0])
          }),
          { numRuns: 300 },
        )
      })
    })
  })
})
