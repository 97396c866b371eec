/** Commands that are about the connection, or about each server: a client has one connection, and Ferry one to each. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import type { CommandSpec } from '../commands/spec.ts'
import { decodeReply } from '../resp/decode.ts'
import { encodeArray, encodeBulk, encodeCommand, encodeError, encodeInteger, replies } from '../resp/encode.ts'
import { elementsOf } from '../resp/reply-elements.ts'
import { Route, routeOf } from '../routing/cluster-route.ts'
import { firstOf, mergeOf } from '../routing/merge-nodes.ts'
import { contextOf } from '../upstream/lane.ts'
import type { Carrier } from './carrier.ts'
import { packCursor, unpackCursor } from './scan-cursor.ts'
import { type Sender, unheardOwner } from './sender.ts'
import { SubscribePart } from './subscribe-part.ts'

export type Handler = (args: ArgView, frame: Buffer, spec: CommandSpec) => void

const noSelect = encodeError('ERR SELECT is not allowed in cluster mode')
const noDatabase = encodeError('ERR DB index is out of range')
const noRedirect = encodeError('ERR FERRY unsupported: CLIENT TRACKING with REDIRECT on a cluster')
const noCursor = encodeError('ERR invalid cursor')
const hello = encodeCommand(['HELLO'])
/** Pushes that confirm what was asked for; of a pattern that every server has, only one is passed on. */
const echoes = /^>\d+\r\n\$\d+\r\np?(?:un)?subscribe\r\n/i
const keyspacePattern = /^__key(space|event)@/
const noBytes = Buffer.alloc(0)
/** Ids of connections: none that a process before this one may have given, too. */
let lastId = Date.now() * 1000

export class ConnectionCommands {
  readonly #wire: Carrier
  readonly #sender: Sender
  readonly #id = ++lastId
  #protocol = 2
  #db = 0
  /** Whose keyspace events are told: every server tells its own. */
  #everyTells = false

  constructor(wire: Carrier, sender: Sender) {
    this.#wire = wire
    this.#sender = sender
  }

  /** By name. */
  handlers(): [string, Handler][] {
    const subscribe: Handler = (args, frame, spec) => this.#subscribe(spec, args, frame)
    const ok: Handler = () => this.#wire.answer(replies.ok)
    return [
      ['ping', (_, frame) => this.#ping(frame)],
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
      ['client|no-touch', (_, frame) => this.#everywhere(frame)],
      ['readonly', ok],
      ['readwrite', ok],
      ...['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe'].map(
        (name): [string, Handler] => [name, subscribe],
      ),
    ]
  }

  /** A confirmation that only counts when the first of the servers says it. */
  isEcho(push: Buffer): boolean {
    return this.#everyTells && echoes.test(push.toString('latin1', 0, 64))
  }

  /** Behind everything that any of the servers has told by then. */
  #ping(frame: Buffer): void {
    if (this.#wire.stateful) this.#sender.every(frame, firstOf)
    else this.#sender.toHome(frame)
  }

  #hello(args: ArgView): void {
    const protocol = args.argc > 1 ? argInteger(args, 1) : this.#protocol
    if (protocol !== 2 && protocol !== 3) {
      this.#wire.answer(encodeError('NOPROTO unsupported protocol version'))
      return
    }
    this.#protocol = protocol
    this.#sender.context = contextOf(protocol, this.#db)
    this.#ping(hello)
  }

  #select(args: ArgView): void {
    const db = argInteger(args, 1)
    const { databases } = this.#wire.topology
    if (db !== 0 && databases === 1) this.#wire.answer(noSelect)
    else if (!(db >= 0 && db < databases)) this.#wire.answer(noDatabase)
    else {
      this.#db = db
      this.#sender.context = contextOf(this.#protocol, db)
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
    this.#sender.every(frame, firstOf)
  }

  #everywhere(frame: Buffer): void {
    this.#wire.sticky.push(Buffer.from(frame))
    this.#sender.every(frame, firstOf)
  }

  #stick(frame: Buffer): void {
    this.#wire.stateful = true
    this.#wire.sticky.push(Buffer.from(frame))
  }

  /** All but READONLY, with which a wire to replicas begins. */
  #unstick(): void {
    this.#wire.sticky.length = this.#wire.topology.endpoint.readsReplicas ? 1 : 0
  }

  /** The servers' own numbers of their starts mean nothing here: one stands for all. */
  #info(args: ArgView, frame: Buffer, spec: CommandSpec): void {
    if (routeOf(spec, args) === Route.every) {
      this.#sender.every(frame, mergeOf(spec.name))
      return
    }
    const identity = this.#wire.topology.identity ?? ''
    const home = this.#wire.home()?.node.id ?? null
    this.#sender.toEach([{ frame, slot: Route.home, node: home }], ([reply = noBytes]) => {
      const at = reply.indexOf('run_id:')
      if (at >= 0) reply.write(identity, at + 7, 'latin1')
      return reply
    })
  }

  #caching(frame: Buffer): void {
    this.#sender.prefix = Buffer.from(frame)
    this.#wire.answer(replies.ok)
  }

  #tracking(args: ArgView, frame: Buffer): void {
    for (let i = 3; i < args.argc; i++) {
      if (!argIs(args, i, 'redirect')) continue
      this.#wire.answer(noRedirect)
      return
    }
    if (argIs(args, 2, 'on')) this.#stick(frame)
    else this.#unstick()
    this.#sender.every(frame, firstOf)
  }

  /** Messages reach every server of a cluster; keyspace events stay where they happen. */
  #subscribe(spec: CommandSpec, args: ArgView, frame: Buffer): void {
    const { name } = spec
    this.#wire.stateful = true
    const order = this.#wire.nextOrder()
    const slot = name.startsWith('s') && name !== 'subscribe' && args.argc > 1 ? routeOf(spec, args) : Route.home
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
      const other = new SubscribePart(
        unheardOwner,
        this.#wire.nextOrder(),
        Route.home,
        Buffer.from(frame),
        contextOf(3, this.#db),
      )
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
    this.#sender.toEach([{ frame, slot: Route.home, node: found.node.id }], ([reply = noBytes]) => this.#page(reply, found.place))
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
