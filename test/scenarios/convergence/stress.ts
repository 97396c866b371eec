/**
 * Two real servers, Ferry between them behind proxies that misbehave, random clients, and an operator who never rests. When it is
 * quiet again the journal has to become empty and both sides have to be equal, whatever happened before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusDocument } from '../../../src/control/schemas.ts'
import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import type { Safety } from '../../../src/process/unsafe.ts'
import { type ReadMode, type Side, sides, type WritePolicy } from '../../../src/routing/modes.ts'
import { Ferry } from '../../support/ferry.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import type { Actor, Load, Place } from './actor.ts'
import type { Generator } from './commands/family.ts'
import { library } from './commands/scripts.ts'
import { beginning, blocking, prompt } from './commands/table.ts'
import { hotDatabases, Memory, type Mix } from './commands/world.ts'
import { type Comparison, compareExactly } from './compare.ts'
import { deedsOf, disturb, type Finale, finales, playFinale, type Scene } from './deeds.ts'
import { Engine } from './engine.ts'
import { LoadClient } from './load-client.ts'
import { Optimist, Watched, watchedKey } from './optimist.ts'
import { Popper } from './popper.ts'
import { probe } from './probe.ts'
import { Jobs, QueueWorker, queueKey } from './queue-worker.ts'
import { interleavedSlots, type SceneSide, type SideSettings, startSide, type Topology } from './side.ts'
import type { SideReader } from './side-reader.ts'
import { Publisher, Subscriber } from './talkers.ts'
import { Tally } from './tally.ts'
import { unusedWrites } from './unused.ts'

export interface StressOptions {
  readonly seed: number
  readonly seconds: number
  /** Of the load proper; those that wait, watch, queue and talk come in addition. */
  readonly clients?: number
  /** Engine of each side, as installed; absent: the redis-server on PATH. */
  readonly engines?: Partial<Record<Side, string>>
  /** Absent: single servers. */
  readonly topology?: Readonly<Record<Side, Topology>>
  /** Of each primary of a cluster. Absent: chance decides. */
  readonly replicas?: number
  /** Of the clusters; where it is 1, all clients share database 0 on all servers. Absent: as many as the engines can. */
  readonly databases?: number
  /** Names of what the operator and the network may do; absent: all. */
  readonly deeds?: readonly string[]
  readonly shortLived?: boolean
  readonly keysPerType?: number
  readonly hidden?: boolean
  /** Names of commands to leave out, in addition to those that Ferry refuses. */
  readonly without?: readonly string[]
  /** Names of the only commands to use. */
  readonly only?: readonly string[]
  /** Clients come as three users, each with lanes of its own. Absent: chance decides. */
  readonly users?: boolean
  /** Everything is copied before the load begins. Absent: chance decides. */
  readonly copied?: boolean
  /** What it begins with; absent: Ferry's own first ones. */
  readonly policy?: WritePolicy
  readonly reads?: ReadMode
  /** What happens last, while the load still runs; absent: chance decides. */
  readonly finale?: Finale
  /** The safety that Ferry has to do without. */
  readonly mutant?: Safety
  readonly log?: (line: string) => void
}

export interface StressReport {
  readonly tally: Tally
  readonly deeds: Readonly<Record<string, number>>
  readonly comparison: Comparison
  /** Commands that Ferry refused, with its words. */
  readonly refused: ReadonlyMap<string, string>
  /** Write commands of the table that this engine has and that no reply said to have run. */
  readonly unused: readonly string[]
  readonly log: string
}

const settleLimitMs = 60_000
const endLimitMs = 20_000
/** The beginning, in which FLUSHALL may come; and the time until none can be under way any more. */
const beginningShare = 0.1
const flushedMs = 1_500
/** How long before the end of the load the last thing happens: a copy needs writes beside it for a while. */
const finaleMs = (finale: Finale, seconds: number): number => (finale === 'copy' ? Math.min(2_000, seconds * 400) : 500)

const singles: Readonly<Record<Side, Topology>> = { source: 'single', target: 'single' }
/** As many as a single server has. */
const databasesMax = 16
/** A database for the checks, where there are several. */
const checksDb = 5
const tagsOnClusters = 3
/** Servers of Valkey 9.1 run it on keys of any slot, their own or not. */
const unrouted = 'msetex'

/** Few engines have several in a cluster. */
function databasesOf({ databases, engines = {}, topology = singles }: StressOptions): number {
  const several = sides.every((side) => topology[side] === 'single' || engines[side]?.startsWith('valkey-9'))
  return databases ?? (several ? databasesMax : 1)
}

