/** One connection as the source's numbering sees it: which database it is in, its block, what it has subscribed to. Does no I/O. */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import { createKeyList, type KeyList, keyPositions } from '../commands/keys.ts'
import { lookup, resolveSub } from '../commands/lookup.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeBulk, encodeCommand } from '../resp/encode.ts'
import { Found, RequestScanner } from '../resp/request-scanner.ts'
import { type DatabaseLayout, foldedDb, foldPrefixBytes, isCarried } from '../routing/database-layout.ts'
import { type ArgumentEdit, asItIs, type Carried, edited, instead, outOfRange, type ReplyEdit, unsupported } from './carried.ts'
import { foldCommand } from './fold-commands.ts'
import { messageOf, Subscriptions } from './keyspace-events.ts'
import { mapCommand } from './map-commands.ts'
import { bulkOf, isError, putTogether, takeApart } from './replies.ts'
import { spliced } from './splice.ts'

interface OpenBlock {
  readonly db: number
  readonly edits: (ReplyEdit | null)[]
}

/** They say nothing about data: sent before the connection is in its first database. */
const introductions: ReadonlySet<string> = new Set([
  'auth',
  'hello',
  'ping',
  'time',
  'info',
  'select',
  'client|id',
  'client|kill',
])
const queued = /^\+QUEUED/
const confirmationKind = /^[ps]?(un)?subscribe$/
const anyLimits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }
const keys: KeyList = createKeyList()

export class Translator {
  readonly #layout: DatabaseLayout
  /** The source's number. */
  #db = 0
  #protocol = 2
  #entered: boolean
  #block: OpenBlock | null = null
  readonly #channels: Subscriptions
  readonly #patterns: Subscriptions
  /** What a tracking client wants to be told of; null: everything that it reads. */
  #tracked: readonly Buffer[] | null = null

  constructor(layout: DatabaseLayout) {
    this.#layout = layout
    this.#channels = new Subscriptions(layout, false)
    this.#patterns = new Subscriptions(layout, true)
    this.#entered = layout.kind === 'fold' || (layout.toTarget.get(0) ?? 0) === 0
  }

  command(args: ArgView): Carried {
    const spec = specOf(args)
    if (!this.#entered && !introductions.has(spec.name)) return this.#enter()
    const carried = this.#carried(spec, args)
    if (this.#block !== null) return this.#inBlock(this.#block, spec, carried)
    if (spec.name === 'multi') this.#block = { db: this.#db, edits: [] }
    return carried
  }

  /** What the client gets for a push; nothing where it is told of what is none of its business. */
  push(push: Buffer): Buffer[] {
    const parts = takeApart(push)
    const kind = bulkOf(parts?.elements[0])?.toString('latin1')
    if (parts === null || kind === undefined) return [push]
    const { elements } = parts
    if (kind === 'message') return this.#message(elements, null)
    if (kind === 'pmessage') return this.#message([elements[0] as Buffer, ...elements.slice(2)], elements[1] as Buffer)
    if (kind === 'invalidate') return this.#invalidated(push, elements)
    return [push]
  }

  /** A confirmation under the name that was asked for; null where this is none. */
  confirmation(push: Buffer, asked: string | null): Buffer | null {
    const parts = takeApart(push)
    const kind = bulkOf(parts?.elements[0])?.toString('latin1') ?? ''
    const name = bulkOf(parts?.elements[1])?.toString('latin1')
    if (parts === null || !confirmationKind.test(kind)) return null
    if (name === undefined) return push
    const known = kind.startsWith('p') ? this.#patterns : this.#channels
    const [first, , ...rest] = parts.elements
    return pushOf([first as Buffer, encodeBulk(Buffer.from(asked ?? known.nameOf(name), 'latin1')), ...rest])
  }

  /** A command as it was before it went here, and the database it was for: the source's number. */
  restored(frame: Buffer, db: number): { frame: Buffer; db: number } {
    const layout = this.#layout
    if (layout.kind === 'map') return { frame, db: layout.toSource.get(db) ?? db }
    const scanner = new RequestScanner(anyLimits)
    scanner.reset(frame, 0, frame.length)
    if (scanner.next() !== Found.frame) return { frame, db: 0 }
    const edits: ArgumentEdit[] = []
    let of = 0
    const count = keyPositions(specOf(scanner), scanner, keys)
    for (let i = 0; i < count; i++) {
      const key = argBytes(scanner, keys.positions[i] as number)
      of = foldedDb(layout, key, 0, key.length)
      edits.push({ at: keys.positions[i] as number, bytes: key.subarray(foldPrefixBytes(layout, of)) })
    }
    return { frame: Buffer.concat(spliced(scanner, 0, frame.length, edits)), db: of }
  }

  #enter(): Carried {
    this.#entered = true
    const to = this.#layout.kind === 'map' ? this.#layout.toTarget.get(0) : 0
    return { how: 'first', frame: encodeCommand(['SELECT', to ?? 0]) }
  }

  #carried(spec: CommandSpec, args: ArgView): Carried {
    switch (spec.name) {
      case 'select':
        return this.#select(args)
      case 'hello':
        if (argIs(args, 1, '2') || argIs(args, 1, '3')) this.#protocol = argInteger(args, 1)
        return asItIs
      case 'subscribe':
      case 'psubscribe':
      case 'unsubscribe':
      case 'punsubscribe':
      case 'ssubscribe':
      case 'sunsubscribe':
        return this.#subscribe(spec.name, args)
      case 'client|tracking':
        return this.#layout.kind === 'fold' ? this.#tracking(args) : asItIs
    }
    return this.#layout.kind === 'map'
      ? mapCommand(this.#layout, this.#db, spec, args)
      : foldCommand({ fold: this.#layout, db: this.#db, protocol: this.#protocol }, spec, args)
  }

  /** Every block ends here as it began, or with a SELECT behind it: where it is not run, nothing has changed. */
  #inBlock(block: OpenBlock, spec: CommandSpec, carried: Carried): Carried {
    // The server refuses both within a block, and queues neither.
    if (spec.name === 'multi' || spec.name === 'watch') return carried
    if (spec.name === 'discard') {
      this.#block = null
      this.#db = block.db
      return carried
    }
    if (spec.name === 'exec') {
      this.#block = null
      return block.edits.some((edit) => edit !== null) ? edited([], (reply) => editedEach(reply, block.edits)) : carried
    }
    if (carried.how === 'steps') return unsupported(`${spec.name} in a transaction, on a target whose databases are others`)
    if (carried.how !== 'edited' && carried.how !== 'instead') return carried
    const { reply } = carried
    block.edits.push(reply)
    // A MULTI that was refused leaves everything behind it on its own.
    return reply === null
      ? carried
      : { ...carried, reply: (whole) => (queued.test(whole.toString('latin1', 0, 7)) ? whole : reply(whole)) }
  }

  #select(args: ArgView): Carried {
    const db = argInteger(args, 1)
    // The server says what is wrong with it.
    if (args.argc !== 2 || Number.isNaN(db)) return asItIs
    const known = isCarried(this.#layout, db)
    // Every connection begins in the first database, whether there is one or not.
    if (!known && db !== 0) return outOfRange
    this.#db = db
    this.#entered = true
    const to = this.#layout.kind === 'fold' ? 0 : (this.#layout.toTarget.get(db) ?? 0)
    return to === db ? asItIs : edited([{ at: 1, bytes: Buffer.from(String(to)) }])
  }

  #subscribe(name: string, args: ArgView): Carried {
    const asked = Array.from({ length: args.argc - 1 }, (_, i) => argBytes(args, i + 1).toString('latin1'))
    const known = name.startsWith('p') ? this.#patterns : this.#channels
    if (name.startsWith('s') && name !== 'subscribe') {
      return { how: 'subscribed', frame: encodeCommand([name, ...asked.map(bytesOf)]), names: asked.length === 0 ? null : asked }
    }
    if (asked.length === 0) return { how: 'subscribed', frame: encodeCommand([name]), names: null }
    const there = asked.map((one) => (name.includes('un') ? known.remove(one) : known.add(one)))
    return { how: 'subscribed', frame: encodeCommand([name, ...there.map(bytesOf)]), names: asked }
  }

  /** Prefixes of keys stand behind those of the databases: the server tells of all keys, and what was not asked for is left out here. */
  #tracking(args: ArgView): Carried {
    const words: Buffer[] = []
    const prefixes: Buffer[] = []
    for (let i = 0; i < args.argc; i++) {
      if (i > 2 && argIs(args, i, 'prefix') && i + 1 < args.argc) prefixes.push(Buffer.from(argBytes(args, ++i)))
      else words.push(Buffer.from(argBytes(args, i)))
    }
    if (argIs(args, 2, 'off')) this.#tracked = null
    if (prefixes.length === 0) return asItIs
    this.#tracked = prefixes
    return instead(encodeCommand(words))
  }

