/**
 * The cases of effects.test.ts: what there is, what is done, and whether the journal is needed for it. Each has two databases of its own,
 * called 0 and 3 here. `@` is a DUMP payload.
 */

export interface Case {
  readonly given: readonly string[]
  readonly when: readonly string[]
  /** First releases that know the command; absent: every one. A family that is not named does not know it. */
  readonly needs?: { readonly redis?: number; readonly valkey?: number }
  /** Only the source has to know it: the target gets the nearest form with the same result. */
  readonly nearest?: boolean
  /** Whether keys go to the journal, by the versions of source and target. */
  readonly journal?: (source: number, target: number) => boolean
  /** Absent: anything but an error. */
  readonly answers?: RegExp
}

const always = (): boolean => true
const isError = /^-/
const fieldLifetimes = { redis: 7.4, valkey: 9 }
const hashOptions = { redis: 8, valkey: 9 }

/** Each line on its own, after the same preparations. */
const each = (given: readonly string[], lines: readonly string[], rest: Omit<Case, 'given' | 'when'> = {}): Case[] =>
  lines.map((line) => ({ given, when: [line], ...rest }))

const strings: Case[] = [
  ...each(
    ['SET k 5', 'SET t 5 EX 90', 'SET f 0.5 EX 90'],
    [
      'SET n v',
      'SET k v EX 100',
      'SET k v PX 100000',
      'SET k v EXAT 4000000000',
      'SET k v PXAT 4000000000000',
      'SET t v KEEPTTL',
      'SET t v XX KEEPTTL GET',
      'SET n v NX GET',
      'SET t v GET EXAT 4000000000',
      'SET k v PXAT 1',
      'SET n v NX EX 100',
      'SET k v NX EX 100',
      'SET k v XX PX 100000 GET',
      'SET n v NX GET EX 50',
      'SET n v XX EX 50',
      'SET k v GET',
      'SETEX k 100 v',
      'PSETEX k 100000 v',
      'SETNX k v',
      'SETNX n v',
      'GETSET t v',
      'GETDEL t',
      'GETEX k',
      'GETEX k EX 100',
      'GETEX k PX 100000',
      'GETEX k EXAT 4000000000',
      'GETEX k PXAT 1',
      'GETEX k PERSIST',
      'GETEX n EX 100',
      'GETEX t PERSIST',
      'INCRBYFLOAT f 0.1',
      'INCRBYFLOAT f 3.0e3',
      'INCRBYFLOAT n 1.1',
      'INCR t',
      'DECRBY t 9',
      'APPEND t x',
      'SETRANGE t 3 xx',
      'SETBIT k 7 1',
      'MSET a 1 b 2',
      'MSETNX a 1 k 2',
      'BITOP XOR d k t',
      'BITFIELD k GET u8 0',
      'BITFIELD k INCRBY i5 100 1 GET u4 0 OVERFLOW SAT SET u4 0 9 OVERFLOW FAIL INCRBY u2 102 3',
    ],
  ),
  ...each(['SET k 5'], ['SET k v EX 0', 'SETEX k -1 v', 'INCRBYFLOAT k x'], {
    answers: isError,
  }),
  ...each(
    ['SET k v EX 50'],
    [
      'SET k w IFEQ v EX 100',
      'SET k w IFEQ x EX 100',
      'SET k w IFEQ v',
      'SET k w IFEQ v KEEPTTL',
      'SET k w IFEQ v GET PX 90000',
      'SET k w IFEQ x GET',
      'SET n w IFEQ x',
      'DELIFEQ k v',
      'DELIFEQ k x',
    ],
    { needs: { valkey: 9 }, nearest: true },
  ),
  ...each(
    ['SET k v EX 50'],
    [
      'MSETEX 2 k 1 n 2 EX 100',
      'MSETEX 2 k 1 n 2 NX PX 5000',
      'MSETEX 1 k 1 XX KEEPTTL',
      'MSETEX 1 n 2 EXAT 4000000000',
      'MSETEX 2 n 1 k 2',
    ],
    { needs: { valkey: 9.1 }, nearest: true },
  ),
]

