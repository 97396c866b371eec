/** The same data set on any server: every core type, small and large encodings, binary names, expiries. */
import type { Redis } from 'ioredis'

export const binaryKey = Buffer.from([0x62, 0x00, 0xff, 0x0d, 0x0a, 0x80])
/** Far away, and the same on every server. */
export const farAwayMs = 4_102_444_800_000

export async function fillEveryType(client: Redis): Promise<void> {
  const big = Array.from({ length: 700 }, (_, index) => index)
  const fill = client.pipeline()
  fill.set('string', 'value').set('empty', '').set('number', '12345').set('long-number', '1234567890123456789')
  fill.set('compressible', 'x'.repeat(5_000)).set(binaryKey, binaryKey).set('', 'the empty name')
  fill.setbit('bitmap', 1_000_003, 1).setbit('bitmap', 7, 1)
  fill.pfadd('hll', ...big.slice(0, 20)).pfadd('hll-dense', ...Array.from({ length: 5_000 }, (_, index) => `m${index}`))
  fill
    .rpush('list', 'a', 'b', 'c', 'b')
    .rpush('list-large', ...big)
    .rpush('list-binary', binaryKey, '')
  fill
    .sadd('set-of-numbers', 1, 2, 3)
    .sadd('set', 'a', 'b', binaryKey)
    .sadd('set-large', ...big.map((n) => `member-${n}`))
  fill
    .zadd('zset', 1, 'a', 2.5, 'b', '-inf', 'c', 'inf', 'd', 0.1, 'e', 1e300, 'f')
    .zadd('zset-large', ...big.flatMap((n) => [n / 7, `m${n}`]))
  fill.geoadd('geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')
  fill
    .hset('hash', 'name', 'Ada', 'empty', '', binaryKey, binaryKey)
    .hset('hash-large', ...big.flatMap((n) => [`f${n}`, `v${n}`]))
  for (const n of big.slice(1, 301)) fill.xadd('stream', `${n}-1`, 'n', n, 'text', `entry ${n}`)
  fill.xdel('stream', '5-1').xgroup('CREATE', 'stream', 'workers', '0').xgroup('CREATE', 'stream', 'idle', '$')
  fill.xgroup('CREATECONSUMER', 'stream', 'workers', 'sleeper')
  fill.xreadgroup('GROUP', 'workers', 'anna', 'COUNT', 20, 'STREAMS', 'stream', '>')
  fill.xreadgroup('GROUP', 'workers', 'bert', 'COUNT', 10, 'STREAMS', 'stream', '>')
  fill.xack('stream', 'workers', '1-1', '22-1').xgroup('CREATE', 'stream-empty', 'g', '0', 'MKSTREAM')
  fill.set('expiring', 'v', 'PXAT', farAwayMs).pexpireat('zset', farAwayMs)
  for (let n = 0; n < 1_500; n += 1) fill.set(`many:${n}`, `v${n}`)
  fill.select(3).set('string', 'in another database').hset('hash', 'a', '1').select(0)
  const results = await fill.exec()
  const failed = results?.find(([error]) => error !== null)
  if (failed?.[0]) throw failed[0]
}
