/**
 * A target whose databases are others answers as one that has them all: the same random commands on a plain server and through the wire,
 * in pipelines that are cut anywhere, protocol 2 and 3.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SidesBehind, sidesBehind } from '../../../src/cluster/sides.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { databaseLayoutOf } from '../../../src/routing/database-layout.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { commandLine } from '../../support/command-lines.ts'
import { cuts, holdsAsync, placesIn } from '../../support/property.ts'
import { RawWire } from '../../support/raw-wire.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const templates = [
  ...['select 0', 'select 1', 'select 2', 'select 3', 'select 1', 'select 0', 'select 1000001', 'select x'],
  ...['set <string> <value>', 'get <string>', 'mset <string> <value> <string> <value>', 'mget <string> <key> <string>'],
  ...['del <key> <key>', 'exists <key> <key> <key>', 'type <key>', 'rename <key> <key>', 'renamenx <key> <key>', 'incr <string>'],
  ...['move <key> 1', 'move <key> 0', 'move <key> 3', 'move <key> 1000001', 'move <key> x', 'move <key> 2'],
  ...['copy <key> <key>', 'copy <key> <key> db 1', 'copy <key> <key> db 2 replace', 'copy <key> <key> replace db 0'],
  ...['copy <key> <key> db 1000001', 'copy <key> <key> db x', 'copy <key> <key> nothing'],
  ...[
    'rpush <list> <value> <member>',
    'lmpop 2 <list> <list> left count 2',
    'lmpop 0 <list> left',
    'lmove <list> <list> left right',
  ],
  ...['sadd <set> <member> <member>', 'smembers <set>', 'sinterstore <set> <set> <set>', 'sintercard 2 <set> <set>'],
  ...[
    'zadd <zset> 1 <member> 2 <member>',
    'zmpop 1 <zset> min',
    'zunionstore <zset> 2 <zset> <zset> weights 1 2',
    'zrange <zset> 0 -1',
  ],
  ...['hset <hash> <member> <value>', 'hget <hash> <member>', 'hscan <hash> 0'],
  ...['xadd <stream> * f v nomkstream', 'xlen <stream>', 'xinfo stream nothing', 'xgroup create <stream> g2 0 mkstream'],
  ...['xread count 2 streams x1 x2 0 0', 'xread streams x1', 'xreadgroup group g2 c count 1 streams x1 >'],
  ...['blpop <list> <list> 0.001', 'bzpopmin <zset> 0.001', 'blmpop 0.001 2 <list> <list> right'],
  ...['sort <list> alpha by nosort', 'sort <list> by s* get s* get # alpha limit 0 5', 'sort <list> alpha store <list>'],
  ...[
    'object encoding <key>',
    'dump nothing',
    'touch <key>',
    'expire <key> 1000',
    'ttl <key>',
    'pfadd <hll> a',
    'pfcount <hll> <hll>',
  ],
  ...["eval return{KEYS[1]~=nil,redis.call('exists',KEYS[1])} 1 <key>", 'bitop not <string> <string>', 'getdel <string>'],
  ...['keys *', 'keys s?', 'keys [', 'scan 0 count 1000', 'scan 0 match s* count 1000', 'scan 0 count 1000 type list', 'scan x'],
  ...['dbsize', 'randomkey', 'info keyspace', 'ping', 'echo word', 'set', 'get', 'nosuch'],
  ...['multi', 'multi', 'exec', 'exec', 'discard', 'watch <key>', 'unwatch'],
]
/** Few of them, or nothing would ever be there. */
const emptying = ['flushdb', 'flushdb async', 'flushall']
/** In a block they are refused, where a server takes them. */
const alone = new Set(['dbsize', 'randomkey', 'info', 'flushdb', 'flushall'])
const sorted = /^(keys|scan|smembers|exec|sort)/
/** Ferry does not know how a server words what is wrong with a command whose keys cannot be told. */
const unsupported = '-ERR FERRY unsupported'

const line = fc.oneof({ weight: 60, arbitrary: commandLine(templates) }, { weight: 1, arbitrary: commandLine(emptying) })
const large = fc.constantFrom<string[]>(
  ['set', 's1', 'x'.repeat(300_000)],
  ['mset', 's1', 'y'.repeat(200_000), 's2', 'z'.repeat(70_000)],
  ['get', 's1'],
)
const lines = fc.array(fc.oneof({ weight: 40, arbitrary: line }, { weight: 1, arbitrary: large }), {
  minLength: 1,
  maxLength: 60,
})

/** Leaves out what is refused within a block. */
function sensible(given: readonly string[][]): string[][] {
  let block = false
  const kept: string[][] = []
  for (const words of given) {
    const name = words[0] as string
    if (block && alone.has(name)) continue
    if (name === 'multi') block = true
    if (name === 'exec' || name === 'discard') block = false
    kept.push(words)
  }
  return block ? [...kept, ['discard']] : kept
}

const errorless = (text: string): string => text.replace(/-ERR .*/g, '-ERR')

/** What a server is free to order or to choose is compared without it. */
function comparable(words: readonly string[], reply: string): string {
  const text = reply.replace(/\b\d{13}-\d+/g, 'id')
  if (words[0] === 'randomkey') return text[0] === '$' && text !== '$-1\r\n' ? 'some key' : text
  if (words[0] === 'info')
    return text
      .replace(/^\$\d+/, '$')
      .replace(/^=\d+/, '=')
      .replace(/,expires=\d+,avg_ttl=\d+(,subexpiry=\d+)?/g, '')
  if (!sorted.test(words[0] as string)) return text
  return text.split('\r\n').sort().join('\n')
}

