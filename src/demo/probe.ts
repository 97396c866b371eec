/**
 * What Ferry adds to a command's time: one closed loop, in a thread of its own so that the load's work does not count as latency,
 * takes turns between the source itself and Ferry while the load runs. Through Ferry it reads and writes in turn; on the source
 * it only reads, since a write past Ferry is exactly what a migration must not have. So what a write costs the server itself more
 * than a read counts as Ferry's.
 */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Argument, RawConnection } from './raw-connection.ts'

const probeKey = 'probe:latency'
const probeValue = 'x'.repeat(64)
const pauseMs = 1

export interface ProbeReport {
  readonly commands: number
  /** Error replies and lost connections seen through Ferry. */
  readonly errors: readonly string[]
  readonly addedP50Us: number
  readonly addedP99Us: number
}

interface ProbePorts {
  readonly ferryDemoProbe: true
  readonly sourcePort: number
  readonly ferryPort: number
}

export class Probe {
  readonly #worker: Worker
  readonly #report: Promise<ProbeReport>

  constructor(sourcePort: number, ferryPort: number) {
    const ports: ProbePorts = { ferryDemoProbe: true, sourcePort, ferryPort }
    this.#worker = new Worker(fileURLToPath(import.meta.url), { workerData: ports })
    this.#report = new Promise((resolve, reject) => this.#worker.once('message', resolve).once('error', reject))
    this.#report.catch(() => {}) // seen by whoever calls stop()
  }

  stop(): Promise<ProbeReport> {
    this.#worker.postMessage('stop')
    return this.#report
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }
}

async function measure({ sourcePort, ferryPort }: ProbePorts, stopped: () => boolean): Promise<ProbeReport> {
  const direct = createHistogram()
  const through = createHistogram()
  const errors: string[] = []
  const source = await RawConnection.open(sourcePort)
  const ferry = await RawConnection.open(ferryPort)
  await ferry.command('SET', probeKey, probeValue)
  const read: Argument[] = ['GET', probeKey]
  const write: Argument[] = ['SET', probeKey, probeValue]
  let commands = 1
  while (!stopped()) {
    const directStart = process.hrtime.bigint()
    await source.batch([read])
    direct.record(process.hrtime.bigint() - directStart)
    const argv = commands++ % 2 === 0 ? read : write
    const throughStart = process.hrtime.bigint()
    const [reply] = await ferry.batch([argv]).catch((error: Error) => [error])
    through.record(process.hrtime.bigint() - throughStart)
    const good = argv === read ? probeValue : 'OK'
    if (String(reply) !== good) errors.push(`probe: ${argv[0]} answered ${reply}`)
    if (errors.length > 100) break
    await sleep(pauseMs)
  }
  source.close()
  ferry.close()
  const added = (percentile: number) => Math.round((through.percentile(percentile) - direct.percentile(percentile)) / 1000)
  return { commands, errors, addedP50Us: added(50), addedP99Us: added(99) }
}

if (!isMainThread && (workerData as ProbePorts | null)?.ferryDemoProbe) {
  let stopped = false
  parentPort?.once('message', () => {
    stopped = true
  })
  const report = await measure(workerData as ProbePorts, () => stopped)
  parentPort?.postMessage(report)
  parentPort?.close()
}
