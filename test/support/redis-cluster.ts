/** A real cluster for tests: nodes as redis-server.ts starts them, joined over the wire. Loopback only. */
import type { Redis } from 'ioredis'
import { slotCount, slotOf } from '../../src/routing/slot.ts'
import { freePort, type RedisServer, startRedis } from './redis-server.ts'
import { until } from './wait.ts'

export type SlotRange = readonly [first: number, last: number]

export interface StartClusterOptions {
  /** Default 3. */
  primaries?: number
  /** Replicas of each primary. Default 0. */
  replicas?: number
  /** One of engineNames(); absent: the redis-server on PATH. */
  engine?: string
  /** Ranges per primary; slots that are in none stay unassigned. Default: equal parts, in order. */
  slots?: readonly (readonly SlotRange[])[]
  /** Whether all slots have to be served for any to be. Default true, as a server's. */
  fullCoverage?: boolean
  /** After how long without an answer a node is taken for failed. Default 2000. */
  nodeTimeoutMs?: number
  /** Asked for by all nodes, and used between them. */
  password?: string
  /** Default 1, which is all that most engines can. */
  databases?: number
  /** Further server flags for every node. */
  args?: readonly string[]
}

/** One line of CLUSTER NODES. */
interface NodeLine {
  readonly id: string
  readonly flags: readonly string[]
  readonly primaryId: string | null
  readonly ranges: readonly SlotRange[]
}

export class ClusterNode {
  readonly id: string
  readonly server: RedisServer
  readonly busPort: number
  /** For the harness and for tests: reaches this node and follows no redirection. */
  readonly client: Redis
  /** Frozen or killed by the cluster's methods: it is asked nothing. */
  silent = false

  constructor(id: string, server: RedisServer, busPort: number, client: Redis) {
    this.id = id
    this.server = server
    this.busPort = busPort
    this.client = client
  }

  get port(): number {
    return this.server.port
  }

  cluster(...words: (string | number)[]): Promise<unknown> {
    return this.client.call('CLUSTER', ...words)
  }

  /** Its view of all nodes. */
  async lines(): Promise<NodeLine[]> {
    return parseNodes(String(await this.cluster('NODES')))
  }
}

/** A server takes 2 s from its start until it says `cluster_state:ok`. While it does, a short timeout makes the nodes talk more often. */
const joiningTimeoutMs = 600
const joinLimitMs = 20_000
const takeOverLimitMs = 20_000
const moveLimitMs = 5_000
const startsMax = 3

