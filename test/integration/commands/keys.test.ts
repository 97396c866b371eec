/** Key positions against the servers' own COMMAND GETKEYS, on every engine there is. */

import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { createKeyList, keyPositions } from '../../../src/commands/keys.ts'
import { lookup, resolveSub } from '../../../src/commands/lookup.ts'
import { Kind } from '../../../src/commands/spec.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

/** `''` stands for an empty argument. */
const corpus = `
get k;set k v;setnx k v;setex k 5 v;psetex k 5 v;append k v;strlen k;incr k;incrby k 2;incrbyfloat k 2;decr k;decrby k 2;getset k v
getdel k;getex k persist;getrange k 0 1;substr k 0 1;setrange k 0 v;setbit k 0 1;getbit k 0;bitcount k;bitpos k 1;bitop and d a b
bitop not d a;bitfield k get u8 0;bitfield_ro k get u8 0;mget a;mget a b c;mset a 1;mset a 1 b 2 c 3;msetnx a 1 b 2;lcs a b len
del a;del a b c;unlink a b;exists a a b;touch a b;type k;ttl k;pttl k;expire k 5;expire k 5 nx;pexpire k 5;expireat k 5
pexpireat k 5;expiretime k;pexpiretime k;persist k;rename a b;renamenx a b;copy a b;copy a b db 1 replace;move k 1;dump k
restore k 0 payload;object encoding k;object idletime k;memory usage k;memory usage k samples 5;sort k;sort k store d
sort k by w_* limit 0 5 get # get o_* desc alpha store d;sort k store a store b;sort k by store;sort_ro k by w_*
lpush k v w;rpush k v;lpushx k v;rpushx k v;lpop k;lpop k 2;rpop k;llen k;lindex k 0;lset k 0 v;lrange k 0 1;ltrim k 0 1
lrem k 0 v;linsert k before a b;lpos k v;lmove a b left right;rpoplpush a b;blpop a 0;blpop a b c 0;brpop a b 0;brpoplpush a b 0
blmove a b left right 0;lmpop 1 a left;lmpop 3 a b c right count 2;blmpop 0 2 a b left;sadd k a b;srem k a;smove a b m;scard k
sismember k m;smismember k a b;spop k;spop k 2;srandmember k 2;smembers k;sinter a b;sunion a;sdiff a b c;sinterstore d a b
sunionstore d a;sdiffstore d a b;sintercard 2 a b;sintercard 1 a limit 2;sscan k 0;zadd k 1 a;zadd k nx ch 1 a 2 b;zincrby k 1 a
zrem k a b;zcard k;zcount k 0 1;zscore k a;zmscore k a b;zrank k a;zrevrank k a;zrange k 0 1;zrange k 0 1 rev withscores
zrangestore d s 0 1;zrangebyscore k 0 1;zrevrangebyscore k 1 0;zrangebylex k - +;zlexcount k - +;zremrangebyrank k 0 1
zremrangebyscore k 0 1;zremrangebylex k - +;zpopmin k;zpopmax k 2;bzpopmin a b 0;bzpopmax a 0;zmpop 2 a b min;bzmpop 0 1 a max count 2
zunion 2 a b;zunion 2 a b weights 1 2 aggregate max withscores;zinter 1 a;zdiff 3 a b c;zintercard 2 a b limit 1;zunionstore d 1 a
zunionstore d 2 a b weights 1 2;zinterstore d 2 a b aggregate min;zdiffstore d 2 a b;zrandmember k;zscan k 0;hset k f v;hmset k f v
hsetnx k f v;hget k f;hmget k f g;hgetall k;hdel k f g;hlen k;hkeys k;hvals k;hexists k f;hstrlen k f;hincrby k f 1
hincrbyfloat k f 1;hrandfield k;hscan k 0;xadd k * f v;xadd k maxlen ~ 5 1-1 f v;xlen k;xrange k - +;xrevrange k + -;xdel k 1-1
xtrim k maxlen 5;xack k g 1-1;xpending k g;xclaim k g c 0 1-1;xautoclaim k g c 0 0;xgroup create k g 0;xgroup destroy k g
xgroup setid k g 0;xgroup createconsumer k g c;xgroup delconsumer k g c;xinfo stream k;xinfo groups k;xinfo consumers k g;xsetid k 1-1
xread streams a 0;xread count 1 block 0 streams a b 0 0;xread streams streams 0;xread block 5 count 2 streams a b c $ $ $
xreadgroup group g c streams a >;xreadgroup group g c count 1 block 0 noack streams a b > >;xreadgroup group streams c streams k >
geoadd k 1 2 m;geopos k m;geohash k m;geodist k a b;geosearch k frommember m byradius 1 m;geosearchstore d s frommember m byradius 1 m
georadius k 1 2 3 m;georadius k 1 2 3 m store d;georadius k 1 2 3 m count 1 asc storedist d;georadiusbymember k m 3 m
georadiusbymember k m 3 m store d;georadiusbymember_ro k m 3 m;pfadd k a b;pfcount a b;pfmerge d a b;pfmerge d
eval s 1 a;eval s 2 a b c;eval_ro s 1 a;evalsha s 1 a x;fcall f 2 a b;fcall_ro f 1 a;watch a b
migrate h 1 k 0 5;migrate h 1 '' 0 5 keys a b;migrate h 1 '' 0 5 copy replace auth p keys a
hexpire k 5 fields 1 f;hpexpire k 5 nx fields 1 f;hexpireat k 5 fields 2 f g;httl k fields 1 f;hpersist k fields 1 f
hsetex k ex 5 fields 1 f v;hgetex k fields 1 f;hgetdel k fields 1 f;msetex 2 a 1 b 2 ex 5;delifeq k v
get;mset a 1 b;eval s 3 a b;eval s -1 a;eval s x a;zunion 3 a b;zunionstore d 5 a;zunion 0 a;lmpop 0 a left;xread streams a b 0
xread count 1 a;xreadgroup group g c streams a;ping;dbsize;time;scan 0;eval s 0 a;flushall
`
const lines = corpus
  .split(/[;\n]/)
  .map((line) => line.trim())
  .filter(Boolean)