function mixOf(options: StressOptions): Mix {
  const { keysPerType = 6, shortLived = true, hidden = false, topology = singles } = options
  const tags = Object.values(topology).includes('cluster') ? tagsOnClusters : 0
  return { keysPerType, shortLived, hidden, tags, databases: databasesOf(options) === 1 ? [0] : hotDatabases }
}

const users = [null, 'anna', 'bert'] as const

/** Other borders on each side, so that no slot has the same neighbours on both. */
const slotsOn = { source: interleavedSlots(3, 3), target: interleavedSlots(2, 64) } as const

/** What is behind each address, before Ferry is there. */
async function setSides(options: StressOptions): Promise<Record<Side, SceneSide>> {
  const { engines = {}, topology = singles } = options
  const replicas = options.replicas ?? (new Random(options.seed).chance(0.5) ? 1 : 0)
  const settings = (side: Side): SideSettings => ({
    topology: topology[side],
    engine: engines[side],
    slots: slotsOn[side],
    replicas,
    databases: databasesOf(options),
  })
  const source = await startSide(settings('source'))
  try {
    return { source, target: await startSide(settings('target')) }
  } catch (error) {
    await source.stop()
    throw error
  }
}

async function setScene(options: StressOptions, several: boolean): Promise<Scene> {
  const without: readonly Safety[] = options.mutant === undefined ? [] : [options.mutant]
  const both = await setSides(options)
  try {
    if (several) for (const side of Object.values(both)) await addUsers(side)
    const ferry = await Ferry.start({
      without,
      source: both.source.url,
      target: both.target.url,
      limits: { followerTimeoutMs: 400, authorityWaitMs: 2_000 },
      // A copy that keeps out of the way of the writes would show nothing.
      mover: { batchKeys: 16, ...(without.length > 0 ? unthrottled : {}) },
    })
    return { sides: both, ferry, clusterUntilMs: both.source.cluster === null ? 0 : Number.POSITIVE_INFINITY }
  } catch (error) {
    for (const side of Object.values(both)) await side.stop()
    throw error
  }
}

async function clearScene({ ferry, sides }: Scene): Promise<void> {
  await ferry.dispose()
  for (const side of Object.values(sides)) await side.stop()
}

/** What it leaves open keeps it alive. */
async function endFerry({ ferry }: Scene, tally: Tally): Promise<void> {
  const ended = await Promise.race([ferry.stop().then(() => true), sleep(endLimitMs, false)])
  if (ended) return
  tally.noteWrong(`Ferry did not end within ${endLimitMs} ms`)
  await ferry.kill9()
}