export async function startCluster(options: StartClusterOptions = {}): Promise<RedisCluster> {
  const cluster = new RedisCluster(options)
  try {
    await cluster.form()
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return cluster
}

export class RedisCluster {
  /** In the order they were started: the primaries, then the first replica of each, and so on. The killed ones stay in it. */
  readonly nodes: ClusterNode[] = []
  readonly #options: StartClusterOptions
  readonly #migrating = new Map<number, { from: ClusterNode; to: ClusterNode }>()

  /** Use startCluster(). */
  constructor(options: StartClusterOptions) {
    this.#options = options
  }

  /** Names the nodes that answer: `redis-cluster://127.0.0.1:p,127.0.0.1:p`. */
  get url(): string {
    const { password } = this.#options
    const hosts = this.#heard.map(({ port }) => `127.0.0.1:${port}`).join(',')
    return `redis-cluster://${password === undefined ? '' : `:${password}@`}${hosts}`
  }

  get hasReplicas(): boolean {
    return (this.#options.replicas ?? 0) > 0
  }

  /** Only servers that move a slot as a whole can have several: keys are moved one by one in database 0 alone. */
  get severalDatabases(): boolean {
    return (this.#options.databases ?? 1) > 1
  }

  get #heard(): ClusterNode[] {
    return this.nodes.filter(({ silent }) => !silent)
  }

  /** Starts and joins all nodes. Only for startCluster(). */
  async form(): Promise<void> {
    const { primaries = 3, replicas = 0, slots = equalParts(primaries), nodeTimeoutMs = 2_000 } = this.#options
    await this.#launch(primaries * (1 + replicas))
    // A node that knows others no longer takes an epoch; one that has slots says so in its first words to the others.
    await Promise.all(
      this.nodes.map(async (node, index) => {
        await node.cluster('SET-CONFIG-EPOCH', index + 1)
        const ranges = index < primaries ? (slots[index] ?? []) : []
        if (ranges.length > 0) await node.cluster('ADDSLOTSRANGE', ...ranges.flat())
      }),
    )
    await this.#introduce(this.nodes)
    await this.#untilAllKnown()
    await Promise.all(
      this.nodes
        .slice(primaries)
        .map((node, index) => node.cluster('REPLICATE', (this.nodes[index % primaries] as ClusterNode).id)),
    )
    await this.untilAgreed()
    await this.#configure(this.nodes, nodeTimeoutMs)
  }

  /** The primaries as the cluster sees them now, also those without slots. */
  async primaries(): Promise<ClusterNode[]> {
    const lines = await this.#view()
    return lines.filter(isServing).flatMap(({ id }) => this.#find(id) ?? [])
  }

  /** The replicas of a node that are neither killed nor frozen. */
  async replicasOf(primary: ClusterNode): Promise<ClusterNode[]> {
    const lines = await this.#view()
    const ids = lines.filter(({ primaryId }) => primaryId === primary.id).map(({ id }) => id)
    return ids.flatMap((id) => this.#find(id) ?? []).filter(({ silent }) => !silent)
  }

  /** Of a slot, or of a key's slot. */
  async primaryOf(slotOrKey: number | string): Promise<ClusterNode> {
    const slot = typeof slotOrKey === 'number' ? slotOrKey : slotOfKey(slotOrKey)
    const line = (await this.#view()).find((candidate) => owns(candidate, slot))
    const node = line && this.#find(line.id)
    if (node === undefined) throw new Error(`no node owns slot ${slot}`)
    return node
  }

  /** From here on the owner answers ASK for the keys of the slot that it does not have, and TRYAGAIN where it has some of several. */
  async beginMigration(slot: number, to: ClusterNode): Promise<void> {
    const from = await this.primaryOf(slot)
    if (from === to) throw new Error(`node ${to.port} owns slot ${slot} already`)
    await to.cluster('SETSLOT', slot, 'IMPORTING', from.id)
    await from.cluster('SETSLOT', slot, 'MIGRATING', to.id)
    this.#migrating.set(slot, { from, to })
  }

  /** Moves so many keys of a slot under migration, or all of them, and says how many those were. */
  async moveKeys(slot: number, most = Number.POSITIVE_INFINITY): Promise<number> {
    const { from, to } = this.#migration(slot)
    const { password } = this.#options
    const auth = password === undefined ? [] : ['AUTH', password]
    let moved = 0
    while (moved < most) {
      const keys = (await from.client.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, Math.min(100, most - moved))) as Buffer[]
      if (keys.length === 0) break
      await from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, ...auth, 'KEYS', ...keys)
      moved += keys.length
    }
    return moved
  }

  /** Gives the slot to the new owner, whatever keys the old one has left (it drops them), and waits until all nodes know. */
  async finishMigration(slot: number): Promise<void> {
    const { from, to } = this.#migration(slot)
    await to.cluster('SETSLOT', slot, 'NODE', to.id)
    await from.cluster('SETSLOT', slot, 'NODE', to.id)
    this.#migrating.delete(slot)
    await this.untilAgreed()
  }

  /** A slot with its keys. */
  async moveSlot(slot: number, to: ClusterNode): Promise<void> {
    await this.beginMigration(slot, to)
    await this.moveKeys(slot)
    await this.finishMigration(slot)
  }

  /** Valkey 9: the server itself moves the slot, in all databases, and it changes hands at one moment. */
  async moveSlotWhole(slot: number, to: ClusterNode): Promise<void> {
    const from = await this.primaryOf(slot)
    await from.cluster('MIGRATESLOTS', 'SLOTSRANGE', slot, slot, 'NODE', to.id)
    const what = `slot ${slot} to change hands`
    const ended = async (): Promise<string | null> => {
      if ((await this.primaryOf(slot)) === to) return 'moved'
      const [job = []] = (await from.cluster('GETSLOTMIGRATIONS')) as string[][]
      const field = (name: string): string => String(job[job.indexOf(name) + 1])
      return /failed|cancell?ed/.test(field('state')) ? `${field('state')}: ${field('message')}` : null
    }
    const outcome = await until(ended, { timeoutMs: moveLimitMs, what }).catch(async (error: Error) => {
      await from.cluster('CANCELSLOTMIGRATIONS').catch(() => undefined)
      return error.message
    })
    if (outcome !== 'moved') throw new Error(`${what}: ${outcome}`)
    await this.untilAgreed()
  }

  /** CLUSTER FAILOVER: a replica of this primary takes over without losing a write. Answers the new primary once all know it. */
  async failover(primary: ClusterNode): Promise<ClusterNode> {
    const [replica] = await this.replicasOf(primary)
    if (replica === undefined) throw new Error(`node ${primary.port} has no replica`)
    await replica.cluster('FAILOVER')
    await until(async () => (await this.primaries()).includes(replica), { timeoutMs: takeOverLimitMs, what: 'the failover' })
    await this.untilAgreed()
    return replica
  }

  /** SIGKILL. Where it was a primary with a replica, waits until that took over and answers it; else null. */
  kill(node: ClusterNode): Promise<ClusterNode | null> {
    return this.#silence(node, () => node.server.kill9())
  }

  /** SIGSTOP, and the same as kill() else. */
  freeze(node: ClusterNode): Promise<ClusterNode | null> {
    return this.#silence(node, () => node.server.freeze())
  }

  /** Undoes freeze(), and waits until the node has learnt what the others know: it may be a replica from now on. */
  async thaw(node: ClusterNode): Promise<void> {
    node.server.thaw()
    node.silent = false
    await this.untilAgreed()
  }

  /** A primary without slots, known to all. */
  async addPrimary(): Promise<ClusterNode> {
    const { nodeTimeoutMs = 2_000 } = this.#options
    const [node] = await this.#launch(1)
    if (node === undefined) throw new Error('no node was started')
    await this.#introduce([node])
    await this.#untilAllKnown()
    await this.untilAgreed()
    await this.#configure([node], nodeTimeoutMs)
    return node
  }

  /** Waits until all nodes that answer name the same owners for all slots, are content, and replicas are in step. */
  async untilAgreed(): Promise<void> {
    const agreed = async (): Promise<boolean> => {
      const views = await Promise.all(this.#heard.map((node) => node.lines()))
      return new Set(views.map(digest)).size === 1
    }
    await until(agreed, { timeoutMs: joinLimitMs, what: 'the nodes to agree' })
    await this.#untilContent()
  }

  /** Ends all nodes. Can be repeated. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.stop()))
  }

  async #silence(node: ClusterNode, silence: () => Promise<void> | void): Promise<ClusterNode | null> {
    const heirs = await this.replicasOf(node)
    node.silent = true
    await silence()
    if (heirs.length === 0) return null
    const takenOver = async (): Promise<ClusterNode | null> => {
      for (const heir of heirs) if ((await heir.lines()).some((line) => isSelf(line) && isServing(line))) return heir
      return null
    }
    const heir = await until(takenOver, { timeoutMs: takeOverLimitMs, what: 'a replica to take over' })
    await this.untilAgreed()
    return heir
  }

  #migration(slot: number): { from: ClusterNode; to: ClusterNode } {
    const migration = this.#migrating.get(slot)
    if (migration === undefined) throw new Error(`slot ${slot} is not under migration`)
    return migration
  }

  #find(id: string): ClusterNode | undefined {
    return this.nodes.find((node) => node.id === id)
  }

  /** As one of the nodes sees it. */
  async #view(): Promise<NodeLine[]> {
    const node = this.#heard[0]
    if (node === undefined) throw new Error('no node is left to ask')
    return node.lines()
  }

  /** Starts nodes side by side and keeps them; when one does not start, stop() still ends the others. */
  async #launch(count: number): Promise<ClusterNode[]> {
    const attempts = await Promise.allSettled(Array.from({ length: count }, () => startNode(this.#options)))
    const started = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    this.nodes.push(...started)
    for (const attempt of attempts) if (attempt.status === 'rejected') throw attempt.reason
    return started
  }

  /** Everyone meets everyone, which is quicker than by hearsay. */
  async #introduce(newcomers: readonly ClusterNode[]): Promise<void> {
    const others = this.#heard
    await Promise.all(
      newcomers.flatMap((node) =>
        others.filter((other) => other !== node).map(({ port, busPort }) => node.cluster('MEET', '127.0.0.1', port, busPort)),
      ),
    )
  }

  async #untilAllKnown(): Promise<void> {
    const ids = this.#heard.map(({ id }) => id)
    const known = async (): Promise<boolean> => {
      const views = await Promise.all(this.#heard.map((node) => node.lines()))
      return views.every((lines) => ids.every((id) => lines.some((line) => line.id === id && !line.flags.includes('handshake'))))
    }
    await until(known, { timeoutMs: joinLimitMs, what: 'the nodes to know each other' })
  }

  async #untilContent(): Promise<void> {
    const ok = async (): Promise<boolean> => {
      const answers = await Promise.all(
        this.#heard.map(async (node) => ({
          cluster: String(await node.cluster('INFO')),
          replication: await node.client.info('replication'),
        })),
      )
      return answers.every(({ cluster, replication }) => {
        return cluster.includes('cluster_state:ok') && !replication.includes('master_link_status:down')
      })
    }
    await until(ok, { timeoutMs: joinLimitMs, what: 'cluster_state:ok on every node and replicas in step' })
  }

  async #configure(nodes: readonly ClusterNode[], nodeTimeoutMs: number): Promise<void> {
    for (const { client } of nodes) {
      await client.config('SET', 'cluster-node-timeout', nodeTimeoutMs)
      await client.config('SET', 'cluster-replica-no-failover', 'no')
    }
  }
}

