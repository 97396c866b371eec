/** Random but sensible command lines over a few keys of every type, for tests that run them on real servers. */
import fc from 'fast-check'

const pools: Readonly<Record<string, readonly string[]>> = {
  string: ['s1', 's2', 's3'],
  list: ['l1', 'l2', 'l3'],
  set: ['t1', 't2', 't3'],
  zset: ['z1', 'z2', 'z3'],
  hash: ['h1', 'h2', 'h3'],
  stream: ['x1', 'x2'],
  hll: ['p1', 'p2'],
  geo: ['g1'],
  value: ['', 'a', 'hello', '12', '-3', 'h\u00e9', 'a longer value with blanks'],
  number: ['-2', '-1', '0', '1', '2', '5', '100'],
  offset: ['0', '1', '3', '9', '17'],
  score: ['1', '2.5', '-1.25', '0.1', '1e300', '3', '-7', '(2', 'inf'],
  plainScore: ['1', '2.5', '-1.25', '0.1', '1e300', '3', '-7'],
  member: ['a', 'b', 'c', 'd', 'e'],
  id: ['1-1', '2-5', '5-0', '9-9', '12-1', '40-0'],
  end: ['left', 'right'],
  seconds: ['1', '7', '20', '1000', '100000', '0', '-1', '0x'],
  millis: ['1500', '7001', '20002', '99999', '0'],
  /** 2100 and after: the same on every server. */
  instant: ['4102444800000', '4102444900000', '4202444800000'],
  instantSeconds: ['4102444800', '4102444900'],
}
const everyKey = ['string', 'list', 'set', 'zset', 'hash', 'stream', 'hll', 'geo'].flatMap((pool) => pools[pool] ?? [])
const typed = new Set(['string', 'list', 'set', 'zset', 'hash', 'stream', 'hll'])

/** What every run begins with; each key type, some with an expiry. */
export const firstLines: readonly string[] = [
  'set s1 12',
  'set s2 hello pxat 4102444800000',
  'rpush l1 a b c b a',
  'rpush l2 1',
  'sadd t1 a b c',
  'sadd t2 b c d 5',
  'zadd z1 1 a 2.5 b 2.5 c',
  'zadd z2 -1 b 7 e',
  'hset h1 a 1 b hello c 2.5',
  'hset h2 a 1',
  'xadd x1 1-1 f v',
  'xadd x1 2-1 f w',
  'xgroup create x1 g1 0',
  'xreadgroup group g1 c1 count 1 streams x1 >',
  'pfadd p1 a b c',
  'geoadd g1 13.361389 38.115556 a 15.087269 37.502669 b',
  'pexpireat l1 4102444800000',
  'pexpireat h1 4102444900000',
]

/** Fills a template such as `set <string> <value>`; `<key>` is of any type, and now and then a typed one is of the wrong type. */
function filled(template: string, choices: readonly number[]): string[] {
  let used = 0
  const pick = <T>(from: readonly T[]): T => from[(choices[used++ % choices.length] as number) % from.length] as T
  return template.split(' ').map((word) => {
    const pool = /^<(\w+)>$/.exec(word)?.[1]
    if (pool === undefined) return word
    if (pool === 'key' || (typed.has(pool) && (choices[(used + 3) % choices.length] as number) % 12 === 0)) return pick(everyKey)
    const from = pools[pool]
    if (!from) throw new Error(`no pool ${pool}`)
    return pick(from)
  })
}

/** Words of one command made from one of the templates. */
export function commandLine(templates: readonly string[]): fc.Arbitrary<string[]> {
  const choices = fc.array(fc.nat(10_000), { minLength: 12, maxLength: 12 })
  return fc.tuple(fc.constantFrom(...templates), choices).map(([template, picked]) => filled(template, picked))
}
