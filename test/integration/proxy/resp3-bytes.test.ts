/**
 * The bytes of replies: a wide list of commands, said to a server and through Ferry, in both protocols, one by one and as one transaction.
 * Maps, sets, doubles, booleans, nulls, big numbers, verbatim strings, attributes and pushes come through as the server made them.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

let servers: RedisServer[] = []
let ferry: Ferry
const open: WireClient[] = []

async function start(engine?: string): Promise<void> {
  const options = { args: ['--enable-debug-command', 'yes'], ...(engine === undefined ? {} : { engine }) }
  servers = await Promise.all([startRedis(options), startRedis(options), startRedis(options)])
  const [source, target] = servers as [RedisServer, RedisServer]
  ferry = await Ferry.start({ source: source.url, target: target.url, allowCommands: ['DEBUG'] })
  await ferry.backfill()
}

async function stop(): Promise<void> {
  await ferry?.dispose()
  await Promise.all(servers.map((server) => server.stop()))
}

/** Through Ferry, and at the server that it is held against. */
const ports = (): [number, number] => [ferry.port, (servers[2] as RedisServer).port]

async function connect(port: number): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  return client
}

/** Blanks within an argument are written as `~`. */
const frame = (line: string): string => multibulk(...line.split(' ').map((word) => word.replaceAll('~', ' ')))

async function said(port: number, protocol: number, lines: readonly string[]): Promise<string[]> {
  const client = await connect(port)
  await client.ask(`HELLO ${protocol}`)
  const heard: string[] = []
  for (const line of lines) {
    client.write(frame(line))
    heard.push(`${line} → ${(await client.take(1))[0]}`)
  }
  expect(client.received).toBe('')
  return heard
}

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

