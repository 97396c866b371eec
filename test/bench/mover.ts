/** The mover alone: how fast it copies small keys and large values, and what that costs Ferry's process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ControlClient } from '../../src/demo/control-client.ts'
import { InFlight } from '../../src/demo/in-flight.ts'
import { encodeCommands, RawConnection } from '../../src/demo/raw-connection.ts'
import type { RedisServer, Servers } from '../../src/demo/servers.ts'
import { cpuMicroseconds } from './process-usage.ts'
import { flush, median } from './proxies.ts'

const pollMs = 10
const copyLimitMs = 180_000
const fillBatchBytes = 4 << 20
const fillBatchesInFlight = 4

export interface MoverCase {
  readonly keys: number
  readonly valueBytes: number
}

export interface MoverResult extends MoverCase {
  /** From the request to the state "done": copying and sweeping. */
  readonly seconds: number
  readonly keysPerSecond: number
  readonly megabytesPerSecond: number
  readonly cpuSeconds: number
}

export async function measureMover(
  servers: Servers,
  pair: { source: RedisServer; target: RedisServer },
  each: MoverCase,
  rounds: number,
  progress: (text: string) => void,
): Promise<MoverResult> {
  const name = `${each.keys} keys of ${each.valueBytes} bytes`
  progress(`mover: filling ${name}`)
  await flush(pair.source.port)
  await fill(pair.source.port, each)
  const runs: { seconds: number; cpuSeconds: number }[] = []
  for (let round = 1; round <= rounds; round++) {
    progress(`mover: ${name}, round ${round} of ${rounds}`)
    await flush(pair.target.port)
    runs.push(await copyOnce(servers, pair, each.keys))
  }
  for (const { port } of [pair.source, pair.target]) await flush(port)
  const seconds = median(runs.map((run) => run.seconds))
  return {
    ...each,
    seconds,
    keysPerSecond: each.keys / seconds,
    megabytesPerSecond: (each.keys * each.valueBytes) / seconds / 1e6,
    cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
  }
}

async function copyOnce(servers: Servers, { source, target }: { source: RedisServer; target: RedisServer }, keys: number) {
  const ferry = await servers.startFerry(source, target, 'mirror')
  const control = new ControlClient(ferry.controlUrl)
  const cpuBefore = cpuMicroseconds(ferry.pid)
  const startMs = performance.now()
  await control.post('/v1/mover/start')
  for (;;) {
    const { mover } = await control.status()
    if (mover.state === 'done') break
    if (mover.state === 'failed') throw new Error(`the mover failed: ${mover.lastError}`)
    if (performance.now() - startMs > copyLimitMs) throw new Error(`the mover took longer than ${copyLimitMs / 1000} s`)
    await sleep(pollMs)
  }
  const seconds = (performance.now() - startMs) / 1000
  const cpuSeconds = (cpuMicroseconds(ferry.pid) - cpuBefore) / 1e6
  await servers.stopOne(ferry.pid)
  const copied = await size(target.port)
  if (copied !== keys) throw new Error(`the target has ${copied} keys of ${keys}`)
  return { seconds, cpuSeconds }
}

async function size(port: number): Promise<number> {
  const connection = await RawConnection.open(port)
  return Number(await connection.command('DBSIZE').finally(() => connection.close()))
}

export async function fill(port: number, { keys, valueBytes }: MoverCase): Promise<void> {
  const connection = await RawConnection.open(port)
  const batchKeys = Math.max(1, Math.min(10_000, Math.floor(fillBatchBytes / valueBytes)))
  const filler = 'v'.repeat(valueBytes)
  const inFlight = new InFlight<unknown>(fillBatchesInFlight, () => {})
  for (let start = 0; start < keys; start += batchKeys) {
    const count = Math.min(batchKeys, keys - start)
    const commands = Array.from({ length: count }, (_, offset) => [
      'SET',
      `key:${start + offset}`,
      `${start + offset}${filler}`.slice(0, valueBytes),
    ])
    await inFlight.add(connection.send(encodeCommands(commands), count))
  }
  await inFlight.drain()
  connection.close()
}
