/** The comparison alone: how fast two equal servers are verified, and which of the three processes that costs. */

import type { RedisServer } from '../../src/demo/servers.ts'
import { Verification } from '../../src/mover/verify.ts'
import { connectClient } from '../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../src/upstream/endpoint.ts'
import { fill, type MoverCase } from './mover.ts'
import { cpuMicroseconds } from './process-usage.ts'
import { flush, median } from './proxies.ts'

export interface VerifyResult extends MoverCase {
  readonly seconds: number
  readonly keysPerSecond: number
  readonly megabytesPerSecond: number
  /** What the servers spend bounds the speed; this process spends its share on comparing, both sides and both directions. */
  readonly sourceCpuSeconds: number
  readonly targetCpuSeconds: number
  readonly cpuSeconds: number
}

const noWaits = { ttlToleranceMs: 1_000, rounds: 1, settleMs: 0 }

export async function measureVerify(
  pair: { source: RedisServer; target: RedisServer },
  each: MoverCase,
  rounds: number,
  progress: (text: string) => void,
): Promise<VerifyResult> {
  const name = `${each.keys} keys of ${each.valueBytes} bytes`
  progress(`verify: filling ${name}`)
  for (const { port } of [pair.source, pair.target]) {
    await flush(port)
    await fill(port, each)
  }
  const runs: Awaited<ReturnType<typeof verifyOnce>>[] = []
  for (let round = 1; round <= rounds; round++) {
    progress(`verify: ${name}, round ${round} of ${rounds}`)
    runs.push(await verifyOnce(pair, each.keys))
  }
  for (const { port } of [pair.source, pair.target]) await flush(port)
  const seconds = median(runs.map((run) => run.seconds))
  return {
    ...each,
    seconds,
    keysPerSecond: each.keys / seconds,
    megabytesPerSecond: (each.keys * each.valueBytes) / seconds / 1e6,
    sourceCpuSeconds: median(runs.map((run) => run.sourceCpuSeconds)),
    targetCpuSeconds: median(runs.map((run) => run.targetCpuSeconds)),
    cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
  }
}

async function verifyOnce({ source, target }: { source: RedisServer; target: RedisServer }, keys: number) {
  const pids = [source.pid, target.pid, process.pid]
  const clients = await Promise.all(
    [source, target].map(({ port }) => connectClient(parseEndpoint(`redis://127.0.0.1:${port}`), 'bench')),
  )
  const [left, right] = clients as [(typeof clients)[number], (typeof clients)[number]]
  const before = pids.map(cpuMicroseconds)
  const startMs = performance.now()
  const report = await new Verification({ source: left, target: right, options: noWaits }).run()
  const seconds = (performance.now() - startMs) / 1000
  const [sourceCpuSeconds, targetCpuSeconds, cpuSeconds] = pids.map(
    (pid, index) => (cpuMicroseconds(pid) - (before[index] as number)) / 1e6,
  ) as [number, number, number]
  for (const client of clients) client.disconnect()
  const { keysCompared, differences, missing, extra } = report
  if (keysCompared !== keys || differences + missing + extra > 0)
    throw new Error(`compared ${keysCompared} keys of ${keys}, or found differences`)
  return { seconds, sourceCpuSeconds, targetCpuSeconds, cpuSeconds }
}
