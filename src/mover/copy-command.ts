/** `ferry copy`: the mover alone, from source to target, with nothing else in between. */
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { LedgerCounts } from '../dispatch/scan-ledger.ts'
import { FerryError } from '../errors.ts'
import type { FerryEvent } from '../observe/events.ts'
import type { AccessKind } from '../routing/access-kind.ts'
import { type FailureClass, failurePolicies } from '../routing/copy-failure.ts'
import { type CopyRules, isPlain } from '../routing/copy-rules.ts'
import type { DatabaseSetting } from '../routing/database-layout.ts'
import type { Side } from '../routing/modes.ts'
import { slotCount } from '../routing/slot.ts'
import type { Store } from '../state/store.ts'
import { type Endpoint, parseEndpoint } from '../upstream/endpoint.ts'
import { mayScan, noteEnd } from './copy-permit.ts'
import type { CopyProgress, CopyView } from './copy-view.ts'
import { databasesUnfit } from './database-fit.ts'
import { copyStatus } from './exit-status.ts'
import { documentOf } from './failed-key.ts'
import { LiveCopy, type LiveOptions } from './live-copy.ts'
import { NotificationFeed } from './notification-feed.ts'
import type { MoverLimits } from './progress.ts'
import { serveRdb } from './rdb-server.ts'
import { layoutOf, type StandAlone, standAlone, untilSignal } from './stand-alone.ts'
import { TrackingFeed } from './tracking-feed.ts'

interface Options {
  readonly source: string
  readonly target: string
  readonly json: boolean
  readonly limits: Partial<MoverLimits>
  readonly sweep: boolean
  readonly state: string | null
  /** As `target.databases` of the configuration. */
  readonly databases: DatabaseSetting
  /** NDJSON of what could not be copied. */
  readonly errors: string | null
  /** They come with what DUMP gives where that is no longer; 0 = none do. */
  readonly payloadBytesMax: number
  /** How long a server is waited for that takes nothing; 0 = for ever. */
  readonly standstillSeconds: number
  /** Null: what is there now, once. */
  readonly live: LiveOptions | null
  /** A dump that takes the place of the source; the server program that reads it. */
  readonly fromRdb: { readonly file: string; readonly program: string | null } | null
  readonly rules: CopyRules
  readonly carryAccess: AccessKind
  /** As a configuration file has them; null: as `source` and `target` say. */
  readonly endpoints: Readonly<Record<Side, Endpoint>> | null
}

/** Copies of everything, one after the other, because something came into doubt. */
const roundsMax = 3

/** Resolves to the exit status, see `copyStatus`. Throws FerryError. */
export async function runCopy(options: Options, view: CopyView): Promise<number> {
  const { fromRdb, endpoints } = options
  if (fromRdb === null) return copyFrom(options, view, untilSignal())
  const signal = untilSignal()
  const server = await serveRdb(fromRdb.file, fromRdb.program, signal)
  try {
    const dump = endpoints && { ...endpoints, source: parseEndpoint(server.url) }
    return await copyFrom({ ...options, source: server.url, endpoints: dump }, view, signal)
  } finally {
    await server.stop()
  }
}

