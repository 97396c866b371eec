/** What the load does to the keys of the data set: per kind, commands that never answer with an error whatever the key's state. */
import { type DatasetKey, datasetGroup, datasetIndex, datasetKey, type Kind, kinds } from './dataset.ts'
import type { Random } from './random.ts'
import type { Argument } from './raw-connection.ts'

/** `key` is touched; `other` is a second key of the same kind that data may flow from, never a large one. */
type Make = (key: string, random: Random, other: string) => Argument[]

const hotRanks = 3
const hotKeysPerKind = 4
const hotShare = 0.4
const readShare = 0.4
const lifetimeShare = 0.08

const setScript = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('STRLEN', KEYS[1])"
const moveScript = "local n = redis.call('INCR', KEYS[1]) redis.call('SET', KEYS[2], n) return n"

const member = (random: Random) => `m${random.below(20)}`
const field = (random: Random) => `field${random.below(12)}`
const text = (random: Random) => random.word(random.between(4, 60))
const longitude = (random: Random) => random.below(360_000) / 1000 - 180
const latitude = (random: Random) => random.below(170_000) / 1000 - 85

const anyKind: readonly Make[] = [
  (key) => ['TTL', key],
  (key) => ['TYPE', key],
  (key, _, other) => ['EXISTS', key, other],
  (key) => ['PTTL', key],
]

const reads: Record<Kind, readonly Make[]> = {
  string: [
    (key) => ['STRLEN', key],
    (key) => ['GET', key],
    (key, random) => ['GETRANGE', key, random.below(20), 40],
    (_, __, other) => ['MGET', other, 'no such key'],
  ],
  counter: [(key) => ['GET', key], (key, _, other) => ['MGET', key, other]],
  float: [(key) => ['GET', key]],
  list: [
    (key) => ['LRANGE', key, 0, 10],
    (key) => ['LLEN', key],
    (key) => ['LINDEX', key, -1],
    (key, random) => ['LPOS', key, member(random)],
  ],
  set: [
    (key) => ['SCARD', key],
    (key, random) => ['SISMEMBER', key, member(random)],
    (key) => ['SRANDMEMBER', key, 3],
    (_, __, other) => ['SMEMBERS', other],
  ],
  zset: [
    (key, random) => ['ZSCORE', key, member(random)],
    (key) => ['ZRANGE', key, 0, 5, 'WITHSCORES'],
    (key, random) => ['ZRANK', key, member(random)],
    (key) => ['ZCOUNT', key, '-inf', 500],
  ],
  hash: [
    (key, random) => ['HGET', key, field(random)],
    (key, random) => ['HMGET', key, field(random), 'n', 'f'],
    (key) => ['HLEN', key],
    (_, __, other) => ['HGETALL', other],
  ],
  stream: [
    (key) => ['XLEN', key],
    (key) => ['XRANGE', key, '-', '+', 'COUNT', 5],
    (key) => ['XREVRANGE', key, '+', '-', 'COUNT', 2],
  ],
  hll: [(key) => ['PFCOUNT', key]],
  bitmap: [(key) => ['BITCOUNT', key], (key, random) => ['GETBIT', key, random.below(4096)], (key) => ['BITPOS', key, 1]],
  geo: [(key) => ['GEOPOS', key, 'p0', 'p1'], (key) => ['GEODIST', key, 'p0', 'p1'], (key) => ['ZCARD', key]],
}