async function addUsers(side: SceneSide): Promise<void> {
  for (const user of users) if (user !== null) await side.tellAll('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
}

interface Checks {
  readonly watched: Watched
  readonly jobs: Jobs
}

/** Everybody who talks to Ferry in this run. */
function cast(load: Load, options: StressOptions, random: Random, refused: ReadonlySet<string>, checks: Checks): Actor[] {
  let id = 0
  const place = (): Place => ({
    id: id++,
    seed: random.below(2 ** 31),
    user: options.users ? (users[id % users.length] ?? null) : null,
  })
  const several = (count: number, make: () => Actor): Actor[] => Array.from({ length: count }, make)
  const allowed = (name: string): boolean => !refused.has(name) && options.only === undefined
  return [
    ...several(options.clients ?? 12, () => new LoadClient(load, place())),
    ...several(load.blocking.length > 0 ? 4 : 0, () => new Popper(load, place())),
    ...several(allowed('watch') ? 3 : 0, () => new Optimist(load, place(), checks.watched)),
    ...several(allowed('blpop') && allowed('blmpop') ? 3 : 0, () => new QueueWorker(load, place(), checks.jobs)),
    ...several(allowed('subscribe') ? 3 : 0, () => new Subscriber(load, place())),
    ...several(allowed('subscribe') ? 2 : 0, () => new Publisher(load, place())),
  ]
}

export async function stress(options: StressOptions): Promise<StressReport> {
  const { seed, seconds, log = () => undefined } = options
  const mix = mixOf(options)
  const random = new Random(seed)
  const several = options.users ?? random.chance(0.3)
  const copied = (options.copied ?? random.chance(0.5)) || options.finale === 'crash'
  const scene = await setScene(options, several)
  try {
    const engine = await Engine.of(scene.sides.source.port)
    const memory = new Memory()
    const onCluster = mix.tags > 0
    const oneDatabase = databasesOf(options) === 1
    const wanted = ({ name }: Generator): boolean =>
      engine.commands.has(name) &&
      !(onCluster && name === unrouted) &&
      !options.without?.includes(name) &&
      (options.only?.includes(name) ?? true)
    const known = [...prompt, ...blocking, ...beginning].filter(wanted)
    await loadLibrary(scene.ferry.port)
    if (copied) await scene.ferry.backfill()
    const { refused } = await probe(scene.ferry.port, known, engine, mix, memory)
    if (options.policy !== undefined) await scene.ferry.traffic({ writePolicy: options.policy })
    if (options.reads !== undefined) await scene.ferry.traffic({ readMode: options.reads, readPercentage: 50 })
    const carried = (generator: Generator): boolean => wanted(generator) && !refused.has(generator.name)
    /** In the one database there is, what the checks know would go as well. */
    const emptiesChecks = ({ name }: Generator): boolean => name === 'flushdb' && oneDatabase
    const startMs = performance.now()
    const since = (): number => performance.now() - startMs
    const beginningMs = seconds * 1000 * beginningShare
    const checks = { watched: new Watched(), jobs: new Jobs() }
    const finale = options.finale ?? random.pick(finales)
    const nearEnd = (): boolean => since() > seconds * 1000 - finaleMs(finale, seconds)
    const load: Load = {
      port: scene.ferry.port,
      engine,
      mix,
      ownDb: oneDatabase ? 0 : checksDb,
      memory,
      tally: new Tally(() => performance.now() < scene.clusterUntilMs),
      prompt: prompt.filter((generator) => carried(generator) && !emptiesChecks(generator)),
      blocking: blocking.filter(carried),
      beginning: [...beginning, ...prompt.filter(emptiesChecks)].filter(carried),
      beginningOver: () => since() > beginningMs,
      settledIn: () => since() > beginningMs + flushedMs,
      stopped: () => since() > seconds * 1000,
    }
    const running = cast(load, { ...options, users: several }, random, new Set(refused.keys()), checks).map((actor) =>
      actor.run(),
    )
    const done = await disturb(scene, random, options.deeds ?? deedsOf(scene), nearEnd, log)
    log(`finale: ${finale}`)
    await playFinale(finale, scene, random, load.stopped)
    log('the load is over')
    await Promise.all(running)
    log('all clients have ended')
    if (finale === 'crash') await scene.ferry.restart()
    await settled(scene, log)
    log('settled')
    const comparison = await judgeSides(scene, checks, load)
    await endFerry(scene, load.tally)
    return {
      tally: load.tally,
      deeds: done,
      comparison,
      refused,
      unused: unusedWrites(engine, load.tally.ran),
      log: scene.ferry.log,
    }
  } finally {
    await clearScene(scene)
  }
}

async function loadLibrary(port: number): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.command('FUNCTION', 'LOAD', 'REPLACE', library(0)).finally(() => connection.close())
}

/** What the checks' own keys hold in the end on each side, and whether everything is the same on both. */
async function judgeSides({ sides }: Scene, checks: Checks, load: Load): Promise<Comparison> {
  const source = await sides.source.open()
  const target = await sides.target.open()
  try {
    for (const reader of [source, target]) await judgeChecks(reader, checks, load)
    return await compareExactly(source, target)
  } finally {
    source.close()
    target.close()
  }
}

async function judgeChecks(reader: SideReader, { watched, jobs }: Checks, { tally, ownDb }: Load): Promise<void> {
  await reader.everywhere('SELECT', ownDb)
  const value = Number((await reader.at(watchedKey).command('GET', watchedKey)) ?? 0)
  const left = ((await reader.at(queueKey).command('LRANGE', queueKey, 0, -1)) as Buffer[]).map(String)
  for (const verdict of [watched.verdict(value), jobs.verdict(left)]) if (verdict !== null) tally.noteWrong(verdict)
}

/** Nothing in flight, nothing dirty, everything copied; where a copy is still due, it is started, as an operator would. */
async function settled({ ferry }: Scene, log: (line: string) => void): Promise<void> {
  const isDue = ({ journal, coveragePercent }: StatusDocument): boolean => journal.resyncNeeded !== null || coveragePercent < 100
  const deadlineMs = performance.now() + settleLimitMs
  const rests = ({ journal, mover, source, target }: StatusDocument): boolean =>
    mover.state !== 'running' && journal.dirtyKeys + journal.openHolds + source.inFlight + target.inFlight === 0
  for (;;) {
    const leftMs = deadlineMs - performance.now()
    const status = await ferry.untilStatus('nothing to be under way', rests, leftMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${ferry.log.slice(-8_000)}`)
    })
    if (!isDue(status)) break
    await ferry.post('/v1/mover/start').catch((error: Error) => log(error.message))
  }
  await ferry.untilSettled(Math.max(1_000, deadlineMs - performance.now()))
}
