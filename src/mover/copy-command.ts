/** `ferry copy`: the mover alone, from source to target, with nothing else in between. */
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { LedgerCounts } from '../dispatch/scan-ledger.ts'
import { FerryError } from '../errors.ts'
import type { FerryEvent } from '../observe/events.ts'
import { type FailureClass, failurePolicies } from '../routing/copy-failure.ts'
import { slotCount } from '../routing/slot.ts'
import type { Store } from '../state/store.ts'
import { parseEndpoint } from '../upstream/endpoint.ts'
import { documentOf } from './failed-key.ts'
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
  /** NDJSON of what could not be copied. */
  readonly errors: string | null
}

const drawMs = 200
const barWidth = 30

/** Resolves to the exit status: 0 all copied, 1 some keys could not be. Throws FerryError. */
export async function runCopy(options: Options): Promise<number> {
  const endpoints = { source: parseEndpoint(options.source), target: parseEndpoint(options.target) }
  const alone = await standAlone(endpoints, options.state)
  const signal = untilSignal()
  const untold = alone.core.events.follow(0, tell)
  const drawing = options.json ? null : setInterval(() => progressLine(lineOf(alone.job.snapshot())), drawMs)
  try {
    alone.job.setLimits({ keysPerSecondMax: options.keysPerSecondMax })
    signal.addEventListener('abort', () => alone.job.stop(options.state !== null))
    const startedMs = performance.now()
    tryAgain(alone)
    const through = await alone.job.start({ from: 0, below: slotCount }, options.sweep)
    if (signal.aborted) throw new FerryError('interrupted', resumeHint(options.state))
    if (!through) throw new FerryError('interrupted', alone.job.snapshot().lastError ?? 'the copy stopped')
    await alone.settled(signal)
    // The rate of a run that took no time is of no use to anybody.
    await delay(1)
    if (options.errors !== null) await exportFailed(options.errors, alone)
    return report(options, alone, (performance.now() - startedMs) / 1000)
  } finally {
    untold()
    if (drawing !== null) clearInterval(drawing)
    progressLine('')
    await alone.stop()
  }
}

const resumeHint = (state: string | null): string =>
  state === null ? 'stopped; give --state to be able to go on later' : `stopped; the same command with --state ${state} goes on`

/** What an earlier run on the same state file could not copy. */
function tryAgain({ store, core }: StandAlone): void {
  const failed = [...store.takeFailed(undefined)].filter(({ state }) => state !== 'skipped')
  store.replayFailed(failed.map(({ id }) => id))
  for (const { db, key } of failed) core.journal.mark(db, key, 'source', 'an earlier run could not copy it')
}

/** Waiting and going on: nobody else would say why nothing happens. */
function tell({ kind, message, reason }: FerryEvent): void {
  if (kind !== 'mover') return
  progressLine('')
  process.stderr.write(`${message}${reason === null ? '' : ` (${reason})`}\n`)
}

async function exportFailed(path: string, { store }: StandAlone): Promise<void> {
  function* lines(): Generator<string> {
    for (const entry of store.takeFailed(undefined)) yield `${JSON.stringify(documentOf(entry, true))}\n`
  }
  try {
    await writeFile(path, lines())
  } catch (cause) {
    throw new FerryError('invalid-config', `--errors ${path} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

/** Ends with 1 where a key is in the queue, or where one that was scanned came to no end: that must never be. */
function report({ json }: Options, { job, store }: StandAlone, seconds: number): number {
  const { keysScanned, keysDeleted, bytesCopied, account } = job.snapshot()
  const failed = store.countFailed()
  const keysCopied = account.copied
  const result = {
    keysScanned,
    keysCopied,
    keysDeleted,
    keysFailed: failed,
    account,
    failedByClass: store.failedByClass(),
    bytesCopied,
    seconds,
    keysPerSecond: Math.round(keysScanned / seconds),
  }
  process.stdout.write(
    json
      ? `${JSON.stringify(result)}\n`
      : `copied ${keysCopied} of ${keysScanned} keys, ${bytesCopied} bytes in ${seconds.toFixed(1)} s (${result.keysPerSecond} keys/s), ${failed} failed\n${accountText(account)}\n${adviceText(store)}`,
  )
  return failed === 0 && account.waiting === 0 ? 0 : 1
}

const accountText = ({ scanned, copied, skipped, vanished, exported, waiting }: LedgerCounts): string =>
  `${copied} copied + ${skipped} skipped by rule + ${vanished} gone meanwhile + ${exported} failed = ${scanned} scanned` +
  (waiting === 0 ? '' : `, ${waiting} UNACCOUNTED FOR`)

const adviceText = (store: Store): string =>
  Object.entries(store.failedByClass())
    .map(([name, keys]) => `  ${keys} ${name}: ${failurePolicies[name as FailureClass].advice}\n`)
    .join('')

function lineOf(progress: ProgressSnapshot): string {
  const share = progress.keysTotal === 0 ? 0 : Math.min(1, progress.keysScanned / progress.keysTotal)
  const filled = Math.round(share * barWidth)
  const eta = progress.etaSeconds === null ? '' : `, ${Math.ceil(progress.etaSeconds)} s left`
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  return `${progress.pass ?? ''} ${bar} ${(share * 100).toFixed(0)} %  ${progress.keysScanned}/${progress.keysTotal} keys, ${Math.round(progress.keysPerSecond)}/s${eta}${progress.throttle === null ? '' : `, ${progress.throttle}`}`
}