const writes: Record<Kind, readonly Make[]> = {
  string: [
    (key, random) => ['SET', key, text(random)],
    (key, random) => ['SET', key, text(random), 'EX', random.between(20, 2000)],
    (key, random) => ['SET', key, text(random), 'PX', random.between(500, 90_000)],
    (key, random) => ['SET', key, text(random), 'KEEPTTL'],
    (key, random) => ['SET', key, text(random), 'NX', 'EX', 600],
    (key, random) => ['SET', key, text(random), 'XX'],
    (key, random) => ['SET', key, text(random), 'GET'],
    (key, random) => ['SETEX', key, random.between(20, 2000), text(random)],
    (key, random) => ['PSETEX', key, random.between(500, 90_000), text(random)],
    (key, random) => ['SETNX', key, text(random)],
    (key, random) => ['APPEND', key, random.word(4)],
    (key, random) => ['APPEND', key, random.word(2)],
    (key, random) => ['SETRANGE', key, random.below(64), random.word(4)],
    (key, random) => ['GETSET', key, text(random)],
    (_, __, other) => ['GETDEL', other],
    (key, random) => ['GETEX', key, 'EX', random.between(20, 2000)],
    (_, __, other) => ['GETEX', other, 'PERSIST'],
    (key, random, other) => ['MSET', key, text(random), other, text(random)],
    (key, _, other) => ['COPY', other, key, 'REPLACE'],
    (key, random) => ['EVAL', setScript, 1, key, text(random)],
  ],
  counter: [
    (key) => ['INCR', key],
    (key) => ['INCR', key],
    (key) => ['DECR', key],
    (key, random) => ['INCRBY', key, random.between(2, 9)],
    (key, random) => ['DECRBY', key, random.between(2, 9)],
    (key, _, other) => ['EVAL', moveScript, 2, key, other],
  ],
  float: [
    (key, random) => ['INCRBYFLOAT', key, random.below(1000) / 16],
    (key, random) => ['INCRBYFLOAT', key, -random.below(1000) / 8],
  ],
  list: [
    (key, random) => ['LPUSH', key, member(random)],
    (key, random) => ['RPUSH', key, member(random), random.word(5)],
    (key, random) => ['RPUSHX', key, member(random)],
    (key) => ['LPOP', key],
    (key) => ['RPOP', key],
    (key) => ['LPOP', key, 2],
    (key, _, other) => ['LMOVE', other, key, 'LEFT', 'RIGHT'],
    (key, random) => ['LINSERT', key, 'BEFORE', member(random), random.word(3)],
    (key, random) => ['LREM', key, 1, member(random)],
    (_, __, other) => ['LTRIM', other, -30, -1],
  ],
  set: [
    (key, random) => ['SADD', key, member(random), random.word(6)],
    (key, random) => ['SADD', key, member(random)],
    (key, random) => ['SREM', key, member(random)],
    (key) => ['SPOP', key],
    (key) => ['SPOP', key, 2],
    (key, random, other) => ['SMOVE', other, key, member(random)],
    (key, _, other) => ['SINTERSTORE', other, other, key],
  ],
  zset: [
    (key, random) => ['ZADD', key, random.below(1000) / 8, member(random)],
    (key, random) => ['ZADD', key, 'GT', 'CH', random.below(2000), member(random)],
    (key, random) => ['ZADD', key, 'NX', random.below(1000), random.word(5)],
    (key, random) => ['ZADD', key, 'INCR', random.below(9) / 4, member(random)],
    (key, random) => ['ZINCRBY', key, random.below(100) / 10, member(random)],
    (key, random) => ['ZREM', key, member(random)],
    (key) => ['ZPOPMIN', key],
    (key) => ['ZPOPMAX', key, 2],
    (_, __, other) => ['ZREMRANGEBYRANK', other, 20, -1],
    (key, _, other) => ['ZINTERSTORE', other, 2, key, other],
  ],
  hash: [
    (key, random) => ['HSET', key, field(random), text(random)],
    (key, random) => ['HSET', key, field(random), random.word(8), 'extra', random.word(8)],
    (key, random) => ['HSETNX', key, field(random), random.word(8)],
    (key, random) => ['HDEL', key, field(random)],
    (key) => ['HINCRBY', key, 'n', 1],
    (key, random) => ['HINCRBY', key, 'n', random.between(-5, 9)],
    (key, random) => ['HINCRBYFLOAT', key, 'f', random.below(100) / 8],
  ],
  stream: [
    (key, random) => ['XADD', key, '*', 'what', random.word(8)],
    (key, random) => ['XADD', key, '*', 'what', random.word(8), 'more', random.word(3)],
    (key, random) => ['XADD', key, 'MAXLEN', '~', 5000, '*', 'what', random.word(8)],
    (_, random, other) => ['XADD', other, 'MAXLEN', 40, '*', 'what', random.word(8)],
    (key) => ['XDEL', key, '1600000000002-1'],
    (_, __, other) => ['XTRIM', other, 'MAXLEN', 60],
  ],
  hll: [
    (key, random) => ['PFADD', key, random.word(6), random.word(6)],
    (key, random) => ['PFADD', key, member(random)],
    (key, _, other) => ['PFMERGE', key, other],
  ],
  bitmap: [
    (key, random) => ['SETBIT', key, random.below(4096), random.below(2)],
    (key, random) => ['BITFIELD', key, 'INCRBY', 'u8', `#${random.below(64)}`, random.between(1, 20)],
    (key, _, other) => ['BITOP', 'XOR', key, key, other],
  ],
  geo: [
    (key, random) => ['GEOADD', key, longitude(random), latitude(random), `p${random.below(12)}`],
    (key, random) => ['ZREM', key, `p${random.below(12)}`],
    (key, _, other) => ['GEOSEARCHSTORE', other, key, 'FROMLONLAT', 10, 45, 'BYRADIUS', 5000, 'km', 'COUNT', 5],
  ],
}

