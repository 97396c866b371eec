/**
 * `ferry demo`: a whole migration on two throw-away Redis servers under live load. Everything is driven from outside, through
 * Ferry's listener and its control API, and the result is checked on the two servers themselves.
 */
import { FerryError } from '../errors.ts'
import { findUnkept } from './acknowledged.ts'
import { type Comparison, compareServers } from './compare.ts'
import { ControlClient } from './control-client.ts'
import { fillDataset } from './dataset.ts'
import { Load } from './load.ts'
import { grouped, Narrator } from './narrator.ts'
import { Probe, type ProbeReport } from './probe.ts'
import { type DemoReport, exitStatus, renderReport } from './report.ts'
import { type FerryServer, type RedisServer, Servers } from './servers.ts'
import { backfill, complete, cutOver, dwell, type Journey, quiesce, ramp, rollBack } from './steps.ts'

const canaryPercents = [5, 20, 40, 80, 100]
const commandsPerSecond = 8_000
/** Mirror, each percentage, cut-over, rollback, cut-over, complete. */
const stepCount = canaryPercents.length + 5
const loadSeconds = 40
const samplesShown = 10

export interface DemoOptions {
  /** Exactly one JSON document on stdout and nothing else. */
  readonly json: boolean
  /** Keys in the data set, at least 1000; 200,000 when absent. */
  readonly keys?: number
  /** How long the load runs at least, all steps of the road together; 40 when absent. */
  readonly seconds?: number
  /** Makes Ferry's mover copy without holding the keys: the comparison has to find what that loses. Ends after the backfill. */
  readonly breakHold?: boolean
}

/** What must be ended whatever happens; the servers know their own processes. */
interface Running {
  load: Load | null
  probe: Probe | null
}

interface Stage {
  readonly source: RedisServer
  readonly target: RedisServer
  readonly ferry: FerryServer
  readonly journey: Journey
}

interface Outcome {
  readonly comparison: Comparison
  /** Acknowledged writes that are not there. */
  readonly unkept: readonly string[]
  readonly moverKeysPerSecond: number
  readonly probe: ProbeReport
  readonly heldWritesMaxMs: number
}

/** Answers the exit status: 0 = no client error and no difference, 5 = differences, 7 = interrupted, 1 = anything else. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const narrator = new Narrator(options.json)
  const servers = new Servers()
  const running: Running = { load: null, probe: null }
  const interruption = Promise.withResolvers<never>()
  const interrupt = () => interruption.reject(new FerryError('interrupted', 'the demo was interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    return await Promise.race([perform(options, narrator, servers, running), interruption.promise])
  } catch (error) {
    return explain(error, servers)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    running.load?.close()
    await running.probe?.terminate()
    await servers.stop()
  }
}

async function perform(options: DemoOptions, narrator: Narrator, servers: Servers, running: Running): Promise<number> {
  const { keys = 200_000, seconds = loadSeconds, breakHold = false } = options
  const stage = await prepare(servers, narrator, keys, seconds / stepCount, breakHold)
  const { load } = stage.journey
  running.load = load
  const probe = new Probe(stage.source.port, stage.ferry.port)
  running.probe = probe
  const outcome = await travel(stage, probe, breakHold)
  const report = summarize(keys, outcome, load, narrator.seconds)
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  else narrator.plain(renderReport(report))
  complain(outcome, load)
  return exitStatus(report)
}

async function prepare(servers: Servers, narrator: Narrator, keys: number, seconds: number, breakHold: boolean): Promise<Stage> {
  const [source, target] = await Promise.all([servers.startRedis('source'), servers.startRedis('target')])
  narrator.say('servers', `source on port ${source.port}, target on port ${target.port}`)
  await fillDataset(source.port, keys, (done) => narrator.bar('fill', done / keys, `${grouped(done)} keys`))
  narrator.say('fill', `${grouped(keys)} keys of every type on the source, the target is empty`)
  const ferry = await servers.startFerry(source, target, 'mirror', breakHold ? { FERRY_UNSAFE_NO_HOLD: '1' } : {})
  narrator.say('ferry', `proxy on port ${ferry.port}, control at ${ferry.controlUrl}`)
  const load = await Load.connect({ port: ferry.port, keys, commandsPerSecond: breakHold ? 0 : commandsPerSecond })
  return { source, target, ferry, journey: { control: new ControlClient(ferry.controlUrl), load, narrator, seconds } }
}

/** The road itself. With a broken hold it ends where the damage is done: after the backfill, before anything could repair it. */
async function travel(stage: Stage, probe: Probe, breakHold: boolean): Promise<Outcome> {
  const { journey, source, target } = stage
  journey.load.start()
  await dwell(journey, 'mirror', `${journey.load.clients} clients at work, every write goes to both sides`)
  const moverKeysPerSecond = await backfill(journey)
  if (!breakHold) {
    for (const percent of canaryPercents) await ramp(journey, percent)
    await cutOver(journey)
    await rollBack(journey)
    await cutOver(journey)
  }
  const probeReport = await probe.stop()
  const { holdWaitMaxMs } = await quiesce(journey)
  const { comparison, unkept } = await compare(stage, breakHold ? source : target)
  if (breakHold) return { comparison, unkept, moverKeysPerSecond, probe: probeReport, heldWritesMaxMs: holdWaitMaxMs }
  journey.load.start()
  await complete(journey)
  const heldWritesMaxMs = Math.max(holdWaitMaxMs, (await quiesce(journey)).holdWaitMaxMs)
  unkept.push(...(await findUnkept(target.port, journey.load.expected())))
  return { comparison, unkept, moverKeysPerSecond, probe: probeReport, heldWritesMaxMs }
}

