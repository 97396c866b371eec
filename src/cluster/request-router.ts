/** What becomes of each command that is written to a cluster: a part for one server, parts for several, or an answer from here. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import { lookup, resolveSub } from '../commands/lookup.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { decodeReply } from '../resp/decode.ts'
import { encodeArray, encodeBulk, encodeCommand, encodeError, encodeInteger, replies } from '../resp/encode.ts'
import { elementsOf } from '../resp/reply-elements.ts'
import { Found, RequestScanner } from '../resp/request-scanner.ts'
import { Route, routeOf, slotsOfKeys } from '../routing/cluster-route.ts'
import { firstOf, interleaved, type Merge, mergeOf } from '../routing/merge-nodes.ts'
import { contextOf, freshContext } from '../upstream/lane.ts'
import type { Carrier } from './carrier.ts'
import { Merged } from './merged.ts'
import type { NodeLink } from './node-link.ts'
import { Part } from './part.ts'
import { packCursor, unpackCursor } from './scan-cursor.ts'
import { SubscribePart } from './subscribe-part.ts'

type Handler = (args: ArgView, frame: Buffer, spec: CommandSpec) => void

const crossSlot = encodeError("CROSSSLOT Keys in request don't hash to the same slot")
const execAbort = encodeError('EXECABORT Transaction discarded because of previous errors.')
const noSelect = encodeError('ERR SELECT is not allowed in cluster mode')
const noDatabase = encodeError('ERR DB index is out of range')
const noRedirect = encodeError('ERR FERRY unsupported: CLIENT TRACKING with REDIRECT on a cluster')
const noCursor = encodeError('ERR invalid cursor')
const hello = encodeCommand(['HELLO'])
const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }
/** Pushes that confirm what was asked for; of a pattern that every server has, only one is passed on. */
const echoes = /^>\d+\r\n\$\d+\r\np?(?:un)?subscribe\r\n/i
const keyspacePattern = /^__key(space|event)@/
/** Ids of connections: none that a process before this one may have given, too. */
let lastId = Date.now() * 1000

export class RequestRouter {
  readonly #wire: Carrier
  readonly #id = ++lastId
  readonly #handlers: ReadonlyMap<string, Handler>
  #protocol = 2
  #db = 0
  #context = freshContext
  /** Commands for one server that lie side by side and are not sent yet. */
  #open: Part | null = null
  #openLink: NodeLink | null = null
  /** MULTI and what came behind it, until EXEC. */
  #block: Buffer[] | null = null
  /** By id, the server on which keys are watched. */
  #watchedAt: string | null = null
  /** Goes to the server of the next command, ahead of it. */
  #prefix: Buffer | null = null
  /** Whose keyspace events are told: every server tells its own. */
  #everyTells = false

  constructor(wire: Carrier) {
    this.#wire = wire
    this.#handlers = this.#table()
  }

  command(args: ArgView, start: number, end: number): void {
    const spec = specOf(args)
    if (this.#block !== null) {
      this.#inBlock(this.#block, spec, Buffer.from(args.buf.subarray(start, end)))
      return
    }
    const handler = this.#handlers.get(spec.name)
    if (handler !== undefined) {
      this.flush()
      handler(args, args.buf.subarray(start, end), spec)
      return
    }
    const route = routeOf(spec, args)
    if (route >= 0) this.#keyed(route, args.buf, start, end)
    else this.#keyless(route, spec, args, args.buf.subarray(start, end))
  }

  /** A command that was put together of its pieces. */
  large(frame: Buffer): void {
    const scanner = new RequestScanner(anyLimits)
    scanner.reset(frame, 0, frame.length)
    if (scanner.next() === Found.frame) this.command(scanner, 0, frame.length)
  }

  /** Nothing more comes for now. */
  flush(): void {
    const open = this.#open
    if (open === null) return
    this.#open = null
    this.#openLink = null
    this.#wire.dispatch(open)
  }

  /** A confirmation that only counts when the first of the servers says it. */
  isEcho(push: Buffer): boolean {
    return this.#everyTells && echoes.test(push.toString('latin1', 0, 64))
  }