/** Only for streams that are never deleted and never expire: their group is always there. */
const groupWrites: readonly Make[] = [
  (key, random) => ['XREADGROUP', 'GROUP', datasetGroup, `c${random.below(3)}`, 'COUNT', 3, 'STREAMS', key, '>'],
  (key) => ['XACK', key, datasetGroup, '1600000000000-1', '1600000000003-1'],
]

const lifetimeWrites: readonly Make[] = [
  (key, random) => ['EXPIRE', key, random.between(2, 2000)],
  (key, random) => ['PEXPIRE', key, random.between(300, 90_000)],
  (key, random) => ['EXPIREAT', key, Math.floor(Date.now() / 1000) + random.between(10, 5000)],
  (key) => ['EXPIRE', key, 4000, 'NX'],
  (key, random) => ['EXPIRE', key, random.between(100, 9000), 'GT'],
  (key) => ['PERSIST', key],
  (key) => ['PERSIST', key],
  (key) => ['DEL', key],
  (key) => ['UNLINK', key],
]

/** Picks commands for one client. Not every client works on the data set: one in another database knows only the hot keys. */
export class Operations {
  readonly #random: Random
  readonly #ranks: number

  /** `keys`: how many keys the data set has; 0 = only the hot keys that the load itself makes. */
  constructor(random: Random, keys: number) {
    this.#random = random
    this.#ranks = Math.floor(keys / 100)
  }

  /** The streams' groups that must exist before the first command. */
  static preparations(): Argument[][] {
    return Array.from({ length: hotKeysPerKind }, (_, n) => [
      'XGROUP',
      'CREATE',
      hotKey('stream', n),
      datasetGroup,
      '$',
      'MKSTREAM',
    ])
  }

  any(): Argument[] {
    return this.#random.chance(readShare) ? this.read() : this.write()
  }

  read(): Argument[] {
    const random = this.#random
    const kind = random.pick(kinds)
    const { name } = this.#key(kind)
    return random.pick(random.chance(0.1) ? anyKind : reads[kind])(name, random, this.#other(kind, name))
  }

  write(): Argument[] {
    const random = this.#random
    const kind = random.pick(kinds)
    const key = this.#key(kind)
    if (kind === 'stream') {
      const keepsGroup = key.ttl === 'none'
      return random.pick(keepsGroup && random.chance(0.4) ? groupWrites : writes.stream)(
        key.name,
        random,
        this.#other(kind, key.name),
      )
    }
    const list = random.chance(lifetimeShare) && !key.large ? lifetimeWrites : writes[kind]
    return random.pick(list)(key.name, random, this.#other(kind, key.name))
  }

  #key(kind: Kind): DatasetKey {
    const random = this.#random
    const hot = random.chance(hotShare)
    if (this.#ranks === 0 || (hot && random.chance(0.5))) {
      return { name: hotKey(kind, random.below(hotKeysPerKind)), kind, ttl: 'none', large: false }
    }
    return datasetKey(datasetIndex(kind, random.below(hot ? Math.min(hotRanks, this.#ranks) : this.#ranks), random.below(100)))
  }

  #other(kind: Kind, than: string): string {
    const key = this.#key(kind)
    if (!key.large && key.name !== than) return key.name
    return than === hotKey(kind, 0) ? hotKey(kind, 1) : hotKey(kind, 0)
  }
}

const hotKey = (kind: Kind, number: number): string => `hot:${kind}:${number}`