const keys: Case[] = [
  ...each(
    ['SET k v', 'SET t v EX 100'],
    [
      'EXPIRE k 100',
      'PEXPIRE k 100000',
      'EXPIRE k 100 NX',
      'EXPIRE t 100 NX',
      'EXPIRE t 200 GT',
      'EXPIRE t 200 LT',
      'EXPIRE t 50 XX LT',
      'PEXPIRE k 50000 XX',
      'EXPIRE k 0',
      'EXPIRE k -1',
      'PEXPIRE t -5 LT',
      'EXPIRE k -1 GT',
      'EXPIREAT k 4000000000',
      'PEXPIREAT t 4000000000000 GT',
      'EXPIREAT k 1',
      'PERSIST t',
      'DEL k t n',
      'UNLINK k n',
      'RENAME t n',
      'RENAMENX t k',
      'RENAMENX t n',
      'COPY t n',
      'COPY t k REPLACE',
      'COPY t k',
      'COPY t n DB 3',
      'COPY t k DB 3 REPLACE',
      'MOVE t 3',
      'MOVE n 3',
    ],
  ),
  ...each(
    ['SET k v', 'SET t v EX 100'],
    [
      'RESTORE n 0 @',
      'RESTORE n 100000 @',
      'RESTORE t 90000 @ REPLACE',
      'RESTORE n 4000000000000 @ ABSTTL',
      'RESTORE n 90000 @ IDLETIME 5',
      'RESTORE n 1 @ ABSTTL',
      'RESTORE t 1 @ REPLACE ABSTTL',
    ],
  ),
  ...each(['SET k v'], ['RESTORE k 0 @', 'RESTORE n -1 @'], { answers: isError }),
  // The database was empty before.
  { given: ['SET k v', 'SET t v EX 100'], when: ['SWAPDB 0 3', 'SET k w'] },
  { given: ['SET k v', 'SET t v EX 100'], when: ['FLUSHDB', 'SETEX k 100 w'] },
  {
    given: ['SET f 0.5', 'SADD s a b c', 'XADD x 1-1 f v', 'SET k v EX 100'],
    when: ['MULTI', 'SPOP s', 'INCRBYFLOAT f 0.1', 'XADD x * f v', 'GETEX k PX 50000', 'SET n v EX 60', 'EXEC'],
  },
  {
    given: ['SET f x', 'SADD s a b c'],
    when: ['MULTI', 'SPOP s 2', 'INCRBYFLOAT f 0.1', 'SETEX n 100 v', 'EXEC', 'MULTI', 'SPOP s', 'DISCARD'],
  },
  ...each(['SET k v'], ["EVAL return(redis.call('SETEX',KEYS[1],100,ARGV[1])) 1 k w"], { journal: always }),
  {
    given: ['SET k v EX 100'],
    when: ['MOVE k 3', 'SELECT 3', 'MOVE k 0', 'COPY nothing k DB 0', 'SELECT 0', 'MOVE k 3', 'SET k w', 'MOVE k 3'],
  },
  ...each(
    [
      'RPUSH l 3 1 2 1 10',
      'SADD s 3 1 2',
      'ZADD z 1 3 2 1',
      'SET w_1 5',
      'SET w_2 4',
      'SET w_3 9',
      'RPUSH d old',
      'RPUSH x c A b',
    ],
    [
      'SORT l',
      'SORT l STORE d',
      'SORT s DESC LIMIT 0 2 STORE d',
      'SORT z STORE d',
      'SORT x ALPHA STORE d',
      'SORT x ALPHA DESC STORE x',
      'SORT nothing STORE d',
    ],
  ),
  ...each(
    ['SADD s 3 1 2', 'SET w_1 5', 'SET w_2 4', 'SET w_3 9'],
    ['SORT s BY w_* STORE d', 'SORT s BY nosort STORE d', 'SORT s GET w_* STORE d'],
    { journal: always },
  ),
]

