/** `ferry copy`: the mover alone, from source to target, with nothing else in between. */
import { setTimeout as delay } from 'node:timers/promises'
import { FerryError } from '../errors.ts'
import { slotCount } from '../routing/slot.ts'
import { parseEndpoint } from '../upstream/endpoint.ts'
import type { ProgressSnapshot } from './progress.ts'
import { progressLine, type StandAlone, standAlone, untilSignal } from './stand-alone.ts'

interface Options {
  readonly source: string
  readonly target: string
  readonly json: boolean
  /** 0 = unlimited. */
  readonly keysPerSecondMax: number
  readonly sweep: boolean
  readonly state: string | null
}

const drawMs = 200
const barWidth = 30

/** Resolves to the exit status: 0 all copied, 1 some keys could not be. Throws FerryError. */
export async function runCopy(options: Options): Promise<number> {
  const endpoints = { source: parseEndpoint(options.source), target: parseEndpoint(options.target) }
  const alone = await standAlone(endpoints, options.state)
  const signal = untilSignal()
  const drawing = options.json ? null : setInterval(() => progressLine(lineOf(alone.job.snapshot())), drawMs)
  try {
    alone.job.setLimits({ keysPerSecondMax: options.keysPerSecondMax })
    signal.addEventListener('abort', () => alone.job.stop(options.state !== null))
    const startedMs = performance.now()
    const through = await alone.job.start({ from: 0, below: slotCount }, options.sweep)
    if (signal.aborted) throw new FerryError('interrupted', resumeHint(options.state))
    if (!through) throw new FerryError('interrupted', alone.job.snapshot().lastError ?? 'the copy stopped')
    await alone.settled(signal)
    // The rate of a run that took no time is of no use to anybody.
    await delay(1)
    return report(options, alone, (performance.now() - startedMs) / 1000)
  } finally {
    if (drawing !== null) clearInterval(drawing)
    progressLine('')
    await alone.stop()
  }
}

const resumeHint = (state: string | null): string =>
  state === null ? 'stopped; give --state to be able to go on later' : `stopped; the same command with --state ${state} goes on`

function report({ json }: Options, { job, core, store }: StandAlone, seconds: number): number {
  const { keysScanned, keysDeleted, bytesCopied } = job.snapshot()
  const failed = store.countFailed()
  const keysCopied = job.snapshot().keysCopied + core.counters.journal.heals
  const result = {
    keysScanned,
    keysCopied,
    keysDeleted,
    keysFailed: failed,
    bytesCopied,
    seconds,
    keysPerSecond: Math.round(keysScanned / seconds),
  }
  process.stdout.write(
    json
      ? `${JSON.stringify(result)}\n`
      : `copied ${keysCopied} of ${keysScanned} keys, ${bytesCopied} bytes in ${seconds.toFixed(1)} s (${result.keysPerSecond} keys/s), ${failed} failed\n`,
  )
  return failed === 0 ? 0 : 1
}

function lineOf(progress: ProgressSnapshot): string {
  const share = progress.keysTotal === 0 ? 0 : Math.min(1, progress.keysScanned / progress.keysTotal)
  const filled = Math.round(share * barWidth)
  const eta = progress.etaSeconds === null ? '' : `, ${Math.ceil(progress.etaSeconds)} s left`
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  return `${progress.pass ?? ''} ${bar} ${(share * 100).toFixed(0)} %  ${progress.keysScanned}/${progress.keysTotal} keys, ${Math.round(progress.keysPerSecond)}/s${eta}`
}
