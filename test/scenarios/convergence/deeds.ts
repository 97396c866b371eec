/** What the operator and the network do to a run: each by name, so that a run can be had with some of them only. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../../../src/demo/random.ts'
import { otherSide, readModes, type Side, writePolicies } from '../../../src/routing/modes.ts'
import type { ChaosProxy } from '../../support/chaos-proxy.ts'
import type { Ferry } from '../../support/ferry.ts'
import type { RedisCluster } from '../../support/redis-cluster.ts'
import type { RedisServer } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { failover, moveSlot } from './cluster-deeds.ts'
import type { SceneSide } from './side.ts'

export interface Scene {
  readonly sides: Readonly<Record<Side, SceneSide>>
  readonly ferry: Ferry
  /** Until when a client may be answered by a cluster. Clock of `performance.now`. */
  clusterUntilMs: number
}

/** For replies that are still on their way when the authority changes. */
const overlapMs = 2_000

/** Told before and after what may change the authority. */
function expectAuthority(scene: Scene, ...possible: readonly Side[]): void {
  const onCluster = possible.some((side) => scene.sides[side].cluster !== null)
  if (onCluster) scene.clusterUntilMs = Number.POSITIVE_INFINITY
  else scene.clusterUntilMs = Math.min(scene.clusterUntilMs, performance.now() + overlapMs)
}

type Deed = (scene: Scene, random: Random) => Promise<unknown>

const authorityOf = async ({ ferry }: Scene): Promise<Side> => (await ferry.status()).authority
const followerOf = async (scene: Scene): Promise<Side> => otherSide(await authorityOf(scene))

const authority = async (scene: Scene): Promise<SceneSide> => scene.sides[await authorityOf(scene)]
const follower = async (scene: Scene): Promise<SceneSide> => scene.sides[await followerOf(scene)]

/** Of one server: of a cluster, the others go on. */
const proxyOf = async (side: Promise<SceneSide>, random: Random): Promise<ChaosProxy> => random.pick((await side).proxies)

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

async function freeze(side: SceneSide, random: Random, ms: number): Promise<void> {
  const server: RedisServer = await side.server(random)
  server.freeze()
  await sleep(ms)
  server.thaw()
}

/** Where it stays unknown what became of the step, both may answer. */
async function changeAuthority(scene: Scene, step: () => Promise<unknown>): Promise<void> {
  expectAuthority(scene, 'source', 'target')
  try {
    await step()
  } finally {
    expectAuthority(scene, await authorityOf(scene))
  }
}

const clustersOf = ({ sides }: Scene): RedisCluster[] => Object.values(sides).flatMap(({ cluster }) => cluster ?? [])

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
  cutover: async (scene) => {
    const { ferry } = scene
    await ferry.post('/v1/mover/start').catch(() => undefined)
    await ferry.untilStatus(
      'everything to be copied',
      ({ coveragePercent, journal }) => coveragePercent === 100 && journal.resyncNeeded === null,
      1_500,
    )
    await changeAuthority(scene, () => ferry.step('cutover'))
  },
  rollback: (scene) => changeAuthority(scene, () => scene.ferry.step('rollback', { to: 'mirror' })),
  policy: (scene, random) => {
    const writePolicy = random.pick(writePolicies)
    return changeAuthority(scene, () => scene.ferry.traffic({ writePolicy }))
  },
  reads: ({ ferry }, random) => ferry.traffic({ readMode: random.pick(readModes), readPercentage: random.between(0, 100) }),
  killFollower: async (scene, random) => (await follower(scene)).killLanes(random),
  killAuthority: async (scene, random) => (await authority(scene)).killLanes(random),
  freezeFollower: async (scene, random) => freeze(await follower(scene), random, 200),
  /** Longer than Ferry waits for a follower. */
  freezeLong: async (scene, random) => freeze(await follower(scene), random, 700),
  cutFollower: async (scene, random) => cutOff(await proxyOf(follower(scene), random), random),
  cutAuthority: async (scene, random) => cutOff(await proxyOf(authority(scene), random), random),
  orphanFollower: async (scene, random) => orphan(await proxyOf(follower(scene), random), random),
  orphanAuthority: async (scene, random) => orphan(await proxyOf(authority(scene), random), random),
  delay: async ({ sides: { source, target } }, random) => {
    const proxy = random.pick(random.pick([source, target]).proxies)
    proxy.delay(random.between(1, 5))
    await sleep(200)
    proxy.pass()
  },
  moveSlot: (scene, random) => moveSlot(random.pick(clustersOf(scene)), random),
  failover: (scene, random) => failover(random.pick(clustersOf(scene)), random),
  restart: ({ ferry }) => ferry.restart(),
  crash: async ({ ferry }) => {
    await ferry.kill9()
    await ferry.restart()
  },
}

export const deedNames = Object.keys(deeds)
/** Those that can be done to this scene. */
export function deedsOf(scene: Scene): readonly string[] {
  const [cluster] = clustersOf(scene)
  const impossible = [...(cluster === undefined ? ['moveSlot'] : []), ...(cluster?.hasReplicas ? [] : ['failover'])]
  return deedNames.filter((name) => !impossible.includes(name))
}

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
    const delayMs = random.between(3, 5)
    for (const proxy of (await authority(scene)).proxies) proxy.delay(delayMs)
    await scene.ferry.post('/v1/mover/start').catch(() => undefined)
  }
  if (finale === 'crash') {
    const { proxies } = await (random.chance(0.7) ? follower(scene) : authority(scene))
    for (const proxy of proxies) proxy.stall('to-server')
    await sleep(random.between(20, 150))
    const killed = scene.ferry.kill9()
    for (const proxy of proxies) proxy.cut()
    await killed
    for (const proxy of proxies) proxy.pass()
  }
  await until(over, { what: 'the load to be over' })
  for (const { proxies } of Object.values(scene.sides)) for (const proxy of proxies) proxy.pass()
}