async function startNode({
  engine,
  fullCoverage = true,
  password,
  databases = 1,
  args = [],
}: StartClusterOptions): Promise<ClusterNode> {
  for (let starts = 1; ; starts++) {
    const busPort = await freePort()
    const flags = [
      ...['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, '--cluster-node-timeout', `${joiningTimeoutMs}`],
      ...['--cluster-require-full-coverage', fullCoverage ? 'yes' : 'no', '--cluster-allow-replica-migration', 'no'],
      // With so short a timeout a busy machine would make replicas primaries before a test begins.
      ...['--cluster-replica-no-failover', 'yes'],
      ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'],
      ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
      ...(databases === 1 ? [] : ['--cluster-databases', `${databases}`]),
    ]
    try {
      const server = await startRedis({ ...(engine === undefined ? {} : { engine }), args: [...flags, ...args] })
      const client = server.client(password === undefined ? {} : { password })
      return new ClusterNode(String(await client.call('CLUSTER', 'MYID')), server, busPort, client)
    } catch (error) {
      // Somebody else was quicker to take the port of its bus.
      if (starts === startsMax || !/in use/i.test(String(error))) throw error
    }
  }
}

export const slotOfKey = (key: string): number => {
  const bytes = Buffer.from(key)
  return slotOf(bytes, 0, bytes.length)
}

function equalParts(primaries: number): SlotRange[][] {
  const bound = (index: number): number => Math.round((index * slotCount) / primaries)
  return Array.from({ length: primaries }, (_, index) => [[bound(index), bound(index + 1) - 1]])
}

const isSelf = ({ flags }: NodeLine): boolean => flags.includes('myself')
const isServing = ({ flags }: NodeLine): boolean => flags.includes('master') && !flags.includes('fail')
const owns = ({ ranges }: NodeLine, slot: number): boolean => ranges.some(([first, last]) => first <= slot && slot <= last)

/** What all nodes have to say alike: who has which slots, who follows whom. */
const digest = (lines: readonly NodeLine[]): string =>
  lines
    .map(({ id, primaryId, ranges }) => `${id} ${primaryId} ${ranges.join()}`)
    .sort()
    .join('\n')

function parseNodes(text: string): NodeLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', , flags = '', primaryId = '-', , , , , ...slots] = line.split(' ')
      const ranges = slots
        .filter((slot) => !slot.startsWith('['))
        .map((slot): SlotRange => {
          const [first, last = first] = slot.split('-').map(Number)
          return [first as number, last as number]
        })
      return { id, flags: flags.split(','), primaryId: primaryId === '-' ? null : primaryId, ranges }
    })
}
