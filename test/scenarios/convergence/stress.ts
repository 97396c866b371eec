/**
 * Two real servers, Ferry between them behind proxies that misbehave, random clients, and an operator who never rests. When it is
 * quiet again the journal has to become empty and both sides have to be equal, whatever happened before.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StatusDocument } from '../../../src/control/schemas.ts'
import { type Comparison, compareServers } from '../../../src/demo/compare.ts'
import { ControlClient } from '../../../src/demo/control-client.ts'
import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { freePort, Servers } from '../../../src/demo/servers.ts'
import { readModes, writePolicies } from '../../../src/routing/modes.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
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
  readonly seed: number
  readonly load: LoadReport
  readonly deeds: Readonly<Record<string, number>>
  readonly comparison: Comparison
  readonly status: StatusDocument
  readonly log: string
}

const settleLimitMs = 60_000
const ttlToleranceMs = 100

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))

class Stage {
  readonly source: RedisServer
  readonly target: RedisServer
  readonly toSource: ChaosProxy
  readonly toTarget: ChaosProxy
  readonly servers: Servers
  readonly port: number
  readonly controlUrl: string
  readonly control: ControlClient

  static async set(): Promise<Stage> {
    const [source, target] = [await startRedis({ args: ['--hz', '50'] }), await startRedis()]
    const [toSource, toTarget] = [await ChaosProxy.start(source.port), await ChaosProxy.start(target.port)]
    const servers = new Servers('ferry-convergence-')
    const [port, controlPort] = [await freePort(), await freePort()]
    const file = join(servers.directory, 'ferry.yaml')
    writeFileSync(
      file,
      `source: {url: "${toSource.url}"}
target: {url: "${toTarget.url}"}
listen: ["127.0.0.1:${port}"]
control: "127.0.0.1:${controlPort}"
phase: mirror
limits: {followerTimeoutMs: 400, authorityWaitMs: 2000}
mover: {batchKeys: 16}
`,
    )
    const child = servers.start('ferry', process.execPath, [main, 'serve', '-c', file])
    const controlUrl = `http://127.0.0.1:${controlPort}`
    await servers.until(child, 'ferry', async () => (await fetch(`${controlUrl}/readyz`).catch(() => null))?.ok === true)
    return new Stage({ source, target, toSource, toTarget, servers, port, controlUrl })
  }

  private constructor(parts: Pick<Stage, 'source' | 'target' | 'toSource' | 'toTarget' | 'servers' | 'port' | 'controlUrl'>) {
    this.source = parts.source
    this.target = parts.target
    this.toSource = parts.toSource
    this.toTarget = parts.toTarget
    this.servers = parts.servers
    this.port = parts.port
    this.controlUrl = parts.controlUrl
    this.control = new ControlClient(parts.controlUrl)
  }

  async clear(): Promise<void> {
    await this.servers.stop()
    for (const proxy of [this.toSource, this.toTarget]) await proxy.stop()
    for (const server of [this.source, this.target]) await server.stop()
  }
}

async function setTraffic({ controlUrl }: Stage, patch: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${controlUrl}/v1/traffic`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(patch),
  })
  if (!response.ok) throw new Error(await response.text())
}

type Deed = (stage: Stage, random: Random) => Promise<unknown>

/** Ends the connections that carry commands and leaves the ones that listen: what expires meanwhile is still seen. */
async function killLanes(server: RedisServer): Promise<void> {
  const connection = await RawConnection.open(server.port)
  await connection.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').finally(() => connection.close())
}

const users = [null, 'anna', 'bert'] as const

