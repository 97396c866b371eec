/**
 * What is known about one cluster: who owns which slot. Read anew when a server redirects or is lost, and every so often. One per side,
 * shared by all wires to it; each wire decides itself when it follows a new map, since its commands must not overtake each other.
 */
import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { slotCount, slotOf } from '../routing/slot.ts'
import {
  type ClusterNode,
  changeBetween,
  parseSlotMap,
  type Redirection,
  type SlotMap,
  type SlotOwner,
  slotsInTransit,
} from '../routing/slot-map.ts'
import { connectClient } from '../upstream/client-factory.ts'
import { type Endpoint, endpointAt, type KeyPlace } from '../upstream/endpoint.ts'

/** How often the map is read when nothing happens: a failover that no command met is noticed within this. */
const refreshEveryMs = 2_000
/** While a server is lost, or the map could not be read. */
const refreshSoonMs = 200
/** Two readings that redirections ask for lie at least this far apart. */
const refreshGapMs = 50
const slotKeysMore = 1_000

export interface TopologyListener {
  /** A new map is there. */
  mapChanged(map: SlotMap): void
}

export class Topology {
  readonly endpoint: Endpoint
  /** Null until it was read for the first time. */
  map: SlotMap | null = null
  /** Stands for the data of all servers, 40 hex digits: another one means that some of it may be lost. Null until it is known. */
  identity: string | null = null
  /** Told with the reason when `identity` changed. `restarted`: a server may have come back with nothing at all. */
  lostData: (reason: string, restarted: boolean) => void = () => undefined
  lastError = 'the cluster was not asked yet'
  /** How many databases it has: 1 for all but newer Valkey servers that were told so. */
  databases = 1
  readonly #listeners = new Set<TopologyListener>()
  /** By address: clients for questions about the cluster itself. */
  readonly #clients = new Map<string, Redis>()
  /** Every server that ever was a primary, in the order in which a scan visits them. */
  readonly #scanOrder: string[] = []
  readonly #runIds = new Map<string, string>()
  /** How many maps differed from the one before. */
  version = 0
  #digest: string | null = null
  /** By slot, the version with which it changed hands last. */
  readonly #movedWith = new Int32Array(slotCount)
  readonly #waiting: (() => void)[] = []
  /** Killings of lost connections that are not confirmed. */
  #fences = 0
  #lost = 0
  #timer: NodeJS.Timeout | null = null
  /** When it goes off; clock of `performance.now`. */
  #dueMs = 0
  #reading: Promise<void> | null = null
  #stopped = false

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  start(): void {
    void this.refresh()
  }

  stop(): void {
    this.#stopped = true
    this.#unset()
    for (const client of this.#clients.values()) client.disconnect()
    this.#clients.clear()
  }

  listen(listener: TopologyListener): void {
    this.#listeners.add(listener)
  }

  forget(listener: TopologyListener): void {
    this.#listeners.delete(listener)
  }

  /** `ready` is called once the map is known and nothing of a lost connection can run any more. */
  whenReady(ready: () => void): void {
    if (this.#isReady) ready()
    else this.#waiting.push(ready)
  }

  /** A wire has lost a server and not found it again, or has found it. */
  missing(more: 1 | -1): void {
    this.#lost += more
    if (more === 1) this.#again(refreshSoonMs)
  }

  /** Reads the map; everybody who asks meanwhile gets the same one. */
  refresh(): Promise<void> {
    this.#unset()
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null
      this.#again(this.map === null || this.#lost > 0 ? refreshSoonMs : refreshEveryMs)
    })
    return this.#reading
  }

  /** What a redirection says; the whole map is read soon. A replica that has one slot of its primary has taken all of them. */
  redirected({ slot, host, port }: Redirection, askedHost: string): void {
    if (this.map === null) return
    const owner = this.#ownerAt(host === '' ? askedHost : host, port)
    const former = this.map.ownerOf(slot)
    if (former?.replicas.some(({ id }) => id === owner.id)) this.#adopt(this.map.takenOver(former, owner))
    else if (former?.id !== owner.id) this.#adopt(this.map.with(slot, owner))
    this.#again(refreshGapMs)
  }

  /** Who took the place of a server that is no primary any more; null = nobody did, or it is one. */
  heirOf(id: string): SlotOwner | null {
    return this.map?.owners.find(({ replicas }) => replicas.some((replica) => replica.id === id)) ?? null
  }

