/**
 * Keyspace events in the source's numbering: `__keyspace@3__:k` is told where the target tells `__keyspace@7__:k`, or of a folded one
 * `__keyspace@0__:db3:k`. What is subscribed to on the server may tell of more than what was asked for: each message is looked at.
 */
import { type DatabaseLayout, foldedDb, foldPrefix, foldPrefixBytes, globLiteral } from '../routing/database-layout.ts'
import { compileGlob } from '../routing/glob.ts'

const eventChannel = /^__key(space|event)@(\d+)__:(.*)$/s
const patternHead = /^__key(space|event)@([^_]*)__:(.*)$/s
/** Of a database that is not there: nothing is ever told on it. */
const nowhere = 'none'

export interface Message {
  /** latin1 */
  readonly channel: string
  readonly payload: Buffer
}

/** The channel of the server for one that was asked for. Latin1, as all names here. */
function serverChannel(layout: DatabaseLayout, channel: string): string {
  const [, kind, number, rest = ''] = eventChannel.exec(channel) ?? []
  if (kind === undefined) return channel
  const db = Number(number)
  if (layout.kind === 'map') return `__key${kind}@${layout.toTarget.get(db) ?? nowhere}__:${rest}`
  return `__key${kind}@0__:${kind === 'space' ? foldPrefix(layout, db).toString('latin1') : ''}${rest}`
}

/** A pattern that tells at least of what the given one does. */
function serverPattern(layout: DatabaseLayout, pattern: string): string {
  const [, kind, number = '', rest = ''] = patternHead.exec(pattern) ?? []
  if (kind === undefined) return pattern
  const exact = /^\d+$/.test(number)
  if (layout.kind === 'map') return `__key${kind}@${exact ? (layout.toTarget.get(Number(number)) ?? nowhere) : '*'}__:${rest}`
  if (kind === 'event') return `__keyevent@0__:${rest}`
  if (!exact) return '__keyspace@0__:*'
  return `__keyspace@0__:${globLiteral(foldPrefix(layout, Number(number))).toString('latin1')}${rest}`
}

/** A message of the server as the source would send it; null for an event of a database that is none of the source's. */
export function messageOf(layout: DatabaseLayout, { channel, payload }: Message): Message | null {
  const [, kind, number, rest = ''] = eventChannel.exec(channel) ?? []
  if (kind === undefined) return { channel, payload }
  if (layout.kind === 'map') {
    const db = layout.toSource.get(Number(number))
    return db === undefined ? null : { channel: `__key${kind}@${db}__:${rest}`, payload }
  }
  if (number !== '0') return null
  const key = kind === 'space' ? Buffer.from(rest, 'latin1') : payload
  const db = foldedDb(layout, key, 0, key.length)
  const own = key.subarray(foldPrefixBytes(layout, db))
  if (kind === 'space') return { channel: `__keyspace@${db}__:${own.toString('latin1')}`, payload }
  return { channel: `__keyevent@${db}__:${rest}`, payload: own }
}

/** What was asked for under which name of the server. */
export class Subscriptions {
  readonly #translate: (name: string) => string
  readonly #asked = new Map<string, Map<string, RegExp | null>>()
  readonly #patterns: boolean

  constructor(layout: DatabaseLayout, patterns: boolean) {
    this.#patterns = patterns
    this.#translate = (name) => (patterns ? serverPattern(layout, name) : serverChannel(layout, name))
  }

  /** Gives the server's name. */
  add(name: string): string {
    const there = this.#translate(name)
    const names = this.#asked.get(there) ?? new Map<string, RegExp | null>()
    this.#asked.set(there, names.set(name, this.#patterns ? compileGlob(name) : null))
    return there
  }

  /** Gives the server's name where nobody needs it any more; else the name itself, under which the server has nothing. */
  remove(name: string): string {
    const there = this.#translate(name)
    const names = this.#asked.get(there)
    names?.delete(name)
    if (names !== undefined && names.size > 0) return name
    this.#asked.delete(there)
    return there
  }

  clear(): void {
    this.#asked.clear()
  }

  /** As it was asked for; the first, where there are several. */
  nameOf(there: string): string {
    return this.#asked.get(there)?.keys().next().value ?? there
  }

  /** Which of those who asked get a message: `there` is the server's name, `channel` the translated one. */
  *takers(there: string, channel: string): Generator<string> {
    const names = this.#asked.get(there)
    if (names === undefined) yield there
    for (const [name, pattern] of names ?? []) if (pattern === null ? name === channel : pattern.test(channel)) yield name
  }
}