const hashes: Case[] = [
  ...each(
    ['HSET h a 1 b 2.5'],
    [
      'HSET h a 2 c 3',
      'HMSET h a 2',
      'HSETNX h a 3',
      'HSETNX h c 3',
      'HDEL h a x',
      'HINCRBY h a 5',
      'HINCRBYFLOAT h b 0.1',
      'HINCRBYFLOAT h n 1.5',
      'HINCRBYFLOAT new f 2',
    ],
  ),
  ...each(['HSET h a x'], ['HINCRBYFLOAT h a 1', 'HINCRBYFLOAT h b x'], { answers: isError }),
  ...each(
    ['HSET h a 1 b 2 c 3', 'HEXPIRE h 100 FIELDS 1 b'],
    [
      'HEXPIRE h 200 FIELDS 2 a x',
      'HEXPIRE h 200 NX FIELDS 2 a b',
      'HEXPIRE h 200 GT FIELDS 2 a b',
      'HPEXPIRE h 50000 LT FIELDS 2 a b',
      'HPEXPIRE h 50000 XX FIELDS 2 a b',
      'HEXPIREAT h 4000000000 FIELDS 1 a',
      'HPEXPIREAT h 4000000000000 FIELDS 1 a',
      'HEXPIREAT h 1 FIELDS 1 a',
      'HEXPIRE h 0 FIELDS 2 a b',
      'HPERSIST h FIELDS 2 a b',
      'HINCRBYFLOAT h b 0.5',
      'HINCRBY h b 1',
      'HSET h b 9',
    ],
    // Redis 7.4 would need a copy for HINCRBYFLOAT; it is none of the engines here.
    { needs: fieldLifetimes },
  ),
  ...each(
    ['HSET h a 1 b 2 c 3', 'HEXPIRE h 100 FIELDS 1 b'],
    [
      'HSETEX h FIELDS 1 b 9',
      'HSETEX h EX 50 FIELDS 2 a 9 n 8',
      'HSETEX h FNX PX 50000 FIELDS 1 n 8',
      'HSETEX h FXX EXAT 4000000000 FIELDS 1 a 8',
      'HSETEX h FNX EX 50 FIELDS 1 a 8',
      'HSETEX h KEEPTTL FIELDS 2 a 7 b 7',
      'HSETEX h EX 0 FIELDS 1 a 8',
      'HGETEX h FIELDS 2 a b',
      'HGETEX h EX 50 FIELDS 2 a x',
      'HGETEX h PX 50000 FIELDS 1 b',
      'HGETEX h PERSIST FIELDS 1 b',
      'HGETEX h PXAT 1 FIELDS 1 a',
      'HGETEX h EXAT 4000000000 FIELDS 1 a',
    ],
    { needs: hashOptions },
  ),
  ...each(
    ['HSET h a 1 b 2 c 3'],
    [
      'HSETEX h FIELDS 1 b 9',
      'HSETEX h FNX FIELDS 2 n 8 o 7',
      'HSETEX h FXX KEEPTTL FIELDS 1 a 8',
      'HSETEX h FNX FIELDS 1 a 8',
      'HGETEX h FIELDS 2 a x',
      'HGETEX h PERSIST FIELDS 2 a x',
    ],
    { needs: hashOptions, nearest: true },
  ),
  ...each(
    ['HSET h a 1 b 2 c 3'],
    ['HGETDEL h FIELDS 2 a x', 'HGETDEL h FIELDS 3 a b c', 'HGETDEL h FIELDS 1 x', 'HGETDEL n FIELDS 1 x'],
    {
      needs: { redis: 8, valkey: 9.1 },
      nearest: true,
    },
  ),
  ...each(['HSET h a 1 b 2 c 3', 'HEXPIRE h 100 FIELDS 1 b'], ['HGETDEL h FIELDS 2 a b', 'HGETDEL h FIELDS 4 a b c x'], {
    needs: { redis: 8, valkey: 9.1 },
  }),
]

const many = Array.from({ length: 300 }, (_, i) => `m${i}`).join(' ')

