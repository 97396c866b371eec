/** The miss table against real replies, RESP2 and RESP3: each read on a key that is not there, and on one that is. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { isMiss, missingElements, missRule } from '../../../src/commands/misses.ts'
import type { CommandSpec } from '../../../src/commands/spec.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

/** What makes `K` present, then reads that must miss without it and must not with it. */
const cases: readonly (readonly [fill: string, reads: string])[] = [
  ['set K abc', 'get K;getex K;strlen K;getrange K 0 1;substr K 0 1;bitcount K;bitpos K 1;getbit K 1;exists K;touch K;type K'],
  ['set K abc', 'ttl K;pttl K;expiretime K;pexpiretime K;dump K;mget K;bitfield_ro K get u8 0;bitfield K get u8 0'],
  ['set K abc', 'object encoding K;object idletime K;object refcount K;memory usage K;lcs K K;lcs K K len;lcs K K idx'],
  [
    'hset K f v',
    'hget K f;hmget K f;hgetall K;hkeys K;hvals K;hlen K;hexists K f;hstrlen K f;hrandfield K;hrandfield K 2;hscan K 0',
  ],
  ['hset K f v', 'httl K fields 1 f;hpttl K fields 1 f;hexpiretime K fields 1 f;hpexpiretime K fields 1 f;hgetex K fields 1 f'],
  ['rpush K 1 2', 'llen K;lindex K 0;lrange K 0 -1;lpos K 1;lpos K 1 count 0;sort K;sort_ro K'],
  [
    'sadd K a',
    'scard K;sismember K a;smismember K a;smembers K;srandmember K;srandmember K 2;sscan K 0;sinter K;sunion K;sdiff K',
  ],
  ['sadd K a', 'sintercard 1 K;sinter K K;sunion K K'],
  [
    'zadd K 1 a',
    'zcard K;zcount K 0 2;zlexcount K - +;zscore K a;zmscore K a;zrank K a;zrank K a withscore;zrevrank K a;zrange K 0 -1',
  ],
  ['zadd K 1 a', 'zrange K 0 -1 withscores;zrangebyscore K 0 2;zrangebylex K - +;zrevrange K 0 -1;zrevrangebyscore K 2 0'],
  ['zadd K 1 a', 'zrevrangebylex K + -;zrandmember K;zrandmember K 2;zrandmember K 2 withscores;zscan K 0;zinter 1 K;zunion 1 K'],
  ['zadd K 1 a', 'zdiff 1 K;zintercard 1 K'],
  ['geoadd K 1 2 a', 'geodist K a a;geohash K a;geopos K a;geosearch K fromlonlat 1 2 byradius 9 km;georadius K 1 2 9 km'],
  ['geoadd K 1 2 a', 'georadius_ro K 1 2 9 km;georadius K 1 2 9 km withdist'],
  ['xadd K 1-1 f v', 'xlen K;xrange K - +;xrevrange K + -;xread streams K 0;xinfo stream K'],
  ['xgroup create K g 0 mkstream', 'xpending K g;xinfo groups K'],
  ['pfadd K a', 'pfcount K'],
  [
    'vadd K values 2 1 2 a',
    'vcard K;vdim K;vemb K a;vinfo K;vismember K a;vlinks K a;vrandmember K;vrandmember K 2;vsim K values 2 1 2',
  ],
  ['vadd K values 2 1 2 a setattr {}', 'vgetattr K a'],
]

/** No case: they need a member as well as a key, and answer an error where the key is missing. */
const untried = ['digest', 'georadiusbymember', 'georadiusbymember_ro', 'object|freq', 'xinfo|consumers']

const specOf = (words: readonly string[]): CommandSpec => {
  const [name, sub] = words.map((word) => word.toLowerCase())
  return (allCommands.find((spec) => spec.name === `${name}|${sub}`) ??
    allCommands.find((spec) => spec.name === name)) as CommandSpec
}

/** One raw connection; each answer is what comes before that of an ECHO sent after it. */
class RawClient {
  readonly #socket: Socket
  #received = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
  }

  async ask(words: readonly string[]): Promise<Buffer> {
    const frame = (args: readonly string[]) => `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
    const mark = '$9\r\nthe mark.\r\n'
    this.#received = Buffer.alloc(0)
    this.#socket.write(frame(words) + frame(['ECHO', 'the mark.']))
    while (!this.#received.includes(mark)) await once(this.#socket, 'data')
    return this.#received.subarray(0, this.#received.indexOf(mark))
  }
}

const lines = cases.flatMap(([fill, reads]) => reads.split(';').map((read) => ({ fill: fill.split(' '), read: read.split(' ') })))

describe('miss table', () => {
  it('has a case for every command in it', () => {
    const tried = new Set(lines.map(({ read }) => specOf(read).name))
    const judged = allCommands.filter((spec) => missRule(spec)).map((spec) => spec.name)
    expect(judged.filter((name) => !tried.has(name)).sort()).toEqual(untried)
  })

  describe.each([undefined, 'redis-8.0', 'valkey-9.1'])('on %s', (engine) => {
    describe.skipIf(engine !== undefined && engineMissing(engine))('real replies', () => {
      let server: RedisServer
      beforeAll(async () => {
        server = await startRedis(engine === undefined ? {} : { engine })
      })
      afterAll(() => server.stop())

      it.each(['2', '3'])('RESP%s', async (protocol) => {
        const socket = connect(server.port, '127.0.0.1')
        const client = new RawClient(socket)
        await client.ask(['HELLO', protocol])
        const wrong: string[] = []
        let judged = 0
        for (const { fill, read } of lines) {
          const spec = specOf(read)
          await client.ask(['FLUSHALL'])
          const absent = await client.ask(read)
          // Newer than this server.
          if (/^-ERR (unknown command|syntax error|wrong number of arguments)/.test(absent.toString())) continue
          judged++
          await client.ask(fill)
          const present = await client.ask(read)
          if (!isMiss(spec, absent)) wrong.push(`${read.join(' ')}: no miss: ${JSON.stringify(absent.toString())}`)
          // A field lives for ever here: only a missing field or key is -2.
          if (isMiss(spec, present)) wrong.push(`${read.join(' ')}: a miss: ${JSON.stringify(present.toString())}`)
          if (missingElements(spec, present).length > 0) wrong.push(`${read.join(' ')}: elements missing`)
        }
        socket.destroy()
        expect(wrong).toEqual([])
        expect(judged).toBeGreaterThan(60)
      })
    })
  })
})