async function copyFrom(options: Options, view: CopyView, signal: AbortSignal): Promise<number> {
  const endpoints = options.endpoints ?? { source: parseEndpoint(options.source), target: parseEndpoint(options.target) }
  mayFollow(options)
  const { state, rules, carryAccess, payloadBytesMax } = options
  const databases = layoutOf(options.databases)
  const standstillMs = options.standstillSeconds * 1000
  const alone = await standAlone(endpoints, state, rules, databases, carryAccess, payloadBytesMax, standstillMs)
  const plan = { ...alone, rules: options.rules, sweep: options.sweep, keeps: options.state !== null }
  const live = options.live === null ? null : new LiveCopy(alone)
  const untold = alone.core.events.follow(0, (event) => tell(view, event))
  const drawing = setInterval(() => view.progress(progressOf(alone, live)), view.everyMs)
  try {
    const misfits = await asked(alone.misfits())
    if (misfits.length > 0) throw databasesUnfit(misfits)
    alone.job.setLimits(options.limits)
    const keep = options.state !== null && live === null
    signal.addEventListener('abort', () => alone.job.state !== 'done' && alone.job.stop(keep))
    const startedMs = performance.now()
    const scans = await asked(mayScan(plan))
    tryAgain(alone)
    // What failed in the run that scanned them is all that this one counts.
    if (!scans) alone.core.journal.countFrom({ copied: 0, skipped: 0, vanished: 0, exported: 0 })
    if (!scans) view.note('these rules were carried out on this state file: only what failed is tried again')
    const seconds = (): number => (performance.now() - startedMs) / 1000
    try {
      alone.fault.throwIfAborted()
      if (live !== null) await follow(live, alone, options, signal)
      else await copyOnce(alone, options, signal, scans)
    } catch (error) {
      if (error !== alone.fault.reason) throw error
      view.end()
      // How far it has come is worth knowing where nobody has ended it.
      report(options, alone, live, seconds())
      throw withHint(error as FerryError, options)
    } finally {
      // Also of a copy that was stopped.
      if (options.errors !== null) await exportFailed(options.errors, alone)
    }
    if (!signal.aborted || live !== null) await noteEnd(plan)
    // The rate of a run that took no time is of no use to anybody.
    await delay(1)
    view.end()
    return report(options, alone, live, seconds())
  } finally {
    untold()
    clearInterval(drawing)
    view.end()
    await live?.stop()
    await alone.stop()
  }
}

