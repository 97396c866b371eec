/**
 * What a generator draws from: a small hot key space with every type in every database, values, lifetimes, and a memory of what the
 * replies told (ids, payloads), so that later commands hit what is there. The memory is shared by all clients of a run.
 */
import type { Random } from '../../../../src/demo/random.ts'
import { isReplyError, type Reply } from '../../../../src/resp/decode.ts'
import type { Engine } from '../engine.ts'

export type Argument = string | number | Buffer
export type Argv = readonly Argument[]

export const keyTypes = ['str', 'num', 'bits', 'list', 'set', 'zset', 'geo', 'hash', 'stream', 'hll', 'vec'] as const
export type KeyType = (typeof keyTypes)[number]

/** Databases that the random load uses where there are several; further ones belong to checks that know what has to be in them. */
export const hotDatabases: readonly number[] = [0, 1, 2]

const remembered = 64
const tagChange = 0.15

export interface Mix {
  /** Keys of each type in each database: few, so that everything meets everything. */
  readonly keysPerType: number
  /** Lifetimes of a few milliseconds. */
  readonly shortLived: boolean
  /** Scripts that declare one key and write another as well. */
  readonly hidden: boolean
  /** The databases that random commands reach. */
  readonly databases: readonly number[]
  /** How many hash tags the keys have, besides none: keys of one tag lie in one slot of a cluster. */
  readonly tags: number
}

/** The last few of what was seen. */
class Ring<Item> {
  readonly #items: Item[] = []
  #next = 0

  add(item: Item): void {
    this.#items[this.#next++ % remembered] = item
  }

  pick(random: Random): Item | undefined {
    return this.#items.length === 0 ? undefined : random.pick(this.#items)
  }
}

function ringOf<Item>(rings: Map<string, Ring<Item>>, name: string): Ring<Item> {
  const known = rings.get(name) ?? new Ring<Item>()
  rings.set(name, known)
  return known
}

const typeOf = (key: string): string => key.slice(0, key.indexOf(':'))

/** What replies told, for all clients of a run. */
export class Memory {
  readonly #ids = new Map<string, Ring<string>>()
  /** What DUMP gave, by the type that the key's name says. */
  readonly #payloads = new Map<string, Ring<Buffer>>()
  readonly libraries = new Ring<Buffer>()

  learn(argv: Argv, reply: Reply | undefined): void {
    if (reply === undefined || reply === null || isReplyError(reply)) return
    const name = String(argv[0])
    if (name === 'DUMP' && Buffer.isBuffer(reply)) ringOf(this.#payloads, typeOf(String(argv[1]))).add(reply)
    else if (name === 'FUNCTION' && argv[1] === 'DUMP' && Buffer.isBuffer(reply)) this.libraries.add(reply)
    else if (name.startsWith('X')) {
      const key = argv.find((argument) => String(argument).startsWith('stream:'))
      if (key !== undefined) this.#learnIds(String(key), reply)
    }
  }

  id(key: string, random: Random): string | undefined {
    return this.#ids.get(key)?.pick(random)
  }

  payload(key: string, random: Random): Buffer | undefined {
    return this.#payloads.get(typeOf(key))?.pick(random)
  }

  #learnIds(key: string, reply: Reply): void {
    if (Array.isArray(reply)) {
      for (const element of reply) this.#learnIds(key, element)
      return
    }
    if (!Buffer.isBuffer(reply) || !/^\d+-\d+$/.test(reply.toString('latin1'))) return
    ringOf(this.#ids, key).add(reply.toString('latin1'))
  }
}

export class World {
  readonly random: Random
  readonly engine: Engine
  readonly mix: Mix
  readonly memory: Memory
  /** That of the last key, as is mostly that of the next one; empty = none. */
  #tag = ''

  constructor(random: Random, engine: Engine, mix: Mix, memory: Memory) {
    this.random = random
    this.engine = engine
    this.mix = mix
    this.memory = memory
  }

  /** Now and then one of the wrong type: both sides have to refuse alike. */
  key(type: KeyType): string {
    const tag = this.#nextTag()
    return `${this.random.chance(0.03) ? this.random.pick(keyTypes) : type}:${tag}${this.random.below(this.mix.keysPerType)}`
  }

  /** Of the last key, as part of a name or pattern. */
  get tag(): string {
    return this.#tag
  }

  anyKey(): string {
    return this.key(this.random.pick(keyTypes))
  }

  /** Two keys, mostly of one type, or every name would hold every type in the end. */
  twoKeys(): [string, string] {
    const type = this.random.pick(keyTypes)
    return [this.key(type), this.key(type)]
  }

  keys(type: KeyType, most = 3): string[] {
    return this.some(most, () => this.key(type))
  }

  /** One to `most` of them. */
  some<Item>(most: number, make: () => Item): Item[] {
    return Array.from({ length: this.random.between(1, most) }, make)
  }

  /** Some of them, flattened: pairs of a hash, scores and members. */
  flat(most: number, make: () => Argv): Argument[] {
    return this.some(most, make).flat()
  }

  pick<Item>(...items: readonly Item[]): Item {
    return this.random.pick(items)
  }

  /** One of the given forms of an option, or none. */
  option(...forms: readonly Argv[]): Argv {
    return this.random.chance(0.5) ? [] : this.random.pick(forms)
  }

  value(): string {
    const { random } = this
    return random.word(random.chance(0.01) ? random.between(1_000, 70_000) : random.between(1, 24))
  }

  member(): string {
    return `m${this.random.below(30)}`
  }

  field(): string {
    return `f${this.random.below(12)}`
  }

  integer(): number {
    return this.random.between(-20, 100)
  }

  score(): number {
    return this.random.below(50)
  }

  float(): string {
    return this.random.pick(['0.5', '0.1', '-2.25', '1e2', '3.3333333333'])
  }

  db(): number {
    return this.random.pick(this.mix.databases)
  }

  /** Short enough to run out during the run, or long enough to be compared after it. */
  lifetimeMs(): number {
    const { random } = this
    return this.mix.shortLived && random.chance(0.35) ? random.between(1, 60) : random.between(120_000, 900_000)
  }

  lifetimeSeconds(): number {
    return this.random.chance(0.1) ? 1 : this.random.between(120, 900)
  }

  momentMs(): number {
    return Date.now() + this.lifetimeMs()
  }

  momentSeconds(): number {
    return Math.floor(Date.now() / 1000) + this.lifetimeSeconds()
  }

  /** An expiry as SET, GETEX and HSETEX take it. */
  expiry(): Argv {
    return this.pick<Argv>(
      ['EX', this.lifetimeSeconds()],
      ['PX', this.lifetimeMs()],
      ['PX', this.lifetimeMs()],
      ['EXAT', this.momentSeconds()],
      ['PXAT', this.momentMs()],
    )
  }

  /** The id of an entry that was in this stream a moment ago, where one is known. */
  id(key: string): string {
    return this.memory.id(key, this.random) ?? `${Date.now()}-0`
  }

  ids(key: string, most = 3): string[] {
    return this.some(most, () => this.id(key))
  }

  #nextTag(): string {
    const { tags } = this.mix
    if (tags > 0 && this.random.chance(tagChange)) {
      const tag = this.random.below(tags + 1)
      this.#tag = tag === 0 ? '' : `{t${tag}}:`
    }
    return this.#tag
  }
}