async function compare(
  { journey, source, target }: Stage,
  authority: RedisServer,
): Promise<{ comparison: Comparison; unkept: string[] }> {
  const { load, narrator } = journey
  const startMs = performance.now()
  const comparison = await compareServers(source.port, target.port)
  const unkept = await findUnkept(authority.port, load.expected())
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  narrator.say(
    'compare',
    `${grouped(comparison.keysCompared)} keys on both sides in ${seconds} s: ${grouped(comparison.differences)} differences`,
  )
  return { comparison, unkept }
}

function summarize(keys: number, outcome: Outcome, load: Load, seconds: number): DemoReport {
  const { comparison, unkept, probe } = outcome
  return {
    keys,
    commands: load.tally.commands + probe.commands,
    clientErrors: load.tally.clientErrors + probe.errors.length,
    differences: comparison.differences + unkept.length,
    missing: comparison.missing,
    extra: comparison.extra,
    ttlDifferences: comparison.ttlDifferences,
    heldWritesMax_ms: Math.round(outcome.heldWritesMaxMs * 100) / 100,
    moverKeysPerSecond: outcome.moverKeysPerSecond,
    addedLatencyP50_us: probe.addedP50Us,
    addedLatencyP99_us: probe.addedP99Us,
    seconds: Math.round(seconds * 10) / 10,
  }
}

/** What went wrong, on stderr: the report itself has the numbers only. */
function complain({ comparison, unkept, probe }: Outcome, load: Load): void {
  const lines = [
    ...[...load.tally.messages, ...probe.errors].slice(0, samplesShown).map((message) => `client error: ${message}`),
    ...comparison.samples
      .slice(0, samplesShown)
      .map(({ db, key, kind, detail }) => `difference: db ${db} ${key}: ${kind}: ${detail}`),
    ...unkept.slice(0, samplesShown).map((line) => `lost: ${line}`),
  ]
  for (const line of lines) process.stderr.write(`${line}\n`)
}

function explain(error: unknown, servers: Servers): number {
  process.stderr.write(`ferry demo: ${error instanceof Error ? error.message : error}\n`)
  if (!(error instanceof FerryError)) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`)
  else for (const detail of error.details) process.stderr.write(`  ${detail}\n`)
  const log = servers.logTail('ferry')
  if (log) process.stderr.write(`The end of Ferry's log:\n${log}\n`)
  return error instanceof FerryError && error.code === 'interrupted' ? error.exitStatus : 1
}
