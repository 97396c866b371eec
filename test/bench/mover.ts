/** The mover alone: how fast it copies small keys and large values, and what that costs Ferry's process. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ControlClient } from '../../src/demo/control-client.ts'
import { InFlight } from '../../src/demo/in-flight.ts'
import { encodeCommands, RawConnection } from '../../src/demo/raw-connection.ts'
import type { RedisServer, Servers } from '../../src/demo/servers.ts'
import { throttleLimitNames } from '../../src/throttle-limits.ts'
import { cpuMicroseconds } from './process-usage.ts'
import { flush, median } from './proxies.ts'

const pollMs = 10
const copyLimitMs = 180_000
const fillBatchBytes = 4 << 20
const fillBatchesInFlight = 4
/** More than are tried where payloads are refused. */
const restoresLeast = 100

export interface MoverCase {
  readonly keys: number
  readonly valueBytes: number
}

/** Strings go by GET and SET wherever nearly all keys are some; `each restored`: hashes of one field, which all go by DUMP and RESTORE. */
type Way = 'payloads taken' | 'payloads refused' | 'each restored'

export interface MoverResult extends MoverCase {
  readonly way: Way
  /** From the request to the state "done": copying and sweeping. */
  readonly seconds: number
  readonly keysPerSecond: number
  readonly megabytesPerSecond: number
  readonly cpuSeconds: number
  /** How long `redis-cli --pipe` takes to load the same data into the same target; null where that was not asked for. */
  readonly pipeSeconds: number | null
}

interface Pair {
  readonly source: RedisServer
  readonly target: RedisServer
}

const small = { keys: 1_000_000, valueBytes: 64 }
const large = { keys: 10_000, valueBytes: 100_000 }
/** Servers whose payloads the one on PATH may not take, so that its keys have to be copied by their types. */
const otherEngines = ['valkey-8.0', 'redis-8.0', 'valkey-9.1']
const enginesDirectory = process.env.FERRY_ENGINES || join(homedir(), '.cache', 'redis-engines')

/** All cases. `scale`: that many times fewer keys. */
export async function measureMovers(
  servers: Servers,
  pair: Pair,
  scale: number,
  rounds: number,
  progress: (text: string) => void,
): Promise<MoverResult[]> {
  const scaled = ({ keys, valueBytes }: MoverCase): MoverCase => ({ keys: keys / scale, valueBytes })
  const results = [
    await measureMover(servers, pair, scaled(small), 'payloads taken', rounds, progress),
    await measureMover(servers, pair, scaled(small), 'each restored', rounds, progress),
    await measureMover(servers, pair, scaled(large), 'payloads taken', rounds, progress),
  ]
  const engine = otherEngines.find((name) => existsSync(join(enginesDirectory, name)))
  if (engine === undefined) {
    progress(
      `mover: nothing is copied by type, since none of ${otherEngines.join(', ')} is in ${enginesDirectory} (FERRY_ENGINES)`,
    )
    return results
  }
  const source = await servers.startRedis(engine, join(enginesDirectory, engine, 'bin', 'server'))
  for (const each of [small, large])
    results.push(await measureMover(servers, { ...pair, source }, scaled(each), 'payloads refused', rounds, progress))
  await servers.stopOne(source.pid)
  return results
}

async function measureMover(
  servers: Servers,
  pair: Pair,
  each: MoverCase,
  way: Way,
  rounds: number,
  progress: (text: string) => void,
): Promise<MoverResult> {
  const name = `${each.keys} keys of ${each.valueBytes} bytes ${way}`
  progress(`mover: filling ${name}`)
  await flush(pair.source.port)
  await fill(pair.source.port, each, way === 'each restored' ? hashOf : stringOf)
  const runs: { seconds: number; cpuSeconds: number }[] = []
  const pipes: number[] = []
  for (let round = 1; round <= rounds; round++) {
    progress(`mover: ${name}, round ${round} of ${rounds}`)
    await flush(pair.target.port)
    runs.push(await copyOnce(servers, pair, each, way))
    if (each.valueBytes !== large.valueBytes) continue
    await flush(pair.target.port)
    pipes.push(await pipeOnce(servers, pair.target.port, each))
  }
  for (const { port } of [pair.source, pair.target]) await flush(port)
  const seconds = median(runs.map((run) => run.seconds))
  return {
    ...each,
    way,
    seconds,
    keysPerSecond: each.keys / seconds,
    megabytesPerSecond: (each.keys * each.valueBytes) / seconds / 1e6,
    cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
    pipeSeconds: pipes.length === 0 ? null : median(pipes),
  }
}

