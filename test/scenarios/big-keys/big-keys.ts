/** Keys of the sizes that stop servers, copied while they are written to: what it costs the two servers, their clients and Ferry. */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeCommands, RawConnection, type Reply } from '../../../src/demo/raw-connection.ts'
import { Ferry } from '../../support/ferry.ts'
import { startCluster } from '../../support/redis-cluster.ts'
import { startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { compareLong } from './compare-long.ts'
import { type Writer, writersTo } from './writers.ts'

export interface BigKeysOptions {
  /** 1: a hash of 5 million fields, a list of 1 GB, a string of 400 MB, a stream with 100,000 pending entries, half a million members elsewhere. */
  readonly scale: number
  readonly engines: { readonly source?: string; readonly target?: string }
  /** Whether the target is a cluster. */
  readonly clustered: boolean
  /** Of `hash`, `list`, `string`, `stream`, `set`, `zset`. */
  readonly only: readonly string[]
  /** Whether every key is written to all the time. */
  readonly writes: boolean
  readonly longValueBytes: number
  readonly limitMs: number
}

export interface Slowest {
  readonly command: string
  readonly ms: number
}

export interface BigKeysReport {
  readonly copySeconds: number
  /** The slowest commands of each name that SLOWLOG has of the copy, slowest first. */
  readonly slow: { readonly source: readonly Slowest[]; readonly target: readonly Slowest[] }
  /** The longest that a PING to each server took. */
  readonly pingMs: { readonly source: number; readonly target: number }
  readonly idleBytes: number
  readonly mostBytes: number
  readonly writes: readonly {
    readonly key: string
    readonly count: number
    readonly slowestMs: number
    readonly errors: readonly string[]
  }[]
  readonly differences: readonly string[]
  /** How often the source was asked for a whole value. */
  readonly dumps: number
}

const fillBytes = 1 << 20

async function fillBigKeys(port: number, scale: number, only: readonly string[]): Promise<void> {
  const connection = await RawConnection.open(port)
  const send = (argv: (string | Buffer)[]): Promise<Reply[]> => connection.send(encodeCommands([argv]), 1)
  const many = async (count: number, perCommand: number, head: string[], each: (n: number) => string[]): Promise<void> => {
    for (let n = 0; n < count; n += perCommand) {
      const length = Math.min(perCommand, count - n)
      await send([...head, ...Array.from({ length }, (_, i) => each(n + i)).flat()])
    }
  }
  const value = 'x'.repeat(990)
  const fills: Record<string, () => Promise<void>> = {
    hash: () => many(5_000_000 * scale, 1_000, ['HSET', 'hash'], (n) => [`field:${n}`, `value-of-field:${n}`]),
    set: () => many(500_000 * scale, 1_000, ['SADD', 'set'], (n) => [`member:${n}`]),
    zset: () => many(500_000 * scale, 1_000, ['ZADD', 'zset'], (n) => [`${n / 3}`, `member:${n}`]),
    list: () => many(1_000_000 * scale, 500, ['RPUSH', 'list'], (n) => [`${n}:${value}`]),
    string: async () => {
      const bytes = Buffer.alloc(Math.floor(400e6 * scale))
      for (let at = 0; at < bytes.length; at += fillBytes) bytes.fill(`${at}:`, at, Math.min(bytes.length, at + fillBytes))
      await send(['SET', 'string', bytes])
    },
    stream: async () => {
      const entries = Math.floor(200_000 * scale)
      await send(['XGROUP', 'CREATE', 'stream', 'group', '0', 'MKSTREAM'])
      for (let n = 1; n <= entries; n += 1_000) {
        const some = Array.from({ length: Math.min(1_000, entries - n + 1) }, (_, i) => [
          'XADD',
          'stream',
          `${n + i}-1`,
          'f',
          `${n + i}`,
        ])
        await connection.batch(some)
      }
      for (let left = entries / 2, n = 0; left > 0; left -= 1_000, n++)
        await send(['XREADGROUP', 'GROUP', 'group', `consumer${n % 10}`, 'COUNT', '1000', 'STREAMS', 'stream', '>'])
    },
  }
  for (const name of only) await fills[name]?.()
  connection.close()
}

/** Asks for the time of day of each server, as everybody else who waits for it would. */
class Pings {
  mostMs = 0
  #running = true
  readonly #ended: Promise<void>

  constructor(port: number) {
    this.#ended = this.#run(port)
  }

  async stop(): Promise<number> {
    this.#running = false
    await this.#ended
    return this.mostMs
  }

  async #run(port: number): Promise<void> {
    const connection = await RawConnection.open(port)
    while (this.#running) {
      const startMs = performance.now()
      await connection.command('PING')
      this.mostMs = Math.max(this.mostMs, performance.now() - startMs)
      await sleep(1)
    }
    connection.close()
  }
}