const strings = `SET s hello|SET n 5 EX 1000|GET s|GET none|SET s x NX|SET s y GET|GETSET s z|SETNX s 1|MGET s none n|INCR n|INCRBY s 1|
INCRBYFLOAT f 1.5|INCRBYFLOAT f 3e2|APPEND s !|STRLEN s|GETRANGE s 0 1|SETRANGE s 2 xy|GETBIT s 1|SETBIT b 7 1|BITCOUNT s|BITPOS b 1|
BITFIELD b SET u8 0 200 GET i4 0 OVERFLOW FAIL INCRBY u2 0 5|BITFIELD_RO b GET u8 0|LCS s n|LCS s f IDX|MSET p 1 q 2|MSETNX p 1 r 2|GETDEL q|
GETEX p PERSIST|GETEX none|SETEX v 100 x|PSETEX v 100000 x|TYPE s|TYPE none|OBJECT ENCODING n|OBJECT REFCOUNT s|OBJECT FREQ s|
OBJECT HELP|PFADD hll a b|PFCOUNT hll|PFMERGE hll2 hll|DUMP n|DUMP none|COPY s s2|RENAME s2 s3|RENAMENX s3 s|RENAME none x|
TTL none|TTL s|PERSIST s|EXPIRE s 100|EXPIRETIME none|EXISTS s none|TOUCH s none|DEL s2 s3|UNLINK none|RANDOMKEY_|SET big 9223372036854775807|INCR big`
const hashes = `HSET h a 1 b 2 c hello|HGETALL h|HGETALL none|HGET h a|HGET h none|HMGET h a none|HKEYS h|HVALS h|HLEN h|HSTRLEN h c|HEXISTS h a|
HINCRBY h a 5|HINCRBYFLOAT h a 0.25|HSETNX h a 1|HDEL h b none|HRANDFIELD none|HRANDFIELD none 3 WITHVALUES|HSET one f v|HRANDFIELD one|
HRANDFIELD one 2|HRANDFIELD one 2 WITHVALUES|HRANDFIELD one -2 WITHVALUES|HSCAN one 0|HMSET h z 1|HINCRBY h c 1`
const lists = `RPUSH l a b c d e|LRANGE l 0 -1|LRANGE none 0 -1|LINDEX l 1|LINDEX l 99|LLEN l|LPOS l c|LPOS l none|LPOS l a COUNT 0|LSET l 0 A|
LSET l 99 A|LINSERT l BEFORE c x|LREM l 1 x|LPOP l|LPOP l 2|LPOP none|LPOP none 2|RPOP l 0|RPOPLPUSH l m|LMOVE m l LEFT RIGHT|LMPOP 2 none l LEFT COUNT 2|
LMPOP 1 none LEFT|LTRIM l 0 0|LPUSHX none a|SORT l ALPHA|SORT none|BLPOP none 0.01|RPUSH l q|BLPOP l 0|BLMOVE none l LEFT LEFT 0.01|BLMPOP 0.01 1 none LEFT|
BZPOPMIN none 0.01|GET l|LPUSH s`
const sets = `SADD t 1 2 3|SADD t2 2 3 4|SMEMBERS t|SMEMBERS none|SISMEMBER t 1|SMISMEMBER t 1 9|SCARD t|SINTER t t2|SUNION t t2|SDIFF t t2|
SINTERCARD 2 t t2|SINTERSTORE t3 t t2|SDIFFSTORE t3 t t2|SUNIONSTORE t3 t t2|SMOVE t t2 1|SREM t 1 9|SADD single x|SRANDMEMBER single|SRANDMEMBER single 3|
SRANDMEMBER none|SRANDMEMBER none 3|SPOP single|SPOP single|SPOP none 2|SSCAN t 0|SADD single y|SPOP single 5|OBJECT ENCODING t`
const sorted = `ZADD z 1 a 2.5 b 3 c|ZADD z GT CH 5 a|ZADD z INCR 1 a|ZADD z NX INCR 1 a|ZSCORE z a|ZSCORE z none|ZMSCORE z a none|ZINCRBY z 0.1 b|ZRANGE z 0 -1|
ZRANGE z 0 -1 WITHSCORES|ZREVRANGE z 0 -1 WITHSCORES|ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 0 2|ZRANGE z (1 +inf BYSCORE|ZRANGEBYLEX z - +|
ZRANK z a|ZRANK z none|ZREVRANK z a|ZCARD z|ZCOUNT z 1 5|ZLEXCOUNT z - +|ZADD inf inf top -inf bottom|ZRANGE inf 0 -1 WITHSCORES|ZSCORE inf top|
ZPOPMIN z|ZPOPMAX z 2|ZPOPMIN none|ZPOPMAX none 2|ZADD z 1 a 2 b|ZMPOP 2 none z MIN COUNT 2|ZMPOP 1 none MAX|ZADD z 1 a 2 b|ZADD y 3 b 4 c|ZUNION 2 z y WITHSCORES|
ZINTER 2 z y WITHSCORES|ZDIFF 2 z y WITHSCORES|ZINTERCARD 2 z y|ZUNIONSTORE x 2 z y|ZINTERSTORE x 2 z y|ZDIFFSTORE x 2 z y|ZRANGESTORE x y 0 -1|
ZADD w 1 m|ZRANDMEMBER w|ZRANDMEMBER w 2 WITHSCORES|ZRANDMEMBER none|ZRANDMEMBER none 2|ZSCAN w 0|ZREM z a|ZREMRANGEBYSCORE y 3 3|ZREMRANGEBYRANK y 0 0|
ZREMRANGEBYLEX z - +|BZMPOP 0.01 1 none MIN|ZADD w 1|ZADD w x m|GEOADD g 13.361389 38.115556 P 15.087269 37.502669 C|GEODIST g P C km|GEODIST g P none|GEOPOS g P none|
GEOHASH g P none|GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST WITHCOORD WITHHASH|GEORADIUS_RO g 15 37 200 km ASC|GEOSEARCHSTORE g2 g FROMMEMBER P BYBOX 400 400 km`
const streams = `XADD x 1-1 f v g w|XADD x 1-1 f v|XADD x 2-0 f v|XLEN x|XRANGE x - +|XREVRANGE x + - COUNT 1|XRANGE none - +|XREAD COUNT 1 STREAMS x none 0 0|XREAD STREAMS none 0|
XREAD BLOCK 10 STREAMS none 0|XGROUP CREATE x grp 0|XGROUP CREATE x grp 0|XGROUP CREATE none grp 0|XREADGROUP GROUP grp c COUNT 1 STREAMS x >|XREADGROUP GROUP grp c STREAMS x 0|
XREADGROUP GROUP grp c STREAMS x >|XREADGROUP GROUP grp c STREAMS x >|XREADGROUP GROUP none c STREAMS x >|XACK x grp 1-1|XPENDING x grp none|XPENDING none grp|XGROUP CREATECONSUMER x grp d|
XGROUP SETID x grp 0|XGROUP DELCONSUMER x grp d|XGROUP DESTROY x none|XDEL x 1-1 9-9|XTRIM x MAXLEN 1|XSETID x 9-9|XADD none NOMKSTREAM * f v|XINFO HELP|XINFO STREAM none|XCLAIM x grp d 0 9-9|
XAUTOCLAIM x grp d 0 9-9|XGROUP NONSENSE|XADD x`
const server = `PING|PING hello|ECHO hello|EVAL return~{1,2.5,'x',false,{ok='fine'},redis.error_reply('MY~error'),{{3}}} 0|EVAL redis.setresp(3);return~redis.call('hgetall','h') 0|
EVAL return~{map={a=1},set={}} 0|EVAL return~{double=3.25} 0|EVAL redis.setresp(3);return~{double=3.25} 0|EVAL redis.setresp(3);return~{map={a=1}} 0|EVAL redis.setresp(3);return~{set={a=true}} 0|
EVAL redis.setresp(3);return~{big_number='123456789012345678901234567890'} 0|EVAL redis.setresp(3);return~{verbatim_string={format='txt',string='hi'}} 0|EVAL redis.setresp(3);return~true 0|
EVAL redis.setresp(3);return~redis.call('get','none') 0|EVAL return~redis.call('nonsense') 0|EVAL nonsense 0|EVALSHA ffffffffffffffffffffffffffffffffffffffff 0|
SCRIPT EXISTS a b|SCRIPT LOAD return~1|FUNCTION LIST|FUNCTION LOAD #!lua~name=lib\nredis.register_function('fn',function(k,a)return~a[1]end)|FCALL fn 0 x|FCALL none 0|FUNCTION LIST|
FUNCTION DELETE lib|COMMAND COUNT|COMMAND INFO get none|COMMAND GETKEYS mset a 1 b 2|COMMAND GETKEYSANDFLAGS set a 1|COMMAND LIST FILTERBY PATTERN getse*|CONFIG GET maxmemory|CONFIG GET none|
ACL WHOAMI|ACL CAT nonsense|ACL GETUSER default|ACL GETUSER none|MEMORY USAGE none|LATENCY LATEST|LATENCY HISTOGRAM none|PUBSUB CHANNELS|PUBSUB NUMSUB a|PUBSUB SHARDNUMSUB a|
PUBLISH ch m|SPUBLISH ch m|LOLWUT VERSION 5 1 1 1|CLIENT TRACKINGINFO|CLIENT GETNAME|CLUSTER KEYSLOT a|DBSIZE_|WAIT 0 10|KEYS none*|SCAN 0 MATCH none*|FLUSHALL_|NONSENSE a b|GET|
OBJECT NONSENSE|SELECT 99|MOVE none 99|MOVE s 0|SWAPDB 0 99|RESTORE r 0 nonsense|SORT s GET|INFO nonsense|DEBUG DIGEST-VALUE none`
const types = 'string integer double null array set map attrib bignum true false verbatim'

