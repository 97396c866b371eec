/**
 * A cluster that looks like one server to the lane above: commands go to whoever serves their slot, replies come back in the order of the
 * commands. One lane per primary, so commands on one key stay in order; a server that is lost takes only its own replies along.
 *
 * When slots change hands, nothing more is sent until every server has answered what it has: what one of them redirects then goes to the
 * new one ahead of everything that came later.
 */
import { encodeCommand } from '../resp/encode.ts'
import { RequestReader } from '../resp/request-reader.ts'
import { Found } from '../resp/request-scanner.ts'
import type { Side } from '../routing/modes.ts'
import type { ClusterNode, SlotMap, SlotOwner } from '../routing/slot-map.ts'
import { endpointAt } from '../upstream/endpoint.ts'
import { Lane, type LaneOwner } from '../upstream/lane.ts'
import type { Flushable, Turn } from '../upstream/turn.ts'
import type { DialOptions, Several, Wire } from '../upstream/wire.ts'
import type { Carrier } from './carrier.ts'
import { Line, Place } from './line.ts'
import { NodeLink } from './node-link.ts'
import { type Guard, Part, type Refusal } from './part.ts'
import { RequestRouter } from './request-router.ts'
import { Rerouting } from './rerouting.ts'
import type { Topology, TopologyListener } from './topology.ts'

/** Replies that wait for an earlier one, or for the rest of their own. Beyond that only those servers are read that owe the first. */
const heldBytesMax = 64 * 1024 * 1024
/** Longer writes are kept as they are; shorter ones lie in a buffer that the writer uses again. */
const copiedBytesMax = 65_536
const readOnly = encodeCommand(['READONLY'])
const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 65_536 }

/** How long the first of the servers, or the one that was home until now, is waited for when another is there already. */
const homeWaitMs = 200

interface Ends {
  readonly connected: () => void
  readonly take: (chunk: Buffer) => void
}