const collections: Case[] = [
  ...each(
    ['SADD s a b c d e f g', 'SADD i 1 2 3', `SADD m ${many}`, 'EXPIRE s 100'],
    [
      'SPOP s',
      'SPOP s 3',
      'SPOP s 7',
      'SPOP s 100',
      'SPOP i 2',
      'SPOP m 150',
      'SPOP m 299',
      'SPOP nothing',
      'SPOP nothing 3',
      'SPOP s 0',
      'SMOVE s i a',
      'SMOVE s i x',
      'SADD s x a',
      'SREM s a x',
      'SINTERSTORE d s i',
      'SUNIONSTORE d s i',
      'SDIFFSTORE s s i',
      'SRANDMEMBER s 2',
      'SMOVE i s 1',
    ],
  ),
  ...each(
    ['RPUSH l a b c d e', 'RPUSH k x'],
    [
      'LPUSH l y z',
      'RPUSH n z',
      'LPUSHX l z',
      'RPUSHX nothing z',
      'LINSERT l BEFORE c z',
      'LSET l 0 z',
      'LREM l 1 c',
      'LTRIM l 1 2',
      'LPOP l 2',
      'RPOP l',
      'LMOVE l k LEFT RIGHT',
      'RPOPLPUSH l l',
      'LMPOP 2 nothing l LEFT COUNT 2',
      'LMPOP 2 k l RIGHT',
      'LMPOP 1 nothing LEFT',
      'LMPOP 1 l LEFT COUNT 9',
      'BLPOP nothing l 1',
      'BRPOP l 1',
      'BLMOVE l k LEFT RIGHT 1',
      'BRPOPLPUSH l k 1',
      'BLMPOP 1 2 nothing l LEFT COUNT 2',
    ],
  ),
  ...each(
    ['ZADD z 1 a 2 b 3 c 3 d', 'ZADD y 5 a 6 e'],
    [
      'ZADD z XX CH GT 9 a',
      'ZADD z NX 1 a 7 f',
      'ZADD z LT 0.5 a 9 b',
      'ZADD z INCR 1 a',
      'BZPOPMIN nothing z 1',
      'BZPOPMAX z 1',
      'BZMPOP 1 2 nothing z MAX COUNT 2',
      'ZINCRBY z 0.1 a',
      'ZREM z a x',
      'ZREMRANGEBYRANK z 0 1',
      'ZREMRANGEBYSCORE z (1 3',
      'ZREMRANGEBYLEX z [a (c',
      'ZPOPMIN z',
      'ZPOPMAX z 2',
      'ZMPOP 2 nothing z MAX COUNT 2',
      'ZRANGESTORE d z 1 2',
      'ZDIFFSTORE d 2 z y',
      'ZUNIONSTORE d 2 z y',
      'ZINTERSTORE d 2 z y AGGREGATE MAX',
      'ZUNIONSTORE d 1 z WEIGHTS 0.1',
    ],
  ),
  // Two versions write the sum differently, and the hot path compares bytes.
  ...each(['ZADD z 1 a'], ['ZADD z INCR 0.1 a'], { journal: (source, target) => source < 7.2 !== target < 7.2 }),
  ...each(['ZADD z 1 a 2 b', 'ZADD y 5 a 6 e'], ['ZUNIONSTORE d 3 z y z', 'ZUNIONSTORE d 2 z y WEIGHTS 0.1 0.3'], {
    journal: always,
  }),
  ...each(
    ['GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'],
    ['GEOADD g NX 13.5 38 x', 'GEORADIUS g 15 37 200 km'],
  ),
  ...each(
    ['GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'],
    [
      'GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km',
      'GEOSEARCHSTORE d g FROMMEMBER Palermo BYBOX 400 400 km STOREDIST',
      'GEORADIUS g 15 37 200 km STORE d',
      'GEORADIUSBYMEMBER g Palermo 200 km STOREDIST d',
    ],
    { journal: always },
  ),
  ...each(
    ['PFADD p a b c', 'PFADD q c d'],
    ['PFADD p a z', 'PFADD p a', 'PFADD n', 'PFCOUNT p', 'PFCOUNT p q', 'PFMERGE d p q', 'PFMERGE p q', 'PFMERGE n'],
  ),
]

const entries = Array.from({ length: 17 }, (_, i) => `XADD s ${i + 1}-0 f v${i}`)
const group = [...entries.slice(0, 6), 'XGROUP CREATE s g 0', 'XREADGROUP GROUP g c COUNT 4 STREAMS s >']