/** One side: a server, or a cluster of three. */
interface Place {
  readonly url: string
  readonly ports: readonly number[]
  stop(): Promise<void>
}

async function placeOf(engine: string | undefined, clustered: boolean): Promise<Place> {
  const options = { args: ['--enable-debug-command', 'yes'], ...(engine !== undefined && { engine }) }
  if (clustered) {
    // The comparison keeps a node busy for seconds, which the others must not take for its end.
    const cluster = await startCluster({ ...options, nodeTimeoutMs: 60_000 })
    return { url: cluster.url, ports: cluster.nodes.map(({ port }) => port), stop: () => cluster.stop() }
  }
  const server = await startRedis(options)
  return { url: server.url, ports: [server.port], stop: () => server.stop() }
}

async function watchSlow(port: number): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.command('CONFIG', 'SET', 'slowlog-log-slower-than', 1_000, 'slowlog-max-len', 10_000)
  await connection.command('SLOWLOG', 'RESET')
  connection.close()
}

async function slowRows(port: number): Promise<Reply[][]> {
  const connection = await RawConnection.open(port)
  const rows = (await connection.command('SLOWLOG', 'GET', 10_000)) as Reply[][]
  connection.close()
  return rows
}

async function slowOf({ ports }: Place): Promise<Slowest[]> {
  const rows = (await Promise.all(ports.map(slowRows))).flat()
  const most = new Map<string, number>()
  for (const [, , us, argv] of rows) {
    const [verb, key] = (argv as Buffer[]).map((word) => word.toString('latin1'))
    const name = `${verb?.toUpperCase()} ${key?.startsWith('ferry:copy') ? 'temporary name' : (key ?? '').slice(0, 20)}`.trim()
    most.set(name, Math.max(most.get(name) ?? 0, Number(us) / 1000))
  }
  return [...most].map(([command, ms]) => ({ command, ms })).sort((a, b) => b.ms - a.ms)
}

async function dumpsOf(port: number): Promise<number> {
  const connection = await RawConnection.open(port)
  const text = String(await connection.command('INFO', 'commandstats'))
  connection.close()
  return Number(/cmdstat_dump:calls=(\d+)/.exec(text)?.[1] ?? 0)
}

export async function copyBigKeys(options: BigKeysOptions, note: (text: string) => void): Promise<BigKeysReport> {
  const { engines } = options
  const [source, target] = await Promise.all([placeOf(engines.source, false), placeOf(engines.target, options.clustered)])
  const [sourcePort] = source.ports as [number]
  let ferry: Ferry | undefined
  const writers: Writer[] = []
  let sampling: NodeJS.Timeout | undefined
  try {
    note('filling')
    await fillBigKeys(sourcePort, options.scale, options.only)
    ferry = await Ferry.start({
      source: source.url,
      target: target.url,
      mover: unthrottled,
      limits: { longValueBytes: options.longValueBytes },
    })
    await sleep(500)
    const idleBytes = ferry.residentBytes
    let mostBytes = idleBytes
    const process = ferry
    sampling = setInterval(() => {
      mostBytes = Math.max(mostBytes, process.residentBytes)
    }, 20)
    if (options.writes) writers.push(...(await writersTo(ferry.port, options.only, options.scale)))
    await sleep(300)
    for (const writer of writers) writer.forget()
    await Promise.all([...source.ports, ...target.ports].map(watchSlow))
    const pings = [source, target].map(({ ports }) => ports.map((port) => new Pings(port)))
    note('copying')
    const startMs = performance.now()
    await ferry.backfill(options.limitMs)
    await ferry.untilStatus('the journal to be empty', ({ journal }) => journal.dirtyKeys === 0, options.limitMs)
    const copySeconds = (performance.now() - startMs) / 1000
    clearInterval(sampling)
    const stopped = pings.map((side) => Promise.all(side.map((ping) => ping.stop())))
    const [sourcePing, targetPing] = (await Promise.all(stopped)).map((ms) => Math.max(...ms)) as [number, number]
    const slow = { source: await slowOf(source), target: await slowOf(target) }
    const writes = await Promise.all(writers.map((writer) => writer.stop()))
    await ferry.untilSettled(options.limitMs)
    note('comparing')
    const dumps = await dumpsOf(sourcePort)
    return {
      copySeconds,
      slow,
      pingMs: { source: sourcePing, target: targetPing },
      idleBytes,
      mostBytes,
      writes,
      differences: await compareLong(source.ports, target.ports),
      dumps,
    }
  } finally {
    clearInterval(sampling)
    await ferry?.dispose()
    await Promise.all([source.stop(), target.stop()])
  }
}
