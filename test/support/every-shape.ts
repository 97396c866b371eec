/** Beside `every-type`: values so long that they go in several windows, names that a hash tag cannot hold, and streams with a past. */
import type { Redis } from 'ioredis'
import { binaryKey, farAwayMs, fillEveryType } from './every-type.ts'

/** With braces at every place; '' is there already. */
const oddNames: readonly string[] = ['{', '}', '{}', '}{', '{}x', 'a}b', 'a{b', 'a{b}c', 'a{}{b}c', '{{a}}', 'plain']

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const bytes = (length: number): Buffer => Buffer.from(numbers(length).map((n) => (n * n * 31 + n) % 251))

export async function fillEveryShape(client: Redis): Promise<void> {
  await fillEveryType(client)
  const fill = client.pipeline()
  for (const length of [65_535, 65_536, 65_537, 2_500_000]) fill.set(`string-${length}`, bytes(length))
  fill.pexpireat('string-65537', farAwayMs)
  fill.rpush('list-long', ...numbers(3_300)).rpush('list-wide', ...numbers(60).map((n) => bytes(5_000 + n)))
  fill.sadd('set-long', binaryKey, ...numbers(3_300).map((n) => `m${n}`)).sadd('set-of-many-numbers', ...numbers(2_100))
  fill.zadd('zset-long', '-0', 'zero', '-inf', 'low', 'inf', 'high', ...numbers(3_300).flatMap((n) => [n / 7 - 99, `m${n}`]))
  fill.zadd('zset-exact', '0.1', 'a', '1e-320', 'b', '1.7976931348623157e308', 'c', '123456789.12345678', 'd', '-5e-324', 'e')
  fill.hset('hash-long', binaryKey, '', ...numbers(2_500).flatMap((n) => [`f${n}`, `v${n}`])).pexpireat('hash-long', farAwayMs)
  for (const name of oddNames) fill.xadd(name, '1-1', 'f', 'v')
  fillStreams(fill)
  const failed = (await fill.exec())?.find(([error]) => error !== null)
  if (failed?.[0]) throw failed[0]
}

function fillStreams(fill: ReturnType<Redis['pipeline']>): void {
  for (const n of numbers(2_500)) fill.xadd('past', `${n + 1}-0`, 'n', n, binaryKey, binaryKey)
  fill.xgroup('CREATE', 'past', binaryKey, '0').xgroup('CREATE', 'past', 'late', '700-0')
  fill.xreadgroup('GROUP', binaryKey, 'anna', 'COUNT', 900, 'STREAMS', 'past', '>')
  fill.xreadgroup('GROUP', binaryKey, binaryKey, 'COUNT', 700, 'STREAMS', 'past', '>')
  fill.xreadgroup('GROUP', 'late', 'carl', 'COUNT', 50, 'STREAMS', 'past', '>')
  fill.xclaim('past', binaryKey, 'bert', 0, '40-0', '41-0', 'TIME', 1_600_000_000_000, 'RETRYCOUNT', 7)
  // Pending, and not there any more: at the front, in between, and trimmed.
  fill.xdel('past', '1-0', '41-0', '500-0', '501-0', '2500-0').xtrim('past', 'MINID', '30-0')
  fill.xgroup('CREATE', 'past', 'idle', '$').xgroup('CREATECONSUMER', 'past', 'idle', 'nobody')
  for (const n of numbers(5)) fill.xadd('all-gone', `${n + 1}-9`, 'f', 'v')
  fill.xgroup('CREATE', 'all-gone', 'g', '0').xreadgroup('GROUP', 'g', 'c', 'STREAMS', 'all-gone', '>')
  fill.xtrim('all-gone', 'MAXLEN', 0)
  for (const n of numbers(5)) fill.xadd('deleted', `${n + 1}-9`, 'f', 'v')
  fill.xgroup('CREATE', 'deleted', 'g', '0').xreadgroup('GROUP', 'g', 'c', 'STREAMS', 'deleted', '>')
  fill.xdel('deleted', '1-9', '2-9', '3-9', '4-9', '5-9')
  fill
    .xgroup('CREATE', 'never', 'g', '0', 'MKSTREAM')
    .xgroup('CREATE', 'bare', 'g', '0', 'MKSTREAM')
    .xgroup('DESTROY', 'bare', 'g')
  fill
    .call('XADD', 'ahead', '5-0', 'f', 'v')
    .call('XSETID', 'ahead', '18446744073709551615-3', 'ENTRIESADDED', '40', 'MAXDELETEDID', '4-0')
}

/** Two hashes whose fields expire, a short and a long one. Only for a server that has such expiries. */
export async function fillFieldEnds(client: Redis): Promise<void> {
  const fields = numbers(2_500).map((n) => `f${n}`)
  await client.hset('ends', 'a', '1', binaryKey, binaryKey, 'c', '')
  await client.hset('ends-long', Object.fromEntries(fields.map((field) => [field, 'v'])))
  await client.call('HPEXPIREAT', 'ends', farAwayMs, 'FIELDS', 2, 'a', binaryKey)
  for (const [i, of] of [fields.slice(0, 400), fields.slice(600, 2_000)].entries())
    await client.call('HPEXPIREAT', 'ends-long', farAwayMs + i, 'FIELDS', of.length, ...of)
}
