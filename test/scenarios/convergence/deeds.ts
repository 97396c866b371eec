/** What the operator and the network do to a run: each by name, so that a run can be had with some of them only. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { otherSide, readModes, type Side, sides, writePolicies } from '../../../src/routing/modes.ts'
import type { ChaosProxy } from '../../support/chaos-proxy.ts'
import type { Ferry } from '../../support/ferry.ts'
import type { RedisServer } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

export interface Scene {
  readonly servers: Readonly<Record<Side, RedisServer>>
  readonly proxies: Readonly<Record<Side, ChaosProxy>>
  readonly ferry: Ferry
}

type Deed = (scene: Scene, random: Random) => Promise<unknown>

const authorityOf = async ({ ferry }: Scene): Promise<Side> => (await ferry.status()).authority
const followerOf = async (scene: Scene): Promise<Side> => otherSide(await authorityOf(scene))

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

/** As if Ferry's own end had gone: what it sent last reaches the server when new connections are long made. */
async function orphan(proxy: ChaosProxy, random: Random): Promise<void> {
  proxy.stall('to-server')
  await sleep(random.between(1, 30))
  proxy.orphan()
  await sleep(random.between(1, 300))
  proxy.pass()
}

async function freeze(server: RedisServer, ms: number): Promise<void> {
  server.freeze()
  await sleep(ms)
  server.thaw()
}

/** An operator's step that is refused is as good as one that is not. */
const deeds: Readonly<Record<string, Deed>> = {
  copy: ({ ferry }) => ferry.post('/v1/mover/start'),
  stopCopy: ({ ferry }) => ferry.post('/v1/mover/stop'),
  pauseCopy: async ({ ferry }) => {
    await ferry.post('/v1/mover/pause')
    await sleep(30)
    await ferry.post('/v1/mover/resume')
  },
  ramp: ({ ferry }, random) => ferry.step('ramp', { percent: random.between(1, 100) }),
  /** With some patience: under everything else that is done, only a short while is ever without a copy that is due. */
  cutover: async ({ ferry }) => {
    await ferry.post('/v1/mover/start').catch(() => undefined)
    await ferry.untilStatus(
      'everything to be copied',
      ({ coveragePercent, journal }) => coveragePercent === 100 && journal.resyncNeeded === null,
      1_500,
    )
    await ferry.step('cutover')
  },
  rollback: ({ ferry }) => ferry.step('rollback', { to: 'mirror' }),
  policy: ({ ferry }, random) => ferry.traffic({ writePolicy: random.pick(writePolicies) }),
  reads: ({ ferry }, random) => ferry.traffic({ readMode: random.pick(readModes), readPercentage: random.between(0, 100) }),
  killFollower: async (scene) => killLanes(scene.servers[await followerOf(scene)]),
  killAuthority: async (scene) => killLanes(scene.servers[await authorityOf(scene)]),
  freezeFollower: async (scene) => freeze(scene.servers[await followerOf(scene)], 200),
  /** Longer than Ferry waits for a follower. */
  freezeLong: async (scene) => freeze(scene.servers[await followerOf(scene)], 700),
  cutFollower: async (scene, random) => cutOff(scene.proxies[await followerOf(scene)], random),
  cutAuthority: async (scene, random) => cutOff(scene.proxies[await authorityOf(scene)], random),
  orphanFollower: async (scene, random) => orphan(scene.proxies[await followerOf(scene)], random),
  orphanAuthority: async (scene, random) => orphan(scene.proxies[await authorityOf(scene)], random),
  delay: async ({ proxies }, random) => {
    const proxy = proxies[random.pick(sides)]
    proxy.delay(random.between(1, 5))
    await sleep(200)
    proxy.pass()
  },
  restart: ({ ferry }) => ferry.restart(),
  crash: async ({ ferry }) => {
    await ferry.kill9()
    await ferry.restart()
  },
}

export const deedNames = Object.keys(deeds)
/** Seldom, since each costs seconds. */
const costly = ['restart', 'crash']

function nextDeed(random: Random, possible: readonly string[]): string {
  const name = random.pick(possible)
  const others = possible.some((other) => !costly.includes(other))
  return others && costly.includes(name) && random.chance(0.7) ? nextDeed(random, possible) : name
}

/** One after the other until it is over, with short pauses; how often each was done. */
export async function disturb(
  scene: Scene,
  random: Random,
  possible: readonly string[],
  over: () => boolean,
  log: (line: string) => void,
): Promise<Record<string, number>> {
  const done: Record<string, number> = {}
  while (!over()) {
    await sleep(random.between(5, 150))
    const name = nextDeed(random, possible)
    const outcome = await (deeds[name] as Deed)(scene, random).then(
      () => 'done',
      (error: Error) => error.message,
    )
    log(`${name}: ${outcome}`)
    const counted = outcome === 'done' ? name : `${name} refused`
    done[counted] = (done[counted] ?? 0) + 1
  }
  return done
}

/** `crash`: Ferry is killed while one side's share of what is under way is lost; `copy`: a copy that the load does not outlive by much. */
export const finales = ['none', 'none', 'copy', 'crash'] as const
export type Finale = (typeof finales)[number]

/** Nobody writes afterwards what would hide it. */
export async function playFinale(finale: Finale, scene: Scene, random: Random, over: () => boolean): Promise<void> {
  if (finale === 'copy') {
    // Many values are under way at once, and for a while, between being read and being written: time for writes to them.
    await scene.ferry.mover({ batchKeys: 256 }).catch(() => undefined)
    scene.proxies[await authorityOf(scene)].delay(random.between(3, 5))
    await scene.ferry.post('/v1/mover/start').catch(() => undefined)
  }
  if (finale === 'crash') {
    const side = random.chance(0.7) ? await followerOf(scene) : await authorityOf(scene)
    const proxy = scene.proxies[side]
    proxy.stall('to-server')
    await sleep(random.between(20, 150))
    const killed = scene.ferry.kill9()
    proxy.cut()
    await killed
    proxy.pass()
  }
  await until(over, { what: 'the load to be over' })
  for (const proxy of Object.values(scene.proxies)) proxy.pass()
}
