/**
 * Two real servers, Ferry between them behind proxies that misbehave, random clients, and an operator who never rests. When it is
 * quiet again the journal has to become empty and both sides have to be equal, whatever happened before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusDocument } from '../../../src/control/schemas.ts'
import { type Comparison, compareServers } from '../../../src/demo/compare.ts'
import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { otherSide, readModes, type Side, writePolicies } from '../../../src/routing/modes.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { LoadClient, type LoadReport, newReport } from './load.ts'

export interface StressOptions {
  readonly seed: number
  readonly seconds: number
  readonly clients?: number
  /** Names of what the operator and the network may do; absent: all. */
  readonly deeds?: readonly string[]
  readonly shortLived?: boolean
  readonly flush?: boolean
  readonly scripts?: boolean
  /** Clients come as three users, each with lanes of its own. */
  readonly users?: boolean
  readonly log?: (line: string) => void
}

export interface StressReport {
  readonly load: LoadReport
  readonly deeds: Readonly<Record<string, number>>
  readonly comparison: Comparison
  readonly log: string
}

const settleLimitMs = 60_000
const ttlToleranceMs = 100

class Stage {
  readonly servers: Readonly<Record<Side, RedisServer>>
  readonly proxies: Readonly<Record<Side, ChaosProxy>>
  readonly ferry: Ferry

  static async set(): Promise<Stage> {
    const servers = { source: await startRedis(), target: await startRedis() }
    const proxies = { source: await ChaosProxy.start(servers.source.port), target: await ChaosProxy.start(servers.target.port) }
    const ferry = await Ferry.start({
      source: proxies.source.url,
      target: proxies.target.url,
      limits: { followerTimeoutMs: 400, authorityWaitMs: 2_000 },
      mover: { batchKeys: 16 },
    })
    return new Stage(servers, proxies, ferry)
  }

  private constructor(servers: Stage['servers'], proxies: Stage['proxies'], ferry: Ferry) {
    this.servers = servers
    this.proxies = proxies
    this.ferry = ferry
  }

  async authority(): Promise<Side> {
    return (await this.ferry.status()).authority
  }

  async follower(): Promise<Side> {
    return otherSide(await this.authority())
  }

  async clear(): Promise<void> {
    await this.ferry.dispose()
    for (const proxy of Object.values(this.proxies)) await proxy.stop()
    for (const server of Object.values(this.servers)) await server.stop()
  }
}

const users = [null, 'anna', 'bert'] as const

async function addUsers(server: RedisServer): Promise<void> {
  const connection = await RawConnection.open(server.port)
  for (const user of users)
    if (user !== null) await connection.command('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
  connection.close()
}

/** Ends the connections that carry commands and leaves the ones that listen: what expires meanwhile is still seen. */
async function killLanes(server: RedisServer): Promise<void> {
  const connection = await RawConnection.open(server.port)
  await connection.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').finally(() => connection.close())
}

/** The server runs commands whose replies never come; the rest of them never arrives. */
async function cutOff(proxy: ChaosProxy, random: Random): Promise<void> {
  proxy.stall(random.chance(0.5) ? 'to-client' : 'to-server')
  await sleep(random.between(1, 30))
  proxy.cut()
  proxy.pass()
}

async function freeze(server: RedisServer, ms: number): Promise<void> {
  server.freeze()
  await sleep(ms)
  server.thaw()
}

type Deed = (stage: Stage, random: Random) => Promise<unknown>

/** Network and operator; an operator's step that is refused is as good as one that is not. */
const deeds: Readonly<Record<string, Deed>> = {
  copy: ({ ferry }) => ferry.post('/v1/mover/start'),
  stopCopy: ({ ferry }) => ferry.post('/v1/mover/stop'),
  pauseCopy: async ({ ferry }) => {
    await ferry.post('/v1/mover/pause')
    await sleep(30)
    await ferry.post('/v1/mover/resume')
  },
  ramp: ({ ferry }, random) => ferry.step('ramp', { percent: random.between(1, 100) }),
  cutover: ({ ferry }) => ferry.step('cutover'),
  rollback: ({ ferry }) => ferry.step('rollback', { to: 'mirror' }),
  policy: ({ ferry }, random) => ferry.traffic({ writePolicy: random.pick(writePolicies) }),
  reads: ({ ferry }, random) => ferry.traffic({ readMode: random.pick(readModes), readPercentage: random.between(0, 100) }),
  killFollower: async (stage) => killLanes(stage.servers[await stage.follower()]),
  killAuthority: async (stage) => killLanes(stage.servers[await stage.authority()]),
  freezeFollower: async (stage) => freeze(stage.servers[await stage.follower()], 200),
  /** Longer than Ferry waits for a follower. */
  freezeLong: async (stage) => freeze(stage.servers[await stage.follower()], 700),
  cutFollower: async (stage, random) => cutOff(stage.proxies[await stage.follower()], random),
  cutAuthority: async (stage, random) => cutOff(stage.proxies[await stage.authority()], random),
  delay: async ({ proxies }, random) => {
    proxies.target.delay(random.between(1, 5))
    await sleep(200)
    proxies.target.pass()
  },
  restart: ({ ferry }) => ferry.restart(),
  crash: async ({ ferry }) => {
    await ferry.kill9()
    await ferry.restart()
  },
}

export const deedNames = Object.keys(deeds)
/** These end the connections that tell of expiries as well: what those had under way is lost, and no key has a name for it. */
const blinding = ['cutFollower', 'cutAuthority']
/** Seldom, since each costs seconds. */
const costly = ['restart', 'crash']

function nextDeed(random: Random, possible: readonly string[]): string {
  const name = random.pick(possible)
  return costly.includes(name) && random.chance(0.7) ? nextDeed(random, possible) : name
}

export async function stress(options: StressOptions): Promise<StressReport> {
  const { seed, seconds, clients = 12, log = () => undefined } = options
  const mix = { shortLived: options.shortLived ?? true, flush: options.flush ?? true, scripts: options.scripts ?? true }
  const possible = (options.deeds ?? deedNames).filter((name) => !mix.shortLived || !blinding.includes(name))
  const random = new Random(seed)
  const stage = await Stage.set()
  try {
    if (options.users) for (const server of Object.values(stage.servers)) await addUsers(server)
    const load = newReport()
    const endMs = performance.now() + seconds * 1000
    const over = (): boolean => performance.now() > endMs
    const running = Array.from({ length: clients }, (_, id) => {
      const user = options.users ? (users[id % users.length] ?? null) : null
      return new LoadClient({
        id,
        seed: random.below(2 ** 31),
        mix,
        port: stage.ferry.port,
        user,
        report: load,
        stopped: over,
      }).run()
    })
    const done: Record<string, number> = {}
    while (!over()) {
      await sleep(random.between(5, 150))
      const name = nextDeed(random, possible)
      const outcome = await (deeds[name] as Deed)(stage, random).then(
        () => 'done',
        (error: Error) => error.message,
      )
      log(`${name}: ${outcome}`)
      const counted = outcome === 'done' ? name : `${name} refused`
      done[counted] = (done[counted] ?? 0) + 1
    }
    await Promise.all(running)
    await settled(stage, log)
    const { source, target } = stage.servers
    return { load, deeds: done, comparison: await compareServers(source.port, target.port, ttlToleranceMs), log: stage.ferry.log }
  } finally {
    await stage.clear()
  }
}

/** Nothing in flight, nothing dirty, everything copied; where a copy is still due, it is started, as an operator would. */
async function settled({ ferry }: Stage, log: (line: string) => void): Promise<void> {
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
