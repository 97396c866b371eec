/** Random writes and reads over a few hot keys of every type, so that everything meets everything. */
import type { Random } from '../../../src/demo/random.ts'
import type { Argv } from './raw-client.ts'

const keysPerType = 9
const types = ['str', 'num', 'list', 'set', 'zset', 'hash', 'stream', 'hll'] as const
type KeyType = (typeof types)[number]

export interface Mix {
  /** Lifetimes of a few milliseconds. */
  readonly shortLived: boolean
  readonly flush: boolean
  readonly scripts: boolean
}

const incrementScript = "redis.call('INCR', KEYS[1]); redis.call('RPUSH', KEYS[2], ARGV[1]); return 1"
const deleteScript = "return redis.call('DEL', KEYS[1])"

export class RandomCommands {
  readonly #random: Random
  readonly #mix: Mix

  constructor(random: Random, mix: Mix) {
    this.#random = random
    this.#mix = mix
  }

  /** One command, or those of a whole transaction. */
  next(): Argv[] {
    const random = this.#random
    if (random.chance(0.06)) {
      const inside = Array.from({ length: random.between(1, 5) }, () => this.#plain())
      return [['MULTI'], ...inside, [random.chance(0.9) ? 'EXEC' : 'DISCARD']]
    }
    if (this.#mix.flush && random.chance(0.0004)) return [random.chance(0.6) ? ['FLUSHDB'] : ['SWAPDB', 0, 1]]
    return [this.#plain()]
  }

  #key(type: KeyType = this.#random.pick(types)): string {
    // Now and then the wrong type: both sides have to refuse alike.
    const of = this.#random.chance(0.03) ? this.#random.pick(types) : type
    return `${of}:${this.#random.below(keysPerType)}`
  }

  #value(): string {
    const random = this.#random
    return random.word(random.chance(0.02) ? random.between(1_000, 90_000) : random.between(1, 24))
  }

  #member(): string {
    return `m${this.#random.below(40)}`
  }

  #plain(): Argv {
    const random = this.#random
    if (random.chance(0.12)) return this.#expiry()
    if (random.chance(0.1)) return this.#across()
    if (random.chance(0.06)) return this.#local()
    if (random.chance(0.15)) return this.#read()
    switch (random.pick(types)) {
      case 'str':
        return this.#string()
      case 'num':
        return this.#number()
      case 'list':
        return this.#list()
      case 'set':
        return this.#set()
      case 'zset':
        return this.#zset()
      case 'hash':
        return this.#hash()
      case 'stream':
        return this.#stream()
      default:
        return random.chance(0.8)
          ? ['PFADD', this.#key('hll'), this.#member()]
          : ['PFMERGE', this.#key('hll'), this.#key('hll'), this.#key('hll')]
    }
  }

  #string(): Argv {
    const key = this.#key('str')
    const value = this.#value()
    return this.#random.pick<Argv>([
      ['SET', key, value],
      ['SET', key, value, 'NX'],
      ['SET', key, value, 'XX', 'GET'],
      ['SET', key, value, 'KEEPTTL'],
      ['APPEND', key, value.slice(0, 5)],
      ['SETRANGE', key, this.#random.below(20), 'abc'],
      ['SETBIT', key, this.#random.below(100), this.#random.below(2)],
      ['BITFIELD', key, 'INCRBY', 'u8', 3, 7],
      ['GETSET', key, value],
      ['GETDEL', key],
      ['SETNX', key, value],
      ['DEL', key],
    ])
  }