  /** The server at an address, known by now or not. */
  nodeAt(host: string, port: number): ClusterNode {
    return this.#ownerAt(host, port)
  }

  /** Null: nobody serves its slot, or the map is not known yet. */
  placeOf(db: number, key: Buffer): KeyPlace | null {
    const owner = this.map?.ownerOf(slotOf(key, 0, key.length)) ?? null
    return owner === null ? null : { endpoint: endpointAt(this.endpoint, owner.host, owner.port), db, key }
  }

  /** Where a scan goes on behind this one; null = it was the last. Keeps its order while servers come and go. */
  scanned(place: number): { place: number; node: SlotOwner } | null {
    const owners = new Map((this.map?.owners ?? []).map((owner) => [owner.id, owner]))
    for (let at = place; at < this.#scanOrder.length; at++) {
      const node = owners.get(this.#scanOrder[at] as string)
      if (node !== undefined) return { place: at, node }
    }
    return null
  }

  /** Who has which slot, and the order of a scan, which another process may have learned the servers in; 40 hex digits. */
  get digest(): string | null {
    const { map } = this
    if (map === null) return null
    this.#digest ??= digestOf(map, this.#scanOrder)
    return this.#digest
  }

  /** Slots that changed hands after this version. */
  movedSince(version: number): ReadonlySet<number> {
    const slots = new Set<number>()
    for (let slot = 0; slot < slotCount; slot++) if ((this.#movedWith[slot] as number) > version) slots.add(slot)
    return slots
  }

  /** Slots on their way between two servers: their keys may have gone from one that is not scanned yet to one that was. */
  async inTransit(): Promise<readonly number[]> {
    const slots = await Promise.all(
      (this.map?.owners ?? []).map(async (owner) => {
        const client = await this.#clientAt(owner.host, owner.port)
        return slotsInTransit(String(await client.call('CLUSTER', 'NODES')))
      }),
    )
    return [...new Set(slots.flat())]
  }

  /** Asked of the owner first: a key goes from there to another server, never back, so none is missed between two answers. */
  async keysIn(slot: number, db: number): Promise<readonly Buffer[]> {
    const owner = this.map?.ownerOf(slot) ?? null
    const others = (this.map?.owners ?? []).filter((other) => other !== owner)
    const keys = new Map<string, Buffer>()
    for (const { host, port } of owner === null ? others : [owner, ...others]) {
      const client = await this.#clientAt(host, port)
      if (this.databases > 1) await client.select(db)
      const count = Number(await client.call('CLUSTER', 'COUNTKEYSINSLOT', slot))
      if (count === 0) continue
      // More may have come since they were counted.
      const found = (await client.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, 2 * count + slotKeysMore)) as Buffer[]
      for (const key of found) keys.set(key.toString('latin1'), key)
    }
    return [...keys.values()]
  }

  libraries(): Promise<readonly ReadonlyMap<string, string>[]> {
    return Promise.all(
      (this.map?.owners ?? []).map(async ({ host, port }) => {
        const client = await this.#clientAt(host, port)
        const rows = (await client.call('FUNCTION', 'LIST', 'WITHCODE').catch((error: Error) => {
          // Before Redis 7 there are none.
          if (/unknown command/i.test(error.message)) return []
          throw error
        })) as string[][]
        const field = (row: string[], name: string): string => row[row.indexOf(name) + 1] ?? ''
        return new Map(rows.map((row) => [field(row, 'library_name'), field(row, 'library_code')]))
      }),
    )
  }

  /** Has the server end a connection that was lost with commands on it; a server that is no primary any more keeps nothing of them. */
  fence(node: ClusterNode, clientId: number): void {
    this.#fences++
    void this.#kill(node, clientId).finally(() => {
      this.#fences--
      this.#wake()
    })
  }

  get fencing(): boolean {
    return this.#fences > 0
  }

