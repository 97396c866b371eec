/** The data set of the demo: every type, a third with a time to live, a few large. The same number of keys gives the same data. */

import { InFlight } from './in-flight.ts'
import { Random } from './random.ts'
import { type Argument, RawConnection } from './raw-connection.ts'

/** What a key holds; more kinds than Redis has types, since a counter or a HyperLogLog is a string that not every command may touch. */
export const kinds = ['string', 'counter', 'float', 'list', 'set', 'zset', 'hash', 'stream', 'hll', 'bitmap', 'geo'] as const
export type Kind = (typeof kinds)[number]

/** How many of each hundred keys are of a kind. */
const shares: Record<Kind, number> = {
  string: 24,
  counter: 12,
  float: 4,
  list: 12,
  set: 12,
  zset: 12,
  hash: 14,
  stream: 4,
  hll: 2,
  bitmap: 2,
  geo: 2,
}
const kindOfSlot: readonly Kind[] = kinds.flatMap((kind) => Array.from({ length: shares[kind] }, () => kind))
const firstSlotOf = new Map(kinds.map((kind) => [kind, kindOfSlot.indexOf(kind)]))

/** One large key of each kind that can be large in so many keys. */
const largeEveryHundreds = 250
const batchKeys = 1000
const batchesInFlight = 4

export const datasetGroup = 'workers'

export interface DatasetKey {
  readonly name: string
  readonly kind: Kind
  /** short: runs out while the demo runs; long: hours to weeks. */
  readonly ttl: 'none' | 'short' | 'long'
  readonly large: boolean
}

export function datasetKey(index: number): DatasetKey {
  const slot = index % kindOfSlot.length
  const kind = kindOfSlot[slot] as Kind
  const large = slot === firstSlotOf.get(kind) && Math.floor(index / kindOfSlot.length) % largeEveryHundreds === 0
  const ttl = index % 3 === 1 ? (index % 30 === 1 && !large ? 'short' : 'long') : 'none'
  return { name: `demo:${kind}:${index}`, kind, ttl, large }
}

/** The index of a key of `kind`: the `rank`-th hundred's, `offset` (below the kind's share) within it. */
export function datasetIndex(kind: Kind, rank: number, offset: number): number {
  return rank * kindOfSlot.length + (firstSlotOf.get(kind) as number) + (offset % shares[kind])
}

/** The commands that make one key. `nowMs` is what the times to live count from. */
export function commandsFor(index: number, nowMs: number): Argument[][] {
  const key = datasetKey(index)
  const random = new Random(Math.imul(index + 1, 2654435761))
  const commands = makers[key.kind](key.name, random, key.large)
  if (key.ttl === 'short') commands.push(['PEXPIREAT', key.name, nowMs + random.between(5_000, 75_000)])
  if (key.ttl === 'long') commands.push(['PEXPIREAT', key.name, nowMs + random.between(3_600_000, 30 * 86_400_000)])
  return commands
}

type Maker = (name: string, random: Random, large: boolean) => Argument[][]

const times = <Item>(count: number, make: (position: number) => Item): Item[] =>
  Array.from({ length: count }, (_, position) => make(position))

const makers: Record<Kind, Maker> = {
  string: (name, random, large) => [['SET', name, large ? random.word(1024).repeat(1024) : random.word(random.between(8, 200))]],
  counter: (name, random) => [['SET', name, random.below(1_000_000)]],
  float: (name, random) => [['SET', name, random.below(1_000_000) / 8]],
  list: (name, random, large) => [
    ['RPUSH', name, ...times(large ? 10_000 : random.between(1, 12), (n) => `${n}-${random.word(6)}`)],
  ],
  set: (name, random, large) => [
    ['SADD', name, ...times(large ? 10_000 : random.between(1, 12), (n) => (random.chance(0.5) ? n : random.word(8)))],
  ],
  zset: (name, random, large) => [
    ['ZADD', name, ...times(large ? 10_000 : random.between(1, 12), (n) => [random.below(1_000_000) / 16, `m${n}`]).flat()],
  ],
  hash: (name, random, large) => [
    [
      'HSET',
      name,
      'n',
      0,
      'f',
      0.5,
      ...times(large ? 20_000 : random.between(1, 10), (n) => [`field${n}`, random.word(12)]).flat(),
    ],
  ],
  stream: (name, random, large) => {
    const entries = large ? 5_000 : random.between(2, 6)
    const commands: Argument[][] = times(entries, (n) => [
      'XADD',
      name,
      `${1_600_000_000_000 + n}-1`,
      'at',
      n,
      'what',
      random.word(10),
    ])
    commands.push(['XGROUP', 'CREATE', name, datasetGroup, '0'])
    commands.push(['XREADGROUP', 'GROUP', datasetGroup, 'first', 'COUNT', Math.ceil(entries / 2), 'STREAMS', name, '>'])
    commands.push(['XACK', name, datasetGroup, '1600000000000-1'])
    if (random.chance(0.3)) commands.push(['XDEL', name, '1600000000001-1'])
    return commands
  },
  hll: (name, random) => [['PFADD', name, ...times(random.between(5, 60), () => random.word(8))]],
  bitmap: (name, random) => times(random.between(1, 6), () => ['SETBIT', name, random.below(4096), 1]),
  geo: (name, random) => [
    [
      'GEOADD',
      name,
      ...times(random.between(1, 10), (n) => [
        random.below(360_000) / 1000 - 180,
        random.below(170_000) / 1000 - 85,
        `p${n}`,
      ]).flat(),
    ],
  ],
}

/** Loads `keys` keys straight into a server, a few batches in flight; throws on the first error reply. */
export async function fillDataset(port: number, keys: number, progress: (done: number) => void): Promise<void> {
  const connection = await RawConnection.open(port)
  const inFlight = new InFlight<void>(batchesInFlight, () => {})
  const nowMs = Date.now()
  try {
    for (let start = 0; start < keys; start += batchKeys) {
      const end = Math.min(start + batchKeys, keys)
      const commands: Argument[][] = []
      for (let index = start; index < end; index++) commands.push(...commandsFor(index, nowMs))
      await inFlight.add(sendBatch(connection, commands))
      progress(end)
    }
    await inFlight.drain()
  } finally {
    connection.close()
  }
}

async function sendBatch(connection: RawConnection, commands: Argument[][]): Promise<void> {
  const replies = await connection.batch(commands)
  const failed = replies.findIndex((reply) => reply instanceof Error)
  if (failed >= 0) throw new Error(`filling failed on ${commands[failed]?.slice(0, 2).join(' ')}: ${replies[failed]}`)
}