  #number(): Argv {
    const key = this.#key('num')
    return this.#random.pick<Argv>([
      ['INCR', key],
      ['INCR', key],
      ['INCRBY', key, this.#random.between(-9, 9)],
      ['DECR', key],
      ['INCRBYFLOAT', key, '0.5'],
      ['SET', key, this.#random.below(100)],
      ['DEL', key],
      ['UNLINK', key, this.#key('num')],
      ['MSET', key, 1, this.#key('num'), 2, this.#key('num'), 3],
      ['MSETNX', key, 1, this.#key('num'), 2],
    ])
  }

  #list(): Argv {
    const key = this.#key('list')
    return this.#random.pick<Argv>([
      ['RPUSH', key, this.#member(), this.#member()],
      ['LPUSH', key, this.#member()],
      ['LPUSH', key, this.#value()],
      ['RPUSHX', key, this.#member()],
      ['LPOP', key],
      ['RPOP', key, 2],
      ['LTRIM', key, 0, 30],
      ['LREM', key, 1, this.#member()],
      ['LSET', key, 0, this.#member()],
      ['LINSERT', key, 'BEFORE', this.#member(), this.#member()],
      ['LMOVE', key, this.#key('list'), 'LEFT', 'RIGHT'],
      ['LMPOP', 2, key, this.#key('list'), 'LEFT'],
    ])
  }

  #set(): Argv {
    const key = this.#key('set')
    return this.#random.pick<Argv>([
      ['SADD', key, this.#member(), this.#member()],
      ['SADD', key, this.#random.below(1000)],
      ['SREM', key, this.#member()],
      ['SPOP', key],
      ['SPOP', key, 2],
      ['SMOVE', key, this.#key('set'), this.#member()],
    ])
  }

  #zset(): Argv {
    const key = this.#key('zset')
    return this.#random.pick<Argv>([
      ['ZADD', key, this.#random.below(50), this.#member()],
      ['ZADD', key, 'GT', 'CH', this.#random.below(50), this.#member()],
      ['ZINCRBY', key, '1.25', this.#member()],
      ['ZREM', key, this.#member()],
      ['ZPOPMIN', key],
      ['ZREMRANGEBYRANK', key, 10, -1],
      ['GEOADD', key, '13.36', '38.11', this.#member()],
    ])
  }

  #hash(): Argv {
    const key = this.#key('hash')
    return this.#random.pick<Argv>([
      ['HSET', key, this.#member(), this.#value()],
      ['HSET', key, this.#member(), 1, this.#member(), 2],
      ['HINCRBY', key, 'n', 1],
      ['HINCRBYFLOAT', key, 'f', '0.1'],
      ['HDEL', key, this.#member()],
      ['HSETNX', key, this.#member(), 'x'],
      ['DEL', key],
    ])
  }

  #stream(): Argv {
    const key = this.#key('stream')
    return this.#random.pick<Argv>([
      ['XADD', key, '*', 'f', this.#member()],
      ['XADD', key, 'MAXLEN', 20, '*', 'f', this.#member()],
      ['XADD', key, `${Date.now()}-${this.#random.below(1000)}`, 'f', 'v'],
      ['XTRIM', key, 'MAXLEN', 10],
      ['XGROUP', 'CREATE', key, 'g', '0', 'MKSTREAM'],
      ['XGROUP', 'CREATE', key, 'g', '$', 'MKSTREAM'],
      ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 2, 'STREAMS', key, '>'],
      ['XAUTOCLAIM', key, 'g', 'c2', 0, '0'],
      ['DEL', key],
    ])
  }

  #expiry(): Argv {
    const random = this.#random
    const key = this.#key()
    const ms = this.#mix.shortLived && random.chance(0.6) ? random.between(1, 50) : random.between(20_000, 900_000)
    return random.pick<Argv>([
      ['PEXPIRE', key, ms],
      ['EXPIRE', key, random.between(20, 900)],
      ['SET', this.#key('str'), this.#value(), 'PX', ms],
      ['PSETEX', this.#key('str'), ms, 'v'],
      ['GETEX', this.#key('str'), 'PX', ms],
      ['PERSIST', key],
      ['PEXPIREAT', key, Date.now() + ms],
      ['EXPIRE', key, 900, 'NX'],
    ])
  }

  #across(): Argv {
    const random = this.#random
    const scripts: Argv[] = this.#mix.scripts
      ? [
          ['EVAL', incrementScript, 2, this.#key('num'), this.#key('list'), random.below(100)],
          ['EVAL', deleteScript, 1, this.#key()],
        ]
      : []
    return random.pick<Argv>([
      ['RENAME', this.#key(), this.#key()],
      ['RENAMENX', this.#key(), this.#key()],
      ['COPY', this.#key(), this.#key(), 'REPLACE'],
      ['COPY', this.#key(), this.#key(), 'DB', 1],
      ['MOVE', this.#key(), 1],
      ['MOVE', this.#key(), 0],
      ['SUNIONSTORE', this.#key('set'), this.#key('set'), this.#key('set')],
      ['SDIFFSTORE', this.#key('set'), this.#key('set'), this.#key('set')],
      ['ZUNIONSTORE', this.#key('zset'), 2, this.#key('zset'), this.#key('zset')],
      ['ZRANGESTORE', this.#key('zset'), this.#key('zset'), 0, 5],
      ['SORT', this.#key('set'), 'ALPHA', 'STORE', this.#key('list')],
      ['BITOP', 'OR', this.#key('str'), this.#key('str'), this.#key('str')],
      ['DEL', this.#key(), this.#key(), this.#key()],
      ...scripts,
    ])
  }

  #local(): Argv {
    return this.#random.pick<Argv>([['PING'], ['ECHO', this.#value()], ['CLIENT', 'ID'], ['NOSUCHCOMMAND'], ['GET'], ['TIME']])
  }

  #read(): Argv {
    return this.#random.pick<Argv>([
      ['GET', this.#key('str')],
      ['MGET', this.#key('num'), this.#key('str')],
      ['LRANGE', this.#key('list'), 0, -1],
      ['SMEMBERS', this.#key('set')],
      ['HGETALL', this.#key('hash')],
      ['ZRANGE', this.#key('zset'), 0, -1, 'WITHSCORES'],
      ['XRANGE', this.#key('stream'), '-', '+', 'COUNT', 5],
      ['PFCOUNT', this.#key('hll')],
      ['PFCOUNT', this.#key('hll'), this.#key('hll')],
      ['TYPE', this.#key()],
      ['PTTL', this.#key()],
      ['SCAN', 0],
    ])
  }
}