const settings = ['fold', 'fold=<{db}>.', '0=4,1=0,2=2,3=7,4=1,5=3,6=5,7=6,8=8,9=9,10=10,11=11,12=12,13=13,14=14,15=15'] as const

describe.each(settings)('databases %s', (setting) => {
  let plain: RedisServer
  let other: RedisServer
  let behind: SidesBehind
  const open: RawWire[] = []

  beforeAll(async () => {
    const args = setting.startsWith('fold') ? ['--databases', '1'] : []
    ;[plain, other] = await Promise.all([startRedis(), startRedis({ args })])
    behind = sidesBehind(
      { source: parseEndpoint(plain.url), target: parseEndpoint(other.url) },
      new Turn(),
      databaseLayoutOf(setting),
    )
  })

  afterAll(async () => {
    for (const wire of open) wire.close()
    behind.stop()
    await Promise.all([plain.stop(), other.stop()])
  })

  async function pair(): Promise<readonly [RawWire, RawWire]> {
    const wires = await Promise.all([RawWire.open(behind.source.endpoint), RawWire.open(behind.target.endpoint)])
    open.push(...wires)
    return wires
  }

  test.each([2, 3])('answer alike in protocol %i', { timeout: 60_000 }, async (protocol) => {
    await holdsAsync(
      fc.asyncProperty(lines, cuts(), async (given, shares) => {
        const [here, there] = await pair()
        const commands = [['hello', String(protocol)], ...sensible(given)]
        const bytes = Buffer.concat(commands.map((words) => encodeCommand(words)))
        const first = (await here.ask(bytes, commands.length)).slice(1)
        const second = (await there.ask(bytes, commands.length, placesIn(shares, bytes.length))).slice(1)
        here.close()
        there.close()
        const compared = (replies: string[]): string[] =>
          replies.map(
            (reply, i) => `${commands[i + 1]?.join(' ').slice(0, 80)}: ${comparable(commands[i + 1] ?? [], reply).slice(0, 400)}`,
          )
        const own = compared(second).map((text) => (text.includes(unsupported) ? errorless(text) : text))
        const others = compared(first).map((text, i) => (second[i]?.includes(unsupported) ? errorless(text) : text))
        expect(own).toEqual(others)
      }),
      120,
    )
  })

  test('tell keyspace events of their own databases', async () => {
    const [here, there] = await pair()
    for (const server of [plain, other]) await server.client().config('SET', 'notify-keyspace-events', 'KEA')
    const talk = [
      ['hello', '3'],
      ['subscribe', '__keyspace@1__:k', '__keyevent@2__:set', '__keyevent@0__:set', 'news'],
      ['psubscribe', '__keyspace@*__:*', '__keyevent@1__:*', '__keyspace@3__:a*', 'n*', '__keyspace@0__:*'],
      ['unsubscribe', '__keyevent@2__:set'],
      ['ping'],
    ]
    const writes = [
      ...[0, 1, 2, 3].flatMap((db) => [
        ['select', String(db)],
        ['set', 'k', '1'],
        ['set', 'abc', '1'],
        ['del', 'k'],
      ]),
      ...[['publish', 'news', 'word'], ['ping']],
    ]
    const frames = (commands: string[][]): Buffer => Buffer.concat(commands.map((words) => encodeCommand(words)))
    for (const wire of [here, there]) await wire.ask(frames(talk), 2)
    const [first, second] = await pair()
    for (const wire of [first, second]) await wire.ask(frames(writes), writes.length)
    await until(() => here.pushes.length === there.pushes.length && here.pushes.some((push) => push.includes('n*')), {
      what: 'the messages',
    })
    // One name of the server may stand for several: how many they are is not told.
    const told = (wire: RawWire): string[] => wire.pushes.map((push) => push.replace(/:\d+\r\n$/, '')).sort()
    expect(told(there)).toEqual(told(here))
    expect(here.pushes.filter((push) => push.includes('message')).length).toBeGreaterThan(20)
  })

  test('tell tracking clients of their keys', async () => {
    const [here, there] = await pair()
    const begin = [
      ['hello', '3'],
      ['client', 'tracking', 'on'],
      ['select', '1'],
      ['get', 'k'],
      ['mget', 'a', 'b'],
    ]
    const bytes = (commands: string[][]): Buffer => Buffer.concat(commands.map((words) => encodeCommand(words)))
    for (const wire of [here, there]) await wire.ask(bytes(begin), begin.length)
    const [first, second] = await pair()
    const writes = [
      ['select', '1'],
      ['set', 'k', '1'],
      ['set', 'b', '2'],
    ]
    for (const wire of [first, second]) await wire.ask(bytes(writes), writes.length)
    for (const wire of [here, there]) await until(() => wire.pushes.length === 2, { what: 'two invalidations' })
    expect(there.pushes).toEqual(here.pushes)
    const broadcast = [
      ['hello', '3'],
      ['client', 'tracking', 'on', 'bcast', 'prefix', 'user:', 'prefix', 'k'],
      ['select', '2'],
    ]
    const [third, fourth] = await pair()
    for (const wire of [third, fourth]) await wire.ask(bytes(broadcast), broadcast.length)
    const more = [
      ['select', '2'],
      ['set', 'k2', '1'],
      ['set', 'other', '1'],
      ['set', 'user:1', '1'],
    ]
    for (const wire of [first, second]) for (const words of more) await wire.ask(encodeCommand(words), 1)
    for (const wire of [third, fourth]) await until(() => wire.pushes.join('').includes('user:1'), { what: 'what was asked for' })
    expect(fourth.pushes.join('')).toEqual(third.pushes.join(''))
  })
})