const listOf = (text: string): string[] =>
  text
    .replace(/\|\n/g, '|')
    .split('|')
    // A name alone.
    .map((line) => line.replace(/^(RANDOMKEY|DBSIZE|FLUSHALL)_$/, '$1'))
    // What has no value yet or one of many is no comparison.
    .filter((line) => line !== 'RANDOMKEY')

const families = { strings, hashes, lists, sets, sorted, streams, server } as const

const newer = {
  'redis-8.0': `HSETEX h FXX FIELDS 1 a 1|HSETEX h EX 1000 FIELDS 1 a 1|HGETEX h FIELDS 2 a none|HGETDEL h FIELDS 2 a none|HSET h a 1|HEXPIRE h 1000 FIELDS 2 a none|HPERSIST h FIELDS 1 a|
HTTL h FIELDS 2 a none|HTTL none FIELDS 1 a|VADD v VALUES 2 1 0 e|VSIM none VALUES 2 1 0 WITHSCORES|VCARD v|VEMB v none|VDIM v`,
  'valkey-9.1':
    'SET d 1|DELIFEQ d 1|SET d 1 IFEQ 1|HSETEX h EX 1000 FIELDS 1 a 1|HGETEX h FIELDS 2 a none|HEXPIRE h 1000 FIELDS 2 a none|HTTL none FIELDS 1 a|COMMANDLOG LEN slow|CLUSTER INFO',
} as const

