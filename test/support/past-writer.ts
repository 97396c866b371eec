/** Somebody who writes straight to a server, of every type, in several databases, with lifetimes, deletions and moves; from a seed. */
import type { Redis } from 'ioredis'
import { Random } from '../../src/demo/random.ts'

const databasesWritten = [0, 1, 5] as const
const keysPerType = 40
const batch = 25

type Deed = (key: (type: string) => string, random: Random) => (string | number)[]

const word = (random: Random): string => `w${random.below(1_000)}`
const deeds: readonly Deed[] = [
  (key, random) => ['SET', key('s'), word(random)],
  (key, random) => ['SET', key('s'), word(random), 'PX', 50 + random.below(2_000)],
  (key, random) => ['APPEND', key('s'), word(random)],
  (key, random) => ['HSET', key('h'), word(random), word(random)],
  (key, random) => ['HDEL', key('h'), word(random)],
  (key, random) => ['RPUSH', key('l'), word(random), word(random)],
  (key) => ['LPOP', key('l')],
  (key) => ['LMOVE', key('l'), key('l'), 'LEFT', 'RIGHT'],
  (key, random) => ['SADD', key('m'), word(random)],
  (key) => ['SPOP', key('m')],
  (key) => ['SUNIONSTORE', key('m'), key('m'), key('m')],
  (key, random) => ['ZADD', key('z'), random.next(), word(random)],
  (key, random) => ['PFADD', key('p'), word(random)],
  (key, random) => ['XADD', key('x'), '*', word(random), word(random)],
  (key) => ['XGROUP', 'CREATE', key('x'), 'g', '0', 'MKSTREAM'],
  (key, random) => ['XREADGROUP', 'GROUP', 'g', `c${random.below(3)}`, 'COUNT', 3, 'STREAMS', key('x'), '>'],
  (key, random) => ['XAUTOCLAIM', key('x'), 'g', `c${random.below(3)}`, 0, 0, 'COUNT', 2],
  (key) => ['XGROUP', 'DESTROY', key('x'), 'g'],
  (key, random) => ['XTRIM', key('x'), 'MAXLEN', random.below(20)],
  (key, random) => ['DEL', key('shlmzx'[random.below(6)] as string)],
  (key, random) => ['PEXPIRE', key('shlmzx'[random.below(6)] as string), 50 + random.below(3_000)],
  (key, random) => ['PERSIST', key('shlmzx'[random.below(6)] as string)],
  (key) => ['RENAME', key('h'), key('h')],
  (key, random) => ['COPY', key('z'), key('z'), 'DB', databasesWritten[random.below(3)] as number, 'REPLACE'],
  (key, random) => ['MOVE', key('s'), databasesWritten[random.below(3)] as number],
  (key, random) => [
    'EVAL',
    'redis.call("set", KEYS[1], ARGV[1]); redis.call("del", KEYS[2])',
    2,
    key('s'),
    key('s'),
    word(random),
  ],
]

/** Writes until it is aborted; some of what it does is refused, as with anybody. Resolves to how many commands it sent. */
export async function writePast(client: Redis, seed: number, until: AbortSignal): Promise<number> {
  const random = new Random(seed)
  const key = (type: string): string => `${type}:${random.below(keysPerType)}`
  let sent = 0
  while (!until.aborted) {
    const pipeline = client.pipeline()
    pipeline.select(databasesWritten[random.below(databasesWritten.length)] as number)
    for (let n = 0; n < batch; n++) {
      const [name, ...args] = (deeds[random.below(deeds.length)] as Deed)(key, random)
      pipeline.call(name as string, ...args)
    }
    await pipeline.exec()
    sent += batch
  }
  return sent
}