const wordsOf = (line: string) => line.split(' ').map((word) => (word === "''" ? '' : word))

const keys = createKeyList()

function keysOf(words: readonly string[]): string[] {
  const args = argViewOf(words)
  const named = lookup(args.buf, 0, (words[0] as string).length)
  const spec =
    named.kind === Kind.Container ? resolveSub(named, args.buf, args.offsets[2] as number, args.offsets[3] as number) : named
  const count = keyPositions(spec, args, keys)
  return [...keys.positions.subarray(0, count)].map((i) => words[i] as string)
}

/** Null: this server does not know the command, or wants it longer. An error about the arguments is no keys. */
async function serversKeys(client: Redis, words: readonly string[]): Promise<string[] | null> {
  try {
    return (await client.call('COMMAND', 'GETKEYS', ...words)) as string[]
  } catch (error) {
    const message = String(error)
    if (/Invalid command specified|wrong number of arguments for 'command.getkeys'/.test(message)) return null
    if (/no key arguments|Invalid arguments|Invalid number of arguments/.test(message)) return []
    throw error
  }
}

/**
 * Where some server's COMMAND GETKEYS differs from what its own command then does, and why Ferry does not follow it. A line here must
 * still differ, or it has to go.
 */
const knownDifferences = new Map([
  ['pfmerge d', 'the server finds no key without a source, yet the command creates d'],
  ['mset a 1 b', 'the command refuses an odd number of arguments'],
  ['xread streams a b 0', 'the command refuses unequal counts'],
])

const engines = [undefined, 'redis-7.0', 'redis-8.0', 'valkey-8.0', 'valkey-8.1', 'valkey-9.1']

describe.each(engines)('keys on %s', (engine) => {
  describe.skipIf(engine !== undefined && engineMissing(engine))('COMMAND GETKEYS', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedis(engine === undefined ? {} : { engine })
    })
    afterAll(() => server.stop())

    it('agrees', async () => {
      expect(lines.length).toBeGreaterThan(150)
      const client = server.client()
      const differing: unknown[] = []
      const stillKnown = new Set<string>()
      let compared = 0
      for (const line of lines) {
        const words = wordsOf(line)
        const theirs = await serversKeys(client, words)
        if (theirs === null) continue
        compared++
        const ours = keysOf(words)
        // Order is theirs to choose: some name the destination last.
        if (ours.toSorted().join() === theirs.toSorted().join()) continue
        if (knownDifferences.has(line)) stillKnown.add(line)
        else differing.push({ line, ours, theirs })
      }
      expect(differing).toEqual([])
      expect([...stillKnown].sort()).toEqual([...knownDifferences.keys()].sort())
      expect(compared).toBeGreaterThan(150)
    })
  })
})
