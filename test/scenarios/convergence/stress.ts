/**
 * Two real servers, Ferry between them behind proxies that misbehave, random clients, and an operator who never rests. When it is
 * quiet again the journal has to become empty and both sides have to be equal, whatever happened before.
 */
import type { StatusDocument } from '../../../src/control/schemas.ts'
import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import type { Safety } from '../../../src/process/unsafe.ts'
import type { ReadMode, Side, WritePolicy } from '../../../src/routing/modes.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { type Actor, type Load, ownDb, type Place } from './actor.ts'
import type { Generator } from './commands/family.ts'
import { library } from './commands/scripts.ts'
import { beginning, blocking, prompt } from './commands/table.ts'
import { Memory } from './commands/world.ts'
import { type Comparison, compareExactly } from './compare.ts'
import { deedNames, disturb, type Finale, finales, playFinale, type Scene } from './deeds.ts'
import { Engine } from './engine.ts'
import { LoadClient } from './load-client.ts'
import { Optimist, Watched, watchedKey } from './optimist.ts'
import { Popper } from './popper.ts'
import { probe } from './probe.ts'
import { Jobs, QueueWorker, queueKey } from './queue-worker.ts'
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
/** The beginning, in which FLUSHALL may come; and the time until none can be under way any more. */
const beginningShare = 0.1
const flushedMs = 1_500
/** How long before the end of the load the last thing happens: a copy needs writes beside it for a while. */
const finaleMs = (finale: Finale, seconds: number): number => (finale === 'copy' ? Math.min(2_000, seconds * 400) : 500)

const users = [null, 'anna', 'bert'] as const

async function setScene(engines: Partial<Record<Side, string>>, several: boolean, without: readonly Safety[]): Promise<Scene> {
  const start = (engine: string | undefined): Promise<RedisServer> => startRedis(engine === undefined ? {} : { engine })
  const servers = { source: await start(engines.source), target: await start(engines.target) }
  if (several) for (const server of Object.values(servers)) await addUsers(server)
  const proxies = { source: await ChaosProxy.start(servers.source.port), target: await ChaosProxy.start(servers.target.port) }
  const ferry = await Ferry.start({
    without,
    source: proxies.source.url,
    target: proxies.target.url,
    limits: { followerTimeoutMs: 400, authorityWaitMs: 2_000 },
    // A copy that keeps out of the way of the writes would show nothing.
    mover: { batchKeys: 16, ...(without.length > 0 ? unthrottled : {}) },
  })
  return { servers, proxies, ferry }
}

async function clearScene({ ferry, proxies, servers }: Scene): Promise<void> {
  await ferry.dispose()
  for (const proxy of Object.values(proxies)) await proxy.stop()
  for (const server of Object.values(servers)) await server.stop()
}

async function addUsers(server: RedisServer): Promise<void> {
  const connection = await RawConnection.open(server.port)
  for (const user of users)
    if (user !== null) await connection.command('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
  connection.close()
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
  const mix = { keysPerType: options.keysPerType ?? 6, shortLived: options.shortLived ?? true, hidden: options.hidden ?? false }
  const random = new Random(seed)
  const several = options.users ?? random.chance(0.3)
  const copied = (options.copied ?? random.chance(0.5)) || options.finale === 'crash'
  const scene = await setScene(options.engines ?? {}, several, options.mutant === undefined ? [] : [options.mutant])
  try {
    const engine = await Engine.of(scene.servers.source.port)
    const memory = new Memory()
    const wanted = ({ name }: Generator): boolean =>
      engine.commands.has(name) && !options.without?.includes(name) && (options.only?.includes(name) ?? true)
    const known = [...prompt, ...blocking, ...beginning].filter(wanted)
    await loadLibrary(scene.ferry.port)
    if (copied) await scene.ferry.backfill()
    const { refused } = await probe(scene.ferry.port, known, engine, mix, memory)
    if (options.policy !== undefined) await scene.ferry.traffic({ writePolicy: options.policy })
    if (options.reads !== undefined) await scene.ferry.traffic({ readMode: options.reads, readPercentage: 50 })
    const carried = (generator: Generator): boolean => wanted(generator) && !refused.has(generator.name)
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
      memory,
      tally: new Tally(),
      prompt: prompt.filter(carried),
      blocking: blocking.filter(carried),
      beginning: beginning.filter(carried),
      beginningOver: () => since() > beginningMs,
      settledIn: () => since() > beginningMs + flushedMs,
      stopped: () => since() > seconds * 1000,
    }
    const running = cast(load, { ...options, users: several }, random, new Set(refused.keys()), checks).map((actor) =>
      actor.run(),
    )
    const done = await disturb(scene, random, options.deeds ?? deedNames, nearEnd, log)
    await playFinale(finale, scene, random, load.stopped)
    await Promise.all(running)
    if (finale === 'crash') await scene.ferry.restart()
    await settled(scene, log)
    for (const server of Object.values(scene.servers)) await judgeChecks(server, checks, load.tally)
    const { source, target } = scene.servers
    return {
      tally: load.tally,
      deeds: done,
      comparison: await compareExactly(source.port, target.port),
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

/** What the checks' own keys hold in the end, on each side. */
async function judgeChecks(server: RedisServer, { watched, jobs }: Checks, tally: Tally): Promise<void> {
  const connection = await RawConnection.open(server.port)
  await connection.command('SELECT', ownDb)
  const value = Number((await connection.command('GET', watchedKey)) ?? 0)
  const left = ((await connection.command('LRANGE', queueKey, 0, -1)) as Buffer[]).map(String)
  connection.close()
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
