/** One side of the scene, a single server or a cluster, with what the network and an operator can do to it. */
import type { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { slotCount } from '../../../src/routing/slot.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { type ClusterNode, type RedisCluster, type SlotRange, startCluster } from '../../support/redis-cluster.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { SideReader } from './side-reader.ts'

export const topologies = ['single', 'cluster'] as const
export type Topology = (typeof topologies)[number]

export interface SceneSide {
  /** For Ferry: through the proxies. */
  readonly url: string
  /** Of a server whose commands are those of all. */
  readonly port: number
  /** Null on a single server. */
  readonly cluster: RedisCluster | null
  /** One per server. */
  readonly proxies: readonly ChaosProxy[]
  open(): Promise<SideReader>
  /** Ends the connections that carry commands and leaves the ones that listen: what expires meanwhile is still seen. */
  killLanes(random: Random): Promise<void>
  /** Some server with data that can be stopped and woken. */
  server(random: Random): Promise<RedisServer>
  /** Something said to every server, replicas too. */
  tellAll(...argv: string[]): Promise<void>
  stop(): Promise<void>
}

export interface SideSettings {
  readonly topology: Topology
  /** Absent: the server on PATH. */
  readonly engine: string | undefined
  /** Of a cluster: ranges of slots for each primary, or how many equal ones. */
  readonly slots: readonly (readonly SlotRange[])[]
  readonly replicas: number
  /** Of a cluster; 1 is all that most servers can. */
  readonly databases: number
}

export const startSide = (settings: SideSettings): Promise<SceneSide> =>
  settings.topology === 'single' ? SingleSide.start(settings) : ClusterSide.start(settings)

/** `count` primaries that each own every count-th part of so many slots. */
export function interleavedSlots(count: number, parts: number): SlotRange[][] {
  const bound = (part: number): number => Math.round((part * slotCount) / parts)
  const ranges = Array.from({ length: parts }, (_, part): SlotRange => [bound(part), bound(part + 1) - 1])
  return Array.from({ length: count }, (_, primary) => ranges.filter((_, part) => part % count === primary))
}

const killing = ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'] as const

async function told(port: number, argv: readonly string[]): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.command(...argv).finally(() => connection.close())
}

class SingleSide implements SceneSide {
  readonly cluster = null
  readonly #server: RedisServer
  readonly #proxy: ChaosProxy

  static async start({ engine }: SideSettings): Promise<SceneSide> {
    const server = await startRedis(engine === undefined ? {} : { engine })
    return new SingleSide(server, await ChaosProxy.start(server.port))
  }

  private constructor(server: RedisServer, proxy: ChaosProxy) {
    this.#server = server
    this.#proxy = proxy
  }

  get url(): string {
    return this.#proxy.url
  }

  get port(): number {
    return this.#server.port
  }

  get proxies(): readonly ChaosProxy[] {
    return [this.#proxy]
  }

  open(): Promise<SideReader> {
    return SideReader.single(this.port)
  }

  killLanes(): Promise<void> {
    return told(this.port, killing)
  }

  async server(): Promise<RedisServer> {
    return this.#server
  }

  tellAll(...argv: string[]): Promise<void> {
    return told(this.port, argv)
  }

  async stop(): Promise<void> {
    await this.#proxy.stop()
    await this.#server.stop()
  }
}

/** Far longer than anything is frozen: nobody is to take its place. */
const nodeTimeoutMs = 8_000

/** Each node has a proxy, whose port it names as its own. */
class ClusterSide implements SceneSide {
  readonly cluster: RedisCluster
  readonly proxies: readonly ChaosProxy[]

  static async start({ engine, slots, replicas, databases }: SideSettings): Promise<SceneSide> {
    const cluster = await startCluster({
      ...(engine !== undefined && { engine }),
      primaries: slots.length,
      slots,
      replicas,
      nodeTimeoutMs,
      databases,
    })
    const proxies = await Promise.all(cluster.nodes.map(({ port }) => ChaosProxy.start(port)))
    const side = new ClusterSide(cluster, proxies)
    await side.#announce()
    return side
  }

  private constructor(cluster: RedisCluster, proxies: readonly ChaosProxy[]) {
    this.cluster = cluster
    this.proxies = proxies
  }

  get url(): string {
    return `redis-cluster://${this.proxies.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  }

  get port(): number {
    return (this.cluster.nodes[0] as ClusterNode).port
  }

  open(): Promise<SideReader> {
    return SideReader.cluster(this.cluster)
  }

  /** The harness has a connection of its own to each, which is not to go. */
  async killLanes(random: Random): Promise<void> {
    const primaries = await this.cluster.primaries()
    const victims = random.chance(0.5) ? primaries : [random.pick(primaries)]
    await Promise.all(victims.map(({ client }) => client.call(...killing)))
  }

  async server(random: Random): Promise<RedisServer> {
    return random.pick(await this.cluster.primaries()).server
  }

  async tellAll(...[name = '', ...args]: string[]): Promise<void> {
    await Promise.all(this.cluster.nodes.map(({ client }) => client.call(name, ...args)))
  }

  async stop(): Promise<void> {
    for (const proxy of this.proxies) await proxy.stop()
    await this.cluster.stop()
  }

  async #announce(): Promise<void> {
    const { nodes } = this.cluster
    await Promise.all(nodes.map(({ client }, i) => client.config('SET', 'cluster-announce-port', this.#proxyPort(i))))
    const known = async (): Promise<boolean> => {
      const texts = await Promise.all(nodes.map(async (node) => String(await node.cluster('NODES'))))
      return texts.every((text) => nodes.every(({ id }, i) => text.includes(`${id} 127.0.0.1:${this.#proxyPort(i)}@`)))
    }
    await until(known, { timeoutMs: 20_000, what: 'the nodes to name their proxies' })
  }

  #proxyPort(index: number): number {
    return (this.proxies[index] as ChaosProxy).port
  }
}