/** What has to be known before a copy begins. @throws FerryError `endpoint-unreachable` with the words of a server that does not tell. */
async function asked<T>(question: Promise<T>): Promise<T> {
  try {
    return await question
  } catch (cause) {
    if (cause instanceof FerryError) throw cause
    throw new FerryError('endpoint-unreachable', `what is there before a copy cannot be asked: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** What is deleted at the source has to be deleted at the target, which rules may not want. @throws FerryError `bad-request`. */
function mayFollow({ live, rules }: Options): void {
  if (live === null || isPlain(rules)) return
  throw new FerryError(
    'bad-request',
    '--live keeps the target as the source is: it goes with --on-conflict replace, and with no other rule',
  )
}

async function copyOnce(alone: StandAlone, options: Options, signal: AbortSignal, scans: boolean): Promise<void> {
  const { job, core, fault } = alone
  const { state } = options
  const through = !scans || (await copyAll(alone, options))
  if (signal.aborted) throw new FerryError('interrupted', resumeHint(state))
  if (!through && !fault.aborted) throw new FerryError('interrupted', job.snapshot().lastError ?? 'the copy stopped')
  await alone.settled(signal)
  fault.throwIfAborted()
  if (signal.aborted && core.journal.size > 0) throw new FerryError('interrupted', resumeHint(state))
  const { resyncReason } = core.journal
  if (resyncReason !== null) throw new FerryError('interrupted', `copy it again: ${resyncReason}`)
}

/** Again where the target was started anew meanwhile: what it had by then may be lost. By rules nothing is done twice unasked. */
async function copyAll({ core, job, fault }: StandAlone, { sweep, rules }: Options): Promise<boolean> {
  for (let round = 1; ; round++) {
    const { doubts } = core
    const through = await job.start({ from: 0, below: slotCount }, sweep)
    if (!through || fault.aborted) return through
    if (core.doubts === doubts) {
      if (round > 1) core.journal.resyncReason = null
      return true
    }
    if (round === roundsMax || !isPlain(rules)) return true
  }
}

async function follow(live: LiveCopy, alone: StandAlone, options: Options, signal: AbortSignal): Promise<void> {
  const { source } = alone.lanes
  const { notice, maySet, quietMs } = options.live as LiveOptions
  const feed = notice === 'tracking' ? new TrackingFeed(source, live) : new NotificationFeed(source.endpoint, live, maySet)
  await live.run(feed, options.sweep, quietMs, AbortSignal.any([signal, alone.fault]))
  alone.fault.throwIfAborted()
}

function progressOf({ job, core, standstill }: StandAlone, live: LiveCopy | null): CopyProgress {
  const mover = job.snapshot()
  const counts = live?.counts() ?? null
  return {
    phase: counts?.following ? 'follow' : (mover.pass ?? 'copy'),
    mover,
    waiting: counts?.waiting ?? core.journal.size,
    standstill: standstill(),
    live: counts === null ? null : { changes: counts.changes, passes: counts.passes },
  }
}

const resumeHint = (state: string | null): string =>
  state === null ? 'stopped; give --state to be able to go on later' : `stopped; the same command with --state ${state} goes on`

/** Of a copy that ended by itself: how it can be gone on with. */
function withHint(error: FerryError, { state, live }: Options): FerryError {
  if (error.code !== 'interrupted') return error
  const hint = live === null ? resumeHint(state) : 'stopped; the same command looks at everything again'
  return new FerryError(error.code, error.message, { details: [...error.details, hint], cause: error })
}

/** What an earlier run on the same state file could not copy. */
function tryAgain({ store, core }: StandAlone): void {
  const failed = [...store.takeFailed(undefined)].filter(({ state }) => state !== 'skipped')
  store.replayFailed(failed.map(({ id }) => id))
  for (const { db, key } of failed) core.journal.mark(db, key, 'source', 'an earlier run could not copy it')
}

/** Waiting and going on: nobody else would say why nothing happens. */
function tell(view: CopyView, { kind, message, reason }: FerryEvent): void {
  if (kind === 'mover') view.note(`${message}${reason === null ? '' : ` (${reason})`}`)
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

/** Some keys are missing where a key is in the queue, or where one that was scanned came to no end: that must never be. */
function report(
  { json, state }: Options,
  { job, store, core, fault, skippedByRule }: StandAlone,
  live: LiveCopy | null,
  seconds: number,
): number {
  const { keysScanned, keysDeleted, bytesCopied, account } = job.snapshot()
  const failed = store.countFailed()
  const keysCopied = account.copied
  const followed = live?.counts() ?? null
  const result = {
    kind: 'report',
    keysScanned,
    keysCopied,
    keysDeleted,
    keysFailed: failed,
    account,
    skippedByRule: skippedByRule ?? {},
    failedByClass: store.failedByClass(),
    bytesCopied,
    seconds,
    keysPerSecond: Math.round(keysScanned / seconds),
    live: followed && { changes: followed.changes, copiedAgain: core.counters.journal.heals, passes: followed.passes },
  }
  process.stdout.write(
    json
      ? `${JSON.stringify(result)}\n`
      : `copied ${keysCopied} of ${account.scanned} keys, ${bytesCopied} bytes in ${seconds.toFixed(1)} s (${result.keysPerSecond} keys/s), ${failed} failed\n${accountText(account, !fault.aborted)}\n${skippedText(skippedByRule)}${liveText(result.live)}${adviceText(store, state)}`,
  )
  return failed === 0 && account.waiting === 0 ? copyStatus.ok : copyStatus.exported
}

/** `isThrough`: it has come to its end by itself. */
function accountText({ scanned, copied, skipped, vanished, exported, waiting }: LedgerCounts, isThrough: boolean): string {
  const ended = `${copied} copied + ${skipped} skipped by rule + ${vanished} gone meanwhile + ${exported} failed`
  if (!isThrough) return `${ended} + ${waiting} not done yet = ${scanned} scanned`
  return `${ended} = ${scanned} scanned${waiting === 0 ? '' : `, ${waiting} UNACCOUNTED FOR`}`
}

const skippedText = (skipped: StandAlone['skippedByRule']): string =>
  Object.entries(skipped ?? {})
    .filter(([, keys]) => keys > 0)
    .map(([rule, keys]) => `  ${keys} skipped by ${rule}\n`)
    .join('')

function adviceText(store: Store, state: string | null): string {
  const classes = Object.entries(store.failedByClass())
  if (classes.length === 0) return ''
  const advice = classes.map(([name, keys]) => `  ${keys} ${name}: ${failurePolicies[name as FailureClass].advice}\n`).join('')
  const replay = state === null ? 'a copy with --state would replay them when it is run again' : 'the same command replays them'
  return `${advice}  ${replay}\n`
}

const liveText = (live: { changes: number; copiedAgain: number; passes: number } | null): string =>
  live === null
    ? ''
    : `followed ${live.changes} changes, copied ${live.copiedAgain} keys again, looked at everything ${live.passes} times\n`