  #message(elements: readonly Buffer[], pattern: Buffer | null): Buffer[] {
    const [kind, channel, payload] = elements as [Buffer, Buffer, Buffer]
    const there = bulkOf(channel)?.toString('latin1')
    const body = bulkOf(payload)
    if (there === undefined || body === null) return []
    const message = messageOf(this.#layout, { channel: there, payload: body })
    if (message === null) return []
    const rest = [encodeBulk(bytesOf(message.channel)), encodeBulk(message.payload)]
    if (pattern === null) return [...this.#channels.takers(there, message.channel)].map(() => pushOf([kind, ...rest]))
    const asked = bulkOf(pattern)?.toString('latin1') ?? ''
    return [...this.#patterns.takers(asked, message.channel)].map((name) => pushOf([kind, encodeBulk(bytesOf(name)), ...rest]))
  }

  #invalidated(push: Buffer, elements: readonly Buffer[]): Buffer[] {
    const layout = this.#layout
    const named = elements[1] === undefined ? null : takeApart(elements[1])
    if (layout.kind === 'map' || named === null) return [push]
    const tracked = this.#tracked
    const own = named.elements.flatMap((element) => {
      const key = bulkOf(element)
      if (key === null) return []
      const name = key.subarray(foldPrefixBytes(layout, foldedDb(layout, key, 0, key.length)))
      return tracked === null || tracked.some((prefix) => name.subarray(0, prefix.length).equals(prefix))
        ? [encodeBulk(name)]
        : []
    })
    return own.length === 0 ? [] : [pushOf([elements[0] as Buffer, putTogether({ type: named.type, elements: own })])]
  }
}

const bytesOf = (name: string): Buffer => Buffer.from(name, 'latin1')
const pushOf = (elements: readonly Buffer[]): Buffer => putTogether({ type: 62, elements })

/** EXEC's elements, each as its command wants it. */
function editedEach(reply: Buffer, edits: readonly (ReplyEdit | null)[]): Buffer {
  const parts = isError(reply) ? null : takeApart(reply)
  if (parts === null) return reply
  return putTogether({ type: parts.type, elements: parts.elements.map((element, i) => edits[i]?.(element) ?? element) })
}

function specOf(args: ArgView): CommandSpec {
  const spec = lookup(args.buf, args.offsets[0] as number, args.offsets[1] as number)
  if (spec.kind !== Kind.Container || args.argc < 2) return spec
  return resolveSub(spec, args.buf, args.offsets[2] as number, args.offsets[3] as number)
}