async function addUsers(server: RedisServer): Promise<void> {
  const connection = await RawConnection.open(server.port)
  for (const user of users)
    if (user !== null) await connection.command('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
  connection.close()
}

const authorityOf = async ({ control }: Stage): Promise<string> => (await control.status()).authority
const followerOf = async (stage: Stage): Promise<RedisServer> =>
  (await authorityOf(stage)) === 'source' ? stage.target : stage.source
const authorityServer = async (stage: Stage): Promise<RedisServer> =>
  (await authorityOf(stage)) === 'source' ? stage.source : stage.target

async function freeze(server: RedisServer, ms: number): Promise<void> {
  server.freeze()
  await sleep(ms)
  server.thaw()
}

/** The server runs commands whose replies never come; the rest of them never arrives. */
async function cutOff(proxy: ChaosProxy, random: Random): Promise<void> {
  proxy.stall(random.chance(0.5) ? 'to-client' : 'to-server')
  await sleep(random.between(1, 30))
  proxy.cut()
  proxy.pass()
}

/** Network and operator; an operator's step that is refused is as good as one that is not. */
const deeds: Readonly<Record<string, Deed>> = {
  copy: ({ control }) => control.post('/v1/mover/start'),
  pauseCopy: async ({ control }) => {
    await control.post('/v1/mover/pause')
    await sleep(30)
    await control.post('/v1/mover/resume')
  },
  stopCopy: ({ control }) => control.post('/v1/mover/stop'),
  killFollower: async (stage) => killLanes(await followerOf(stage)),
  killAuthority: async (stage) => killLanes(await authorityServer(stage)),
  freezeFollower: async (stage) => freeze(await followerOf(stage), 200),
  freezeLong: async (stage) => freeze(await followerOf(stage), 700),
  cutover: ({ control }) => control.post('/v1/migration/cutover'),
  rollback: ({ control }) => control.post('/v1/migration/rollback', { to: 'mirror' }),
  ramp: ({ control }, random) => control.post('/v1/migration/ramp', { percent: random.between(1, 100) }),
  policy: (stage, random) => setTraffic(stage, { writePolicy: random.pick(writePolicies) }),
  reads: (stage, random) => setTraffic(stage, { readMode: random.pick(readModes), readPercentage: random.between(0, 100) }),
  cutFollower: async (stage, random) => cutOff((await authorityOf(stage)) === 'source' ? stage.toTarget : stage.toSource, random),
  cutAuthority: async (stage, random) =>
    cutOff((await authorityOf(stage)) === 'source' ? stage.toSource : stage.toTarget, random),
  delay: async ({ toTarget }, random) => {
    toTarget.delay(random.between(1, 5))
    await sleep(200)
    toTarget.pass()
  },
}

export const deedNames = Object.keys(deeds)
/** These end the connections that tell of expiries as well; what expires meanwhile goes unseen, and Ferry says so. */
const blinding = ['cutFollower', 'cutAuthority']

export async function stress(options: StressOptions): Promise<StressReport> {
  const { seed, seconds, clients = 12, deeds: allowed = deedNames, log = () => undefined } = options
  const mix = { shortLived: options.shortLived ?? true, flush: options.flush ?? true, scripts: options.scripts ?? true }
  const possible = mix.shortLived ? allowed.filter((name) => !blinding.includes(name)) : allowed
  const random = new Random(seed)
  const stage = await Stage.set()
  try {
    if (options.users) for (const server of [stage.source, stage.target]) await addUsers(server)
    const load = newReport()
    const done: Record<string, number> = {}
    const endMs = performance.now() + seconds * 1000
    const over = (): boolean => performance.now() > endMs
    const running = Array.from({ length: clients }, (_, id) =>
      new LoadClient({
        id,
        seed: random.below(2 ** 31),
        mix,
        port: stage.port,
        user: options.users ? (users[id % users.length] ?? null) : null,
        report: load,
        stopped: over,
      }).run(),
    )
    while (!over()) {
      await sleep(random.between(5, 150))
      const name = random.pick(possible)
      const outcome = await (deeds[name] as Deed)(stage, random).then(
        () => 'done',
        (error: Error) => error.message,
      )
      log(`${name}: ${outcome}`)
      done[`${name}${outcome === 'done' ? '' : ' refused'}`] = (done[`${name}${outcome === 'done' ? '' : ' refused'}`] ?? 0) + 1
    }
    await Promise.all(running)
    const status = await settled(stage, log)
    const comparison = await compareServers(stage.source.port, stage.target.port, ttlToleranceMs)
    return { seed, load, deeds: done, comparison, status, log: stage.servers.logTail('ferry', 400) }
  } finally {
    await stage.clear()
  }
}

/** Nothing in flight, nothing dirty, everything copied; where a copy is still due, it is started, as an operator would. */
async function settled({ control, servers }: Stage, log: (line: string) => void): Promise<StatusDocument> {
  const deadlineMs = performance.now() + settleLimitMs
  let quietSince = 0
  for (;;) {
    const status = await control.status()
    const { journal, mover, source, target } = status
    const copyDue = journal.resyncNeeded !== null || status.coveragePercent < 100
    if (copyDue && mover.state !== 'running') await control.post('/v1/mover/start').catch((error: Error) => log(error.message))
    const quiet =
      !copyDue &&
      journal.dirtyKeys === 0 &&
      journal.openHolds === 0 &&
      source.inFlight + target.inFlight === 0 &&
      mover.state !== 'running'
    if (!quiet) quietSince = 0
    else if (quietSince === 0) quietSince = performance.now()
    else if (performance.now() - quietSince > 300) return status
    if (performance.now() > deadlineMs) {
      throw new Error(
        `it does not become quiet: ${JSON.stringify({ journal, mover, source, target })}\n${servers.logTail('ferry', 60)}`,
      )
    }
    await sleep(20)
  }
}