describe.each([undefined, 'redis-8.0', 'valkey-9.1'] as const)('on %s', (engine) => {
  const missing = engine !== undefined && engineMissing(engine)
  beforeAll(() => (missing ? undefined : start(engine)))
  afterAll(() => (missing ? undefined : stop()))
  beforeEach(async () => {
    if (!missing) for (const each of servers) await each.client().flushall()
  })

  const lists: [string, readonly string[]][] = Object.entries(families).map(([name, text]) => [
    name,
    // Waiting takes its time, and is the same everywhere.
    listOf(text).filter((line) => engine === undefined || !/^B.* 0\.01\b/.test(line)),
  ])
  if (engine !== undefined) lists.push(['newer', listOf(newer[engine])])

  it.skipIf(missing).each(lists)('%s: every byte is that of the server, in RESP2 and in RESP3', async (_, lines) => {
    for (const protocol of [2, 3]) {
      for (const each of servers) await each.client().flushall()
      const [through, direct] = await Promise.all(ports().map((port) => said(port, protocol, lines)))
      expect(through).toEqual(direct)
    }
    await ferry.untilSettled()
  })

  it.skipIf(missing)('types that no command has yet, from DEBUG PROTOCOL', async () => {
    const lines = types.split(' ').map((type) => `DEBUG PROTOCOL ${type}`)
    for (const protocol of [2, 3]) {
      const [through, direct] = await Promise.all(ports().map((port) => said(port, protocol, lines)))
      expect(through).toEqual(direct)
    }
  })

  describe.skipIf(engine !== undefined)('pipelined', () => {
    it.each([2, 3])('in one write, in RESP%i: nothing gets out of order', async (protocol) => {
      const lines = Object.values(families)
        .flatMap(listOf)
        .filter((line) => !/^(B[LZ]|FLUSHALL|FUNCTION|SCRIPT|SCAN)/.test(line))
      const heard = await Promise.all(
        ports().map(async (port) => {
          const client = await connect(port)
          await client.ask(`HELLO ${protocol}`)
          client.write(lines.map(frame).join(''))
          return (await client.take(lines.length)).map((reply, i) => `${lines[i]} → ${reply}`)
        }),
      )
      expect(heard[0]).toEqual(heard[1])
      await ferry.untilSettled()
    })

    it.each([2, 3])('as one transaction, in RESP%i', async (protocol) => {
      for (const each of servers) await each.client().flushall()
      const lines = [hashes, sorted].flatMap(listOf).filter((line) => !/^B[LZ]|^ZADD w 1$|^GEOSEARCHSTORE/.test(line))
      const heard = await Promise.all(
        ports().map(async (port) => {
          const client = await connect(port)
          await client.ask(`HELLO ${protocol}`)
          client.write(['MULTI', ...lines, 'EXEC'].map(frame).join(''))
          const replies = await client.take(lines.length + 2)
          expect(replies.flatMap((reply, i) => (reply.startsWith('-') ? [`${lines[i - 1]} → ${reply}`] : []))).toEqual([])
          return replies.at(-1)
        }),
      )
      expect(heard[0]).toBe(heard[1])
      expect(heard[0]).toMatch(new RegExp(`^\\*${lines.length}\r\n`))
      await ferry.untilSettled()
    })

    it('pushes stand between replies, never within one', async () => {
      const heard = await Promise.all(
        ports().map(async (port) => {
          const [one, other] = [await connect(port), await connect(port)]
          await one.pipeline(['HELLO 3', 'SUBSCRIBE ch', 'SSUBSCRIBE sh', 'PSUBSCRIBE p*'])
          await other.pipeline(['PUBLISH ch m', 'SPUBLISH sh s', 'PUBLISH pq x'])
          const pushes = await one.take(3)
          return [...pushes, ...(await one.pipeline(['PING', 'HGETALL none', 'UNSUBSCRIBE', 'GET none']))]
        }),
      )
      expect(heard[0]).toEqual(heard[1])
      expect(heard[0]?.[0]).toBe(`>3\r\n${bulk('message')}${bulk('ch')}${bulk('m')}`)
    })

    it('a client that changes its protocol in mid-stream gets each reply in the one that held', async () => {
      const heard = await Promise.all(
        ports().map(async (port) => {
          const client = await connect(port)
          client.write(
            ['HSET hh a 1', 'HGETALL hh', 'HELLO 3', 'HGETALL hh', 'GET none', 'HELLO 2', 'HGETALL hh', 'GET none']
              .map(frame)
              .join(''),
          )
          return (await client.take(8)).map((reply) => reply.replace(/(\$2\r\nid\r\n:)\d+/, '$1'))
        }),
      )
      expect(heard[0]).toEqual(heard[1])
    })
  })
})