async function copyOnce(servers: Servers, { source, target }: Pair, { keys, valueBytes }: MoverCase, way: Way) {
  await forgetCalls(target.port)
  const ferry = await servers.startFerry(source, target, 'mirror')
  const control = new ControlClient(ferry.controlUrl)
  // There is no traffic to be heeded, and other work on this machine is not what is measured.
  await liftLimits(ferry.controlUrl)
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
  // Long strings go by their type from the second one on.
  if (valueBytes === small.valueBytes) await mustHaveGone(target.port, way, keys)
  return { seconds, cpuSeconds }
}

async function forgetCalls(port: number): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.command('CONFIG', 'RESETSTAT').finally(() => connection.close())
}

/** A way that was not taken was not measured. */
async function mustHaveGone(port: number, way: Way, keys: number): Promise<void> {
  const connection = await RawConnection.open(port)
  const stats = String(await connection.command('INFO', 'commandstats'))
  connection.close()
  const calls = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  // Short strings go by their type either way, once it is known that nearly all are strings: by then some hundred were restored.
  const areTaken = calls('restore') > restoresLeast
  const isWay = way === 'each restored' ? calls('restore') >= keys : areTaken === (way === 'payloads taken')
  if (!isWay) throw new Error(`the keys did not go as they go with ${way}`)
}

export async function liftLimits(controlUrl: string): Promise<void> {
  const answer = await fetch(`${controlUrl}/v1/mover`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(throttleLimitNames.map((name) => [name, 0]))),
  })
  if (!answer.ok) throw new Error(`the limits could not be lifted: ${await answer.text()}`)
}

/** The same commands as `fill` sends, from a file. */
async function pipeOnce(servers: Servers, port: number, each: MoverCase): Promise<number> {
  const path = join(servers.directory, 'pipe')
  const file = openSync(path, 'w+')
  for (const { bytes } of batches(each, stringOf)) writeSync(file, bytes)
  closeSync(file)
  const input = openSync(path, 'r')
  const startMs = performance.now()
  const child = spawn('redis-cli', ['-p', String(port), '--pipe'], { stdio: [input, 'ignore', 'ignore'] })
  const [status] = (await once(child, 'close')) as [number | null]
  const seconds = (performance.now() - startMs) / 1000
  closeSync(input)
  rmSync(path)
  if (status !== 0 || (await size(port)) !== each.keys) throw new Error(`redis-cli --pipe ended with ${status}`)
  return seconds
}

async function size(port: number): Promise<number> {
  const connection = await RawConnection.open(port)
  return Number(await connection.command('DBSIZE').finally(() => connection.close()))
}

type Command = (string | Buffer)[]
const stringOf = (key: string, value: Buffer): Command => ['SET', key, value]
const hashOf = (key: string, value: Buffer): Command => ['HSET', key, 'f', value]

export async function fill(port: number, each: MoverCase, command = stringOf): Promise<void> {
  const connection = await RawConnection.open(port)
  const inFlight = new InFlight<unknown>(fillBatchesInFlight, () => {})
  for (const { bytes, count } of batches(each, command)) await inFlight.add(connection.send(bytes, count))
  await inFlight.drain()
  connection.close()
}

/** The same for every server that is filled, so that two of them are equal. */
const noise = randomBytes(128 << 10)

/** Values that no server can compress, each another one. */
function* batches({ keys, valueBytes }: MoverCase, command: typeof stringOf): Generator<{ bytes: Buffer; count: number }> {
  const batchKeys = Math.max(1, Math.min(10_000, Math.floor(fillBatchBytes / valueBytes)))
  for (let start = 0; start < keys; start += batchKeys) {
    const count = Math.min(batchKeys, keys - start)
    const commands = Array.from({ length: count }, (_, offset) => {
      const value = Buffer.from(noise.subarray(0, valueBytes))
      value.write(String(start + offset))
      return command(`key:${start + offset}`, value)
    })
    yield { bytes: encodeCommands(commands), count }
  }
}