  async #kill(node: ClusterNode, clientId: number): Promise<void> {
    while (!this.#stopped && this.map?.owners.some(({ id }) => id === node.id)) {
      try {
        const client = await this.#clientAt(node.host, node.port)
        await client.call('CLIENT', 'KILL', 'ID', clientId)
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, refreshSoonMs))
      }
    }
  }

  get #isReady(): boolean {
    return this.map !== null && this.identity !== null && this.#fences === 0
  }

  #wake(): void {
    if (this.#isReady) for (const ready of this.#waiting.splice(0)) ready()
  }

  /** Whatever asks for it last: a stream of redirections does not put it off. */
  #again(inMs: number): void {
    if (this.#stopped || this.#reading !== null) return
    const dueMs = performance.now() + inMs
    if (this.#timer !== null && this.#dueMs <= dueMs) return
    this.#unset()
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => void this.refresh(), inMs)
  }

  #unset(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  async #read(): Promise<void> {
    for (const { host, port } of [...(this.map?.owners ?? []), ...this.endpoint.seeds]) {
      if (this.#stopped) return
      try {
        const client = await this.#clientAt(host, port)
        const map = parseSlotMap(await client.call('CLUSTER', 'SLOTS'), host)
        if (map.uncovered === 0 && map.owners.length === 0) throw new Error('the cluster serves no slots yet')
        await this.#askStarts(map)
        this.#adopt(map)
        return
      } catch (error) {
        this.lastError = `${host}:${port}: ${(error as Error).message}`
      }
    }
  }

  /** A primary that was started anew may have lost anything. */
  async #askStarts(map: SlotMap): Promise<void> {
    const first = this.identity === null
    await Promise.all(
      map.owners.map(async ({ id, host, port }) => {
        const client = await this.#clientAt(host, port).catch(() => null)
        const info = await client?.info('server').catch(() => null)
        const runId = /^run_id:(\S+)/m.exec(info ?? '')?.[1]
        if (runId === undefined) {
          if (first) throw new Error('it was not reachable')
          return
        }
        const known = this.#runIds.get(id)
        this.#runIds.set(id, runId)
        if (known !== undefined && known !== runId) this.#identify(`${host}:${port} was restarted`, true)
      }),
    )
    if (!first) return
    const [owner] = map.owners
    if (owner !== undefined) this.databases = await databasesOf(await this.#clientAt(owner.host, owner.port))
    this.#identify(null, false)
  }

  #identify(reason: string | null, restarted: boolean): void {
    const starts = [...this.#runIds].map(([id, runId]) => `${id} ${runId}`).sort()
    this.identity = createHash('sha1').update(starts.join('\n')).digest('hex')
    if (reason !== null) this.lostData(reason, restarted)
  }

  #adopt(map: SlotMap): void {
    const before = this.map
    this.map = map
    this.#digest = null
    for (const { id } of map.owners) if (!this.#scanOrder.includes(id)) this.#scanOrder.push(id)
    if (before !== null) {
      const { moved, failedOver } = changeBetween(before, map)
      if (moved.length > 0) this.version++
      for (const slot of moved) this.#movedWith[slot] = this.version
      if (moved.length > 0) for (const listener of this.#listeners) listener.mapChanged(map)
      if (failedOver) this.#identify('a replica took the place of its primary', false)
    }
    this.#wake()
  }

  #ownerAt(host: string, port: number): SlotOwner {
    const same = (node: ClusterNode): boolean => node.host === host && node.port === port
    const owner = this.map?.owners.find(same)
    if (owner !== undefined) return owner
    const replica = this.map?.owners.flatMap(({ replicas }) => replicas).find(same)
    return replica === undefined ? { id: `${host}:${port}`, host, port, replicas: [] } : { ...replica, replicas: [] }
  }

  async #clientAt(host: string, port: number): Promise<Redis> {
    const address = `${host}:${port}`
    const known = this.#clients.get(address)
    if (known?.status === 'ready') return known
    this.#clients.delete(address)
    known?.disconnect()
    const client = await connectClient(endpointAt(this.endpoint, host, port), 'topology')
    if (this.#stopped) client.disconnect()
    this.#clients.get(address)?.disconnect()
    this.#clients.set(address, client)
    return client
  }
}

function digestOf(map: SlotMap, order: readonly string[]): string {
  const hash = createHash('sha1').update(order.join(' '))
  for (let slot = 0; slot < slotCount; slot++) hash.update(`\n${map.ownerOf(slot)?.id ?? ''}`)
  return hash.digest('hex')
}

/** Asked of a server of the cluster: older ones know only database 0. */
async function databasesOf(client: Redis): Promise<number> {
  try {
    const answer = (await client.config('GET', 'cluster-databases')) as unknown as string[]
    return Number(answer[1] ?? 1)
  } catch {
    return 1
  }
}
