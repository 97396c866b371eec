/** What becomes of each command that is written to a cluster: a part for one server, parts for several, or an answer from here. */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { lookup, resolveSub } from '../commands/lookup.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeCommand, encodeError, replies } from '../resp/encode.ts'
import { Found, RequestScanner } from '../resp/request-scanner.ts'
import { Route, routeOf, slotsOfKeys } from '../routing/cluster-route.ts'
import { firstOf, interleaved, mergeOf } from '../routing/merge-nodes.ts'
import { contextDb } from '../upstream/lane.ts'
import type { Carrier } from './carrier.ts'
import { ConnectionCommands, type Handler } from './connection-commands.ts'
import type { NodeLink } from './node-link.ts'
import type { Part } from './part.ts'
import { Sender } from './sender.ts'

const crossSlot = encodeError("CROSSSLOT Keys in request don't hash to the same slot")
const execAbort = encodeError('EXECABORT Transaction discarded because of previous errors.')
const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }
/** They run what a client wrote, which may answer anything. */
const scripts = ['eval', 'evalsha', 'eval_ro', 'evalsha_ro', 'fcall', 'fcall_ro']
const unwatch = encodeCommand(['UNWATCH'])

export class RequestRouter {
  readonly #wire: Carrier
  readonly #sender: Sender
  readonly #connection: ConnectionCommands
  readonly #handlers: ReadonlyMap<string, Handler>
  /** Commands for one server that lie side by side and are not sent yet. */
  #open: Part | null = null
  #openLink: NodeLink | null = null
  /** MULTI and what came behind it, until EXEC. */
  #block: Buffer[] | null = null
  /** The block leaves its server in another database than everybody thinks. */
  #blockSelects = false
  /** Where keys are watched, and which. */
  #watched: { readonly node: string; readonly connection: number; readonly slots: Set<number> } | null = null

  constructor(wire: Carrier) {
    this.#wire = wire
    this.#sender = new Sender(wire)
    this.#connection = new ConnectionCommands(wire, this.#sender)
    this.#handlers = new Map<string, Handler>([
      ...this.#connection.handlers(),
      ['multi', (_, frame) => (this.#block = [Buffer.from(frame)])],
      ['watch', (args, frame, spec) => this.#watch(args, frame, spec)],
      ['unwatch', (_, frame) => this.#unwatch(frame)],
      ...scripts.map((name): [string, Handler] => [name, (args, frame, spec) => this.#script(args, frame, spec)]),
    ])
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

  /** A confirmation that somebody else gives, too. */
  isEcho(push: Buffer): boolean {
    return this.#connection.isEcho(push)
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
      this.#sender.prefix === null
    ) {
      open.end = end
      open.count++
      return
    }
    this.flush()
    const part = this.#sender.part(slot, { buf, start, end, count: 1 })
    this.#wire.place(part)
    // What has to wait may have to go elsewhere by then, each command to another server.
    if (link?.ready) {
      this.#open = part
      this.#openLink = link
    } else this.#wire.dispatch(part)
  }

  #keyless(route: number, spec: CommandSpec, args: ArgView, frame: Buffer): void {
    this.flush()
    if (route === Route.crossing) this.#wire.answer(crossSlot)
    else if (route === Route.split) this.#split(spec, args)
    else if (route === Route.every) this.#sender.every(frame, mergeOf(spec.name))
    else this.#sender.toHome(frame)
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
    this.#sender.toEach(frames, spec.name === 'mget' ? interleaved(places) : mergeOf(spec.name))
  }

  #script(args: ArgView, frame: Buffer, spec: CommandSpec): void {
    const route = routeOf(spec, args)
    if (route === Route.crossing) this.#wire.answer(crossSlot)
    else this.#sender.script(route, frame, this.#watched !== null)
  }

  #inBlock(block: Buffer[], spec: CommandSpec, frame: Buffer): void {
    block.push(frame)
    this.#blockSelects ||= spec.name === 'select'
    if (spec.name !== 'exec' && spec.name !== 'discard') return
    const selects = this.#blockSelects
    this.#block = null
    this.#blockSelects = false
    const buf = Buffer.concat(block)
    const slot = this.#slotOfBlock(buf)
    const watched = this.#watched
    this.#watched = null
    const crosses =
      slot === Route.crossing || (watched !== null && slot >= 0 && !watched.slots.has(slot) && !this.#isAt(slot, watched.node))
    if (crosses) {
      this.#refuseBlock(block.length, spec.name === 'exec')
      if (watched !== null) this.#sender.silently(watched.node, unwatch)
      return
    }
    const part = this.#sender.part(slot, { buf, start: 0, end: buf.length, count: block.length }, true)
    if (selects) part.suffix = encodeCommand(['SELECT', contextDb(part.context)])
    if (watched !== null) {
      if (slot < 0) part.node = watched.node
      part.guard = {
        node: watched.node,
        connection: watched.connection,
        instead: this.#unrun(block.length),
        unwatch: () => this.#sender.silently(watched.node, unwatch),
      }
    }
    this.#wire.place(part)
    this.#wire.dispatch(part)
  }

  #isAt(slot: number, node: string): boolean {
    return this.#wire.linkFor(slot)?.node.id === node
  }

  /** What a block is answered whose watched keys have changed. */
  #unrun(count: number): Buffer {
    const nil = (this.#sender.context & 3) === 3 ? replies.null3 : replies.nullArray
    return Buffer.concat([replies.ok, ...Array.from({ length: count - 2 }, () => replies.queued), nil])
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

  #watch(args: ArgView, frame: Buffer, spec: CommandSpec): void {
    const slot = routeOf(spec, args)
    const link = slot >= 0 ? this.#wire.linkFor(slot) : null
    if (link === null || (this.#watched !== null && this.#watched.node !== link.node.id)) {
      this.#wire.answer(crossSlot)
      return
    }
    const { connections } = link.lane
    this.#watched ??= { node: link.node.id, connection: connections, slots: new Set() }
    this.#watched.slots.add(slot)
    this.#keyed(slot, frame, 0, frame.length)
    this.flush()
  }

  #unwatch(frame: Buffer): void {
    if (this.#watched === null) this.#wire.answer(replies.ok)
    else this.#sender.toEach([{ frame, slot: Route.home, node: this.#watched.node }], firstOf)
    this.#watched = null
  }
}

function specOf(args: ArgView): CommandSpec {
  const spec = lookup(args.buf, args.offsets[0] as number, args.offsets[1] as number)
  if (spec.kind !== Kind.Container || args.argc < 2) return spec
  return resolveSub(spec, args.buf, args.offsets[2] as number, args.offsets[3] as number)
}