  #keyed(slot: number, buf: Buffer, start: number, end: number): void {
    const link = this.#wire.linkFor(slot)
    const open = this.#open
    if (
      open !== null &&
      link === this.#openLink &&
      link?.ready &&
      open.buf === buf &&
      open.end === start &&
      this.#prefix === null
    ) {
      open.end = end
      open.count++
      return
    }
    this.flush()
    const part = this.#part(slot, { buf, start, end, count: 1 })
    this.#wire.place(part)
    // What has to wait may have to go elsewhere by then, each command to another server.
    if (link?.ready) {
      this.#open = part
      this.#openLink = link
    } else this.#wire.dispatch(part)
  }

  #part(slot: number, request: { buf: Buffer; start: number; end: number; count: number }, whole = false): Part {
    const part = new Part(this.#wire, this.#wire.nextOrder(), slot, request, this.#context, whole)
    part.prefix = this.#prefix
    this.#prefix = null
    return part
  }

  #keyless(route: number, spec: CommandSpec, args: ArgView, frame: Buffer): void {
    this.flush()
    if (route === Route.crossing) this.#wire.answer(crossSlot)
    else if (route === Route.split) this.#split(spec, args)
    else if (route === Route.every) this.#every(frame, mergeOf(spec.name))
    else this.#toHome(frame)
  }

  #toHome(frame: Buffer): void {
    const part = this.#part(Route.home, { buf: frame, start: 0, end: frame.length, count: 1 })
    this.#wire.place(part)
    this.#wire.dispatch(part)
  }

  /** To each of these servers, and one reply of theirs. */
  #toEach(
    frames: readonly { readonly frame: Buffer; readonly slot: number; readonly node: string | null }[],
    merge: Merge,
  ): void {
    const merged = new Merged(this.#wire, frames.length, merge)
    this.#wire.place(merged)
    const order = this.#wire.nextOrder()
    frames.forEach(({ frame, slot, node }, share) => {
      const request = { buf: frame, start: 0, end: frame.length, count: 1 }
      const part = new Part(merged, order, slot, request, this.#context, true)
      part.node = node
      part.share = share
      this.#wire.dispatch(part)
    })
  }

  #every(frame: Buffer, merge: Merge): void {
    this.#toEach(
      this.#wire.everyNode().map(({ id }) => ({ frame, slot: Route.home, node: id })),
      merge,
    )
  }

  /** MSET's values stand behind their keys. */
  #split(spec: CommandSpec, args: ArgView): void {
    const shares = [...slotsOfKeys(spec, args)]
    const step = spec.keyStep
    const name = argBytes(args, 0)
    const frames = shares.map(([slot, positions]) => {
      const words = positions.flatMap((at) => Array.from({ length: step }, (_, i) => argBytes(args, at + i)))
      return { frame: encodeCommand([name, ...words]), slot, node: null }
    })
    const places = shares.map(([, positions]) => positions.map((at) => (at - spec.firstKey) / step))
    this.#toEach(frames, spec.name === 'mget' ? interleaved(places) : mergeOf(spec.name))
  }

  #inBlock(block: Buffer[], spec: CommandSpec, frame: Buffer): void {
    block.push(frame)
    if (spec.name !== 'exec' && spec.name !== 'discard') return
    this.#block = null
    const buf = Buffer.concat(block)
    const slot = this.#slotOfBlock(buf)
    const watched = this.#watchedAt
    this.#watchedAt = null
    const elsewhere = watched !== null && slot >= 0 && this.#wire.linkFor(slot)?.node.id !== watched
    if (slot === Route.crossing || elsewhere) {
      this.#refuseBlock(block.length, spec.name === 'exec')
      if (watched !== null) this.#toEach([{ frame: encodeCommand(['UNWATCH']), slot: Route.home, node: watched }], () => noBytes)
      return
    }
    const part = this.#part(slot, { buf, start: 0, end: buf.length, count: block.length }, true)
    if (slot < 0) part.node = watched
    this.#wire.place(part)
    this.#wire.dispatch(part)
  }

  /** As a server that takes none of its keys would answer. */
  #refuseBlock(count: number, exec: boolean): void {
    this.#wire.answer(replies.ok)
    for (let i = 0; i < count - 2; i++) this.#wire.answer(crossSlot)
    this.#wire.answer(exec ? execAbort : replies.ok)
  }

  /** The one slot of all its keys, Route.home without keys, Route.crossing for several. */
  #slotOfBlock(buf: Buffer): number {
    const scanner = new RequestScanner(anyLimits)
    scanner.reset(buf, 0, buf.length)
    let slot: number = Route.home
    while (scanner.next() === Found.frame) {
      const route = routeOf(specOf(scanner), scanner)
      if (route === Route.split || route === Route.crossing) return Route.crossing
      if (route < 0) continue
      if (slot >= 0 && slot !== route) return Route.crossing
      slot = route
    }
    return slot
  }

  #table(): ReadonlyMap<string, Handler> {
    const subscribe: Handler = (args, frame, { name }) => this.#subscribe(name, args, frame)
    const ok: Handler = () => this.#wire.answer(replies.ok)
    return new Map<string, Handler>([
      ['multi', (_, frame) => (this.#block = [Buffer.from(frame)])],
      ['watch', (args, frame, spec) => this.#watch(args, frame, spec)],
      ['unwatch', (_, frame) => this.#unwatch(frame)],
      ['hello', (args) => this.#hello(args)],
      ['select', (args) => this.#select(args)],
      ['auth', (args, frame) => this.#auth(args, frame)],
      ['scan', (args) => this.#scan(args)],
      ['info', (args, frame, spec) => this.#info(args, frame, spec)],
      ['client|id', () => this.#wire.answer(encodeInteger(this.#id))],
      ['client|setname', ok],
      ['client|setinfo', ok],
      ['client|caching', (_, frame) => this.#caching(frame)],
      ['client|tracking', (args, frame) => this.#tracking(args, frame)],
      ['readonly', ok],
      ['readwrite', ok],
      ['subscribe', subscribe],
      ['psubscribe', subscribe],
      ['ssubscribe', subscribe],
      ['unsubscribe', subscribe],
      ['punsubscribe', subscribe],
      ['sunsubscribe', subscribe],
    ])
  }

  #watch(args: ArgView, frame: Buffer, spec: CommandSpec): void {
    const slot = routeOf(spec, args)
    const id = slot >= 0 ? this.#wire.linkFor(slot)?.node.id : undefined
    if (slot < 0 || (this.#watchedAt !== null && this.#watchedAt !== id)) {
      this.#wire.answer(crossSlot)
      return
    }
    this.#watchedAt = id ?? null
    this.#keyed(slot, frame, 0, frame.length)
    this.flush()
  }

  #unwatch(frame: Buffer): void {
    if (this.#watchedAt === null) this.#wire.answer(replies.ok)
    else this.#toEach([{ frame, slot: Route.home, node: this.#watchedAt }], firstOf)
    this.#watchedAt = null
  }

  #hello(args: ArgView): void {
    const protocol = args.argc > 1 ? argInteger(args, 1) : this.#protocol
    if (protocol !== 2 && protocol !== 3) {
      this.#wire.answer(encodeError('NOPROTO unsupported protocol version'))
      return
    }
    this.#protocol = protocol
    this.#context = contextOf(protocol, this.#db)
    // Behind everything that any of them has told.
    if (this.#wire.stateful) this.#every(hello, firstOf)
    else this.#toHome(hello)
  }

  #select(args: ArgView): void {
    const db = argInteger(args, 1)
    const { databases } = this.#wire.topology
    if (db !== 0 && databases === 1) this.#wire.answer(noSelect)
    else if (!(db >= 0 && db < databases)) this.#wire.answer(noDatabase)
    else {
      this.#db = db
      this.#context = contextOf(this.#protocol, db)
      this.#wire.answer(replies.ok)
    }
  }

  /** Its own credentials were checked by each server when its lane came up. */
  #auth(args: ArgView, frame: Buffer): void {
    const { username, password } = this.#wire.options.credentials
    const given = String(argBytes(args, args.argc - 1))
    const user = args.argc > 2 ? String(argBytes(args, 1)) : null
    const lane = this.#wire.home()?.lane
    if (given === password && user === username && lane?.up) {
      this.#wire.answer(lane.admitted ? replies.ok : encodeError(lane.lastError ?? 'WRONGPASS'))
      return
    }
    this.#stick(frame)
    this.#every(frame, firstOf)
  }

  #stick(frame: Buffer): void {
    this.#wire.stateful = true
    this.#wire.sticky.push(Buffer.from(frame))
  }

  /** The servers' own numbers of their starts mean nothing here: one stands for all. */
  #info(args: ArgView, frame: Buffer, spec: CommandSpec): void {
    if (routeOf(spec, args) === Route.every) {
      this.#every(frame, mergeOf(spec.name))
      return
    }
    const identity = this.#wire.topology.identity ?? ''
    const home = this.#wire.home()?.node.id ?? null
    this.#toEach([{ frame, slot: Route.home, node: home }], ([reply = noBytes]) => {
      const at = reply.indexOf('run_id:')
      if (at >= 0) reply.write(identity, at + 7, 'latin1')
      return reply
    })
  }

  #caching(frame: Buffer): void {
    this.#prefix = Buffer.from(frame)
    this.#wire.answer(replies.ok)
  }

  #tracking(args: ArgView, frame: Buffer): void {
    for (let i = 3; i < args.argc; i++) {
      if (!argIs(args, i, 'redirect')) continue
      this.#wire.answer(noRedirect)
      return
    }
    if (argIs(args, 2, 'on')) this.#stick(frame)
    else this.#wire.sticky.length = 0
    this.#every(frame, firstOf)
  }

  /** Messages reach every server of a cluster; keyspace events stay where they happen. */
  #subscribe(name: string, args: ArgView, frame: Buffer): void {
    this.#wire.stateful = true
    const order = this.#wire.nextOrder()
    const slot = name.startsWith('s') && name !== 'subscribe' && args.argc > 1 ? routeOf(specOf(args), args) : Route.home
    const own = new SubscribePart(this.#wire, order, slot, Buffer.from(frame), contextOf(3, this.#db))
    this.#wire.place(own)
    const channels = Array.from({ length: args.argc - 1 }, (_, i) => Buffer.from(argBytes(args, i + 1)))
    const events = channels.filter((channel) => keyspacePattern.test(String(channel)))
    if (events.length > 0) this.#beside(encodeCommand([name, ...events]))
    else if (channels.length === 0 && this.#everyTells && slot < 0) this.#beside(frame)
    this.#wire.dispatch(own)
  }

  #beside(frame: Buffer): void {
    this.#everyTells = true
    const home = this.#wire.home()
    for (const link of this.#wire.links) {
      if (link === home) continue
      const other = new SubscribePart(silent, this.#wire.nextOrder(), Route.home, Buffer.from(frame), contextOf(3, this.#db))
      other.node = link.node.id
      this.#wire.dispatch(other)
    }
  }

  #scan(args: ArgView): void {
    const given = args.argc > 1 ? unpackCursor(String(argBytes(args, 1))) : null
    const found = given === null ? null : this.#wire.topology.scanned(given.place)
    if (given === null) {
      this.#wire.answer(noCursor)
      return
    }
    if (found === null) {
      this.#wire.answer(encodeArray([encodeBulk('0'), replies.emptyArray]))
      return
    }
    const cursor = found.place === given.place ? given.cursor : 0n
    const words = Array.from({ length: args.argc }, (_, i) => (i === 1 ? cursor.toString() : Buffer.from(argBytes(args, i))))
    const frame = encodeCommand(words)
    this.#toEach([{ frame, slot: Route.home, node: found.node.id }], ([reply = noBytes]) => this.#page(reply, found.place))
  }

  #page(reply: Buffer, place: number): Buffer {
    const [cursor, keys] = elementsOf(reply) as [Buffer, Buffer]
    const next = BigInt(String(decodeReply(cursor).value))
    const following = next === 0n ? this.#wire.topology.scanned(place + 1) : null
    const packed =
      next !== 0n
        ? packCursor({ place, cursor: next })
        : following === null
          ? '0'
          : packCursor({ place: following.place, cursor: 0n })
    return packed === null ? noCursor : encodeArray([encodeBulk(packed), keys])
  }
}

const noBytes = Buffer.alloc(0)

/** Confirmed by the first server alone. */
const silent = {
  deliver: () => undefined,
  redirected: () => false,
  splitOff: () => false,
  broken: () => undefined,
}

function specOf(args: ArgView): CommandSpec {
  const spec = lookup(args.buf, args.offsets[0] as number, args.offsets[1] as number)
  if (spec.kind !== Kind.Container || args.argc < 2) return spec
  return resolveSub(spec, args.buf, args.offsets[2] as number, args.offsets[3] as number)
}
