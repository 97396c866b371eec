/** What live traffic feels of a backfill: clients' p99 without one, beside one that heeds them, and beside one that does not. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { ControlClient } from '../../src/demo/control-client.ts'
import { RawConnection } from '../../src/demo/raw-connection.ts'
import type { RedisServer, Servers } from '../../src/demo/servers.ts'
import { fill, liftLimits, type MoverCase } from './mover.ts'
import { flush, median } from './proxies.ts'

const ways = ['no backfill', 'throttle on', 'throttle off'] as const
type Way = (typeof ways)[number]

export interface BackfillResult {
  readonly way: Way
  readonly commandsPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** Null without a backfill. */
  readonly moverKeysPerSecond: number | null
}

/** A moderate load: half reads, half writes of keys that are being copied. */
const clients = 8
const commandsPerSecond = 2_000
const valueBytes = 64
/** So that everything is compiled, and it is known what clients feel without a backfill. */
const warmUpMs = 4_000

/** All ways in turn, and that `rounds` times; then the median of each number. */
export async function measureBackfill(
  servers: Servers,
  pair: { source: RedisServer; target: RedisServer },
  { keys, seconds, rounds }: { keys: number; seconds: number; rounds: number },
  progress: (text: string) => void,
): Promise<BackfillResult[]> {
  progress(`backfill: filling ${keys} keys`)
  await flush(pair.source.port)
  const data: MoverCase = { keys, valueBytes }
  await fill(pair.source.port, data)
  const results: BackfillResult[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const way of ways) {
      progress(`backfill: ${way}, round ${round} of ${rounds}`)
      await flush(pair.target.port)
      results.push(await measureWay(servers, pair, way, keys, seconds))
    }
  }
  for (const { port } of [pair.source, pair.target]) await flush(port)
  return ways.map((way) => medianOf(way, results))
}

async function measureWay(
  servers: Servers,
  { source, target }: { source: RedisServer; target: RedisServer },
  way: Way,
  keys: number,
  seconds: number,
): Promise<BackfillResult> {
  const ferry = await servers.startFerry(source, target, 'mirror')
  const control = new ControlClient(ferry.controlUrl)
  const load = await Load.connect(ferry.port, keys)
  load.start()
  await sleep(warmUpMs)
  if (way === 'throttle off') await liftLimits(ferry.controlUrl)
  if (way !== 'no backfill') await control.post('/v1/mover/start')
  load.latencyUs.reset()
  const startMs = performance.now()
  await untilThrough(control, way, startMs + seconds * 1000)
  const elapsed = (performance.now() - startMs) / 1000
  const { count } = load.latencyUs
  const [p50Us, p99Us] = [load.latencyUs.percentile(50), load.latencyUs.percentile(99)]
  const { mover } = await control.status()
  await load.stop()
  await servers.stopOne(ferry.pid)
  return {
    way,
    commandsPerSecond: count / elapsed,
    p50Us,
    p99Us,
    moverKeysPerSecond: way === 'no backfill' ? null : mover.keysScanned / elapsed,
  }
}

/** Until the time is over or there is nothing left to copy. */
async function untilThrough(control: ControlClient, way: Way, endMs: number): Promise<void> {
  for (;;) {
    const leftMs = endMs - performance.now()
    if (leftMs <= 0) return
    await sleep(Math.min(leftMs, 100))
    if (way !== 'no backfill' && (await control.status()).mover.state !== 'running') return
  }
}

function medianOf(way: Way, results: readonly BackfillResult[]): BackfillResult {
  const own = results.filter((result) => result.way === way)
  return {
    way,
    commandsPerSecond: median(own.map((result) => result.commandsPerSecond)),
    p50Us: median(own.map((result) => result.p50Us)),
    p99Us: median(own.map((result) => result.p99Us)),
    moverKeysPerSecond: way === 'no backfill' ? null : median(own.map((result) => result.moverKeysPerSecond ?? 0)),
  }
}

/** Clients that each send a command, wait for the reply and rest, so that together they keep a rate. */
class Load {
  readonly latencyUs: RecordableHistogram = createHistogram()
  readonly #connections: readonly RawConnection[]
  readonly #keys: number
  #running = false
  #loops: Promise<void>[] = []

  static async connect(port: number, keys: number): Promise<Load> {
    return new Load(await Promise.all(Array.from({ length: clients }, () => RawConnection.open(port))), keys)
  }

  private constructor(connections: readonly RawConnection[], keys: number) {
    this.#connections = connections
    this.#keys = keys
  }

  start(): void {
    this.#running = true
    this.#loops = this.#connections.map((connection, index) => this.#work(connection, index))
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#loops)
    for (const connection of this.#connections) connection.close()
  }

  async #work(connection: RawConnection, index: number): Promise<void> {
    const everyMs = (1000 * clients) / commandsPerSecond
    const value = 'w'.repeat(valueBytes)
    let dueMs = performance.now() + (index * everyMs) / clients
    for (let turn = 0; this.#running; turn++) {
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await sleep(waitMs)
      const key = `key:${Math.floor(Math.random() * this.#keys)}`
      const sentMs = performance.now()
      await (turn % 2 === 0 ? connection.command('GET', key) : connection.command('SET', key, value))
      const nowMs = performance.now()
      this.latencyUs.record(Math.max(1, Math.round((nowMs - sentMs) * 1000)))
      // Who falls behind does not catch up: a rush is no moderate load.
      dueMs = Math.max(dueMs + everyMs, nowMs)
    }
  }
}