export class ClusterWire implements Wire, Several, Carrier, Flushable, LaneOwner, TopologyListener {
  readonly several: Several = this
  readonly topology: Topology
  readonly options: DialOptions
  bytesWritten = 0
  stateful = false
  readonly sticky: Buffer[] = []
  readonly #side: Side
  readonly #turn: Turn
  readonly #ends: Ends
  readonly #links = new Map<string, NodeLink>()
  readonly #byLane = new Map<Lane, NodeLink>()
  readonly #line = new Line((bytes) => {
    if (!this.#closed) this.#ends.take(bytes)
  })
  readonly #reader = new RequestReader(anyLimits, Number.MAX_SAFE_INTEGER)
  readonly #router: RequestRouter
  readonly #rerouting: Rerouting
  #home: NodeLink | null = null
  #map: SlotMap | null = null
  #connected = false
  #opening: NodeJS.Timeout | null = null
  /** Written and not looked at yet. */
  readonly #inbox: Buffer[] = []
  #inboxBytes = 0
  #scheduled = false
  #closed = false
  #paused = false
  #choked = false
  #order = 0
  #onError: (error: Error) => void = () => undefined

  constructor(side: Side, topology: Topology, turn: Turn, options: DialOptions, ends: Ends) {
    this.#side = side
    this.topology = topology
    this.#turn = turn
    this.options = options
    this.#ends = ends
    this.#router = new RequestRouter(this)
    this.#rerouting = new Rerouting(this)
    if (topology.endpoint.readsReplicas) this.sticky.push(readOnly)
    topology.listen(this)
    topology.whenReady(() => this.#begin())
  }

  get writableLength(): number {
    let bytes = this.#rerouting.heldBytes + this.#inboxBytes
    for (const link of this.#links.values()) bytes += link.lane.bufferedBytes + link.waitingBytes
    return bytes
  }

  get orphaned(): boolean {
    if (this.topology.fencing) return true
    for (const link of this.#links.values()) if (link.lane.orphaned) return true
    return false
  }

  get links(): Iterable<NodeLink> {
    return this.#links.values()
  }

  write(bytes: Buffer): void {
    if (this.#closed) return
    this.bytesWritten += bytes.length
    this.#inboxBytes += bytes.length
    this.#inbox.push(bytes.length > copiedBytesMax ? bytes : Buffer.from(bytes))
    if (this.#connected) this.#schedule()
  }

  /** What was written is looked at when its writer is through: some answers come at once, and may make it write more. */
  flush(): void {
    this.#scheduled = false
    this.#inboxBytes = 0
    for (const bytes of this.#inbox.splice(0)) if (!this.#closed) this.#read(bytes)
  }

  #schedule(): void {
    if (this.#scheduled || this.#inbox.length === 0) return
    this.#scheduled = true
    this.#turn.schedule(this)
  }

  #read(bytes: Buffer): void {
    const reader = this.#reader
    reader.push(bytes)
    for (;;) {
      const found = reader.next()
      if (found === Found.frame) {
        const { scanner } = reader
        this.#router.command(scanner, scanner.frameStart, scanner.position)
      } else if (found === Found.large && reader.large !== null) this.#router.large(Buffer.concat(reader.large.pieces))
      else if (found === Found.more) break
      else {
        this.broken(new Error(`what was to be sent is no command: ${reader.problem}`))
        return
      }
    }
    this.#router.flush()
  }

  cork(): void {}

  uncork(): void {}

  pause(): void {
    this.#paused = true
    for (const link of this.#links.values()) link.lane.pause()
  }

  resume(): void {
    this.#paused = false
    for (const link of this.#links.values()) link.lane.resume()
  }

  isPaused(): boolean {
    return this.#paused
  }

  on(event: 'error' | 'close', listener: (error: Error) => void): void {
    if (event === 'error') this.#onError = listener
  }

  /** What its servers may still run is ended there before another wire comes up. */
  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.topology.forget(this)
    if (this.#opening !== null) clearTimeout(this.#opening)
    this.#rerouting.stop()
    for (const link of [...this.#links.values()]) this.#drop(link)
  }

  stalled(error: Error): boolean {
    let slowest: NodeLink | null = null
    for (const link of this.#links.values()) {
      const isRead = this.#paused || !link.lane.paused
      if (isRead && link.lane.inFlight > 0 && (slowest === null || link.lane.progressMs < slowest.lane.progressMs)) slowest = link
    }
    slowest?.lane.fail(error)
    return slowest !== null
  }

  nextOrder(): number {
    return ++this.#order
  }

  place(place: Place): void {
    this.#line.push(place)
  }

  answer(bytes: Buffer): void {
    const place = new Place()
    this.#line.push(place)
    this.#deliver(place, bytes, true)
  }

  dispatch(part: Part): void {
    if (this.#rerouting.holds(part)) return
    const link = part.node === null ? this.linkFor(part.slot) : this.linkTo(part.node)
    if (link === null) {
      part.fail(unserved(part))
      return
    }
    if (part.guard !== null && !isGuarded(part.guard, link)) {
      this.#deliver(part, part.guard.instead, true)
      part.guard.unwatch()
      return
    }
    link.send(part)
    if (this.#choked) this.#choke()
  }

  linkFor(slot: number): NodeLink | null {
    if (slot < 0) return this.home()
    const owner = this.#map?.ownerOf(slot) ?? null
    return owner === null ? null : this.#linkOf(owner)
  }

  /** Null where that server is no primary any more. */
  linkTo(id: string): NodeLink | null {
    const owner = this.#map?.owners.find((known) => known.id === id)
    return owner === undefined ? (this.#links.get(id) ?? null) : this.#linkOf(owner)
  }

  /**
   * Stays where it is while it can, and waits a little for a connection that comes again: what is published elsewhere would overtake the
   * message before it, which has a way through the cluster.
   */
  home(): NodeLink | null {
    if (this.#home !== null && this.#home.awayMs < homeWaitMs) return this.#home
    for (const { id } of this.everyNode()) {
      const link = this.#links.get(id)
      if (link?.lane.up) {
        this.#home = link
        return link
      }
    }
    return this.#home
  }

  everyNode(): readonly SlotOwner[] {
    return this.#map?.owners ?? []
  }

  linkAt(host: string, port: number): NodeLink {
    return this.#linkOf(this.topology.nodeAt(host, port))
  }

  followMap(): void {
    this.#map = this.topology.map
    const owners = new Set(this.everyNode().map(({ id }) => id))
    for (const [id, link] of this.#links) if (!owners.has(id)) this.#drop(link)
    for (const owner of this.everyNode()) this.#linkOf(owner)
  }

  mapChanged(): void {
    if (this.stateful) this.broken(new Error('slots of the cluster changed hands'))
    else if (this.#connected) this.#rerouting.begin(0)
  }

  deliver(part: Part, bytes: Buffer, ended: boolean): void {
    this.#deliver(part, bytes, ended)
  }

  keep(bytes: number): void {
    this.#line.keep(bytes)
    if (bytes > 0) this.#choke()
  }

  merged(place: Place, reply: Buffer): void {
    this.#deliver(place, reply, true)
  }

  redirected(part: Part, to: Refusal): boolean {
    return !this.#closed && this.#rerouting.redirect(part, to)
  }

  splitOff(part: Part, index: number, to: Refusal): boolean {
    if (this.#closed) return false
    const { start, end } = part.commandAt(index)
    const alone = new Part(this, part.order, part.slot, { buf: part.buf, start, end, count: 1 }, part.context)
    alone.at = part.at
    if (!this.#rerouting.redirect(alone, to)) return false
    this.#line.insert(alone, part)
    return true
  }

  survives(error: Error): boolean {
    if (this.options.singly || this.#closed) return true
    this.broken(error)
    return false
  }

  broken(error: Error): void {
    if (this.#closed) return
    this.destroy()
    this.#onError(error)
  }

  laneUp(lane: Lane): void {
    const link = this.#byLane.get(lane)
    if (link === undefined || this.#closed) return
    if (link.missing) this.topology.missing(-1)
    link.missing = false
    if (this.#paused) lane.pause()
    link.opened()
    if (this.#connected) return
    // All wires have the same home where they can: a message then reaches its subscribers without a way through the cluster.
    if (this.everyNode()[0]?.id === link.node.id) this.#open()
    else this.#opening ??= setTimeout(() => this.#open(), homeWaitMs)
  }

  #open(): void {
    if (this.#opening !== null) clearTimeout(this.#opening)
    this.#opening = null
    if (this.#connected || this.#closed || this.home() === null) return
    this.#connected = true
    // It may have changed while the servers were connected to.
    if (this.#map !== this.topology.map) this.followMap()
    this.#schedule()
    this.#ends.connected()
  }

  laneDown(lane: Lane, error: Error): void {
    const link = this.#byLane.get(lane)
    if (link === undefined || this.#closed) return
    if (!link.missing) this.topology.missing(1)
    link.lost()
    if (this.#connected && this.stateful) this.broken(error)
    void this.topology.refresh()
  }

  lanePush(lane: Lane, push: Buffer): void {
    const link = this.#byLane.get(lane)
    if (link === undefined || this.#closed) return
    if (link !== this.#home && this.#router.isEcho(push)) return
    // Never inside a reply: what is at the head of the line may be half out.
    const place = new Place()
    this.#line.interject(place)
    this.#deliver(place, push, true)
  }

  #begin(): void {
    if (this.#closed) return
    this.#map = this.topology.map
    for (const owner of this.everyNode()) this.#linkOf(owner)
  }

  #linkOf(owner: ClusterNode | SlotOwner): NodeLink {
    const node = this.topology.endpoint.readsReplicas && 'replicas' in owner ? replicaOf(owner) : owner
    const known = this.#links.get(node.id)
    if (known !== undefined && known.node.host === node.host && known.node.port === node.port) return known
    if (known !== undefined) this.#drop(known)
    const endpoint = endpointAt(this.topology.endpoint, node.host, node.port)
    const plain = new Lane(this.#side, endpoint, this.options.credentials, this.#turn, this)
    const lane = this.options.whileBusy ? plain.siblingWhileBusy(this) : plain
    const link = new NodeLink(node, lane, this.sticky)
    this.#links.set(node.id, link)
    this.#byLane.set(lane, link)
    lane.connect()
    return link
  }

  /** What it owes is lost, what waits for it is answered that it was not run. */
  #drop(link: NodeLink): void {
    const { lane, node } = link
    this.#links.delete(node.id)
    if (this.#home === link) this.#home = null
    if (lane.clientId !== null && (lane.orphaned || (lane.up && lane.inFlight > 0))) this.topology.fence(node, lane.clientId)
    if (link.missing) this.topology.missing(-1)
    link.missing = false
    // Before it closes: what its lane says from then on is of no interest.
    this.#byLane.delete(lane)
    link.close()
  }

  readAll(): void {
    this.#choked = false
    if (!this.#paused) for (const { lane } of this.#links.values()) if (lane.paused) lane.resume()
  }

  #deliver(place: Place, bytes: Buffer, ended: boolean): void {
    this.#line.deliver(place, bytes, ended)
    this.#choke()
  }

  /** Beyond the limit only those servers are read for whose replies all others wait. */
  #choke(): void {
    const { first, heldBytes } = this.#line
    const choked = first !== null && heldBytes > (this.#choked ? heldBytesMax / 2 : heldBytesMax)
    if (this.#paused || this.#rerouting.active || (!choked && !this.#choked)) return
    this.#choked = choked
    for (const link of this.#links.values()) {
      if (choked && !first.isOwedBy(link)) link.lane.pause()
      else if (link.lane.paused) link.lane.resume()
    }
  }
}

const isGuarded = ({ node, connection }: Guard, { node: { id }, ready, lane }: NodeLink): boolean =>
  ready && id === node && lane.connections === connection

/** In the place of its primary, as long as it has one. */
const replicaOf = ({ id, host, port, replicas: [replica] }: SlotOwner): ClusterNode =>
  replica === undefined ? { id, host, port } : { id, host: replica.host, port: replica.port }

const unserved = ({ slot }: Part): Buffer => Buffer.from(`-CLUSTERDOWN Hash slot ${slot} is not served\r\n`)