const streams: Case[] = [
  ...each(entries, [
    'XADD s * f v',
    'XADD s 99-* f v',
    'XADD s 99-1 f v',
    'XADD n NOMKSTREAM * f v',
    'XADD n * f v g w',
    'XADD s MAXLEN 5 * f v',
    'XADD s MINID = 7 99-* f v',
    'XADD s MAXLEN ~ 5 * f v',
    'XADD s MAXLEN ~ 6 LIMIT 4 * f v',
    'XADD s MINID ~ 9 99-7 f v',
    'XADD s MINID ~ 9 LIMIT 0 * f v',
    'XADD s MAXLEN ~ 0 * f v',
    'XADD s NOMKSTREAM MAXLEN ~ 0 99-* f v',
    'XADD n MAXLEN ~ 5 * f v',
    'XADD n NOMKSTREAM MAXLEN ~ 5 * f v',
    'XTRIM s MAXLEN 5',
    'XTRIM s MINID = 6',
    'XTRIM s MAXLEN ~ 5',
    'XTRIM s MAXLEN ~ 5 LIMIT 4',
    'XTRIM s MINID ~ 9',
    'XTRIM s MINID ~ 2',
    'XTRIM s MAXLEN ~ 0',
    'XTRIM nothing MAXLEN ~ 5',
    'XDEL s 3-0 17-0 99-0',
    'XSETID s 99-0',
    'XGROUP CREATE s g $',
    'XGROUP CREATE s g 5',
    'XGROUP CREATE n g $ MKSTREAM',
    'XGROUP CREATE s g $ ENTRIESREAD 3',
  ]),
  ...each(entries.slice(0, 2), ['XGROUP CREATE nothing g $', 'XADD s MAXLEN ~ x * f v', 'XADD s 1-* f v'], { answers: isError }),
  {
    given: [...entries, 'XDEL s 17-0'],
    when: ['XGROUP CREATE s g $', 'XADD s * f v', 'XGROUP SETID s g $', 'XGROUP SETID s g 3 ENTRIESREAD 2'],
  },
  { given: entries, when: Array.from({ length: 12 }, (_, i) => `XADD s MAXLEN ~ ${10 - (i % 3)} * f ${i}`) },
  ...each(group, [
    'XREADGROUP GROUP g c COUNT 1 STREAMS s >',
    'XREADGROUP GROUP g new STREAMS s >',
    'XREADGROUP GROUP g new COUNT 9 NOACK STREAMS s >',
    'XREADGROUP GROUP g c STREAMS s 0',
    'XREADGROUP GROUP g new STREAMS s 0',
    'XREADGROUP GROUP g new2 COUNT 2 STREAMS s 2-0',
    'XACK s g 1-0 2-0 9-9',
    'XGROUP CREATECONSUMER s g d',
    'XGROUP DELCONSUMER s g c',
    'XGROUP DESTROY s g',
    'XGROUP SETID s g $',
    'XCLAIM s g d 0 1-0 2-0',
    'XCLAIM s g d 0 1-0 1-0 2-0 JUSTID',
    'XCLAIM s g c 0 1 IDLE 5000 RETRYCOUNT 7',
    'XCLAIM s g d 0 1-0 TIME 1000 FORCE LASTID 6-0',
    'XCLAIM s g d 0 5-0 6-0 FORCE',
    'XCLAIM s g d 0 1-0 9-9 FORCE JUSTID',
    'XAUTOCLAIM s g d 0 0',
    'XAUTOCLAIM s g d 0 0 COUNT 2',
    'XAUTOCLAIM s g d 0 2-0 COUNT 1 JUSTID',
    'XAUTOCLAIM s g d 100000 0',
    'XREADGROUP GROUP g c COUNT 1 BLOCK 9 STREAMS s >',
  ]),
  {
    given: [...group, 'XADD u 1-1 f v', 'XGROUP CREATE u g 0'],
    when: ['XREADGROUP GROUP g e STREAMS s u > >', 'XREADGROUP GROUP g e NOACK STREAMS u >'],
  },
  ...each(
    [...group, 'XCLAIM s g c 0 2-0 IDLE 60000 JUSTID'],
    [
      'XCLAIM s g d 50000 1-0 2-0 3-0',
      'XCLAIM s g d 50000 2-0 LASTID 5-0',
      'XAUTOCLAIM s g d 50000 0',
      'XAUTOCLAIM s g d 50000 0 COUNT 1',
    ],
  ),
  // A read of nothing makes its consumer from 7.2 on.
  ...each(
    [...group, 'XGROUP SETID s g 6-0', 'XADD u 1-1 f v', 'XGROUP CREATE u g 0', 'XDEL s 2-0'],
    [
      'XREADGROUP GROUP g d STREAMS s >',
      'XREADGROUP GROUP g d NOACK STREAMS s >',
      'XREADGROUP GROUP g d COUNT 3 STREAMS s u > >',
      'XREADGROUP GROUP g d NOACK STREAMS u s > >',
      'XREADGROUP GROUP g d STREAMS s u > 0',
      'XREADGROUP GROUP g c STREAMS u s > 0',
    ],
  ),
  // What is pending and deleted leaves the list as it is claimed.
  ...each(
    [...group, 'XCLAIM s g c 0 2-0 3-0 IDLE 60000 JUSTID', 'XDEL s 1-0 3-0'],
    [
      'XCLAIM s g d 50000 1-0 2-0 3-0',
      'XCLAIM s g c 50000 1-0 4-0',
      'XAUTOCLAIM s g d 50000 0',
      'XAUTOCLAIM s g d 50000 0 JUSTID',
      'XAUTOCLAIM s g c 50000 3-0',
    ].filter((line) => line !== 'XCLAIM s g c 50000 1-0 4-0'),
  ),
  // A claim of nothing makes its consumer from 7.2 on.
  ...each(
    [...group, 'XDEL s 3-0'],
    ['XCLAIM s g d 50000 1-0', 'XCLAIM s g d 50000 3-0 4-0 LASTID 6-0', 'XCLAIM s g d 50000 9-9', 'XCLAIM s g d 0 5-0 6-0 9-9'],
    {
      journal: (source, target) => source < 7.2 && target >= 7.2,
    },
  ),
  ...each(group, ['XCLAIM s nothing d 0 1-0', 'XAUTOCLAIM s nothing d 0 0', 'XREADGROUP GROUP nothing c STREAMS s >'], {
    answers: isError,
  }),
]

export const cases: readonly Case[] = [...strings, ...keys, ...hashes, ...collections, ...streams]
