/**
 * Random commands on the hot keys, and between them a check on keys that nobody else touches, whose replies are known beforehand. So a
 * reply that is wrong, missing, doubled or out of order is found here, and not only a difference at the end.
 */
import { isReplyError, type Reply } from '../../../src/resp/decode.ts'
import { Actor, type Load, type Place } from './actor.ts'
import { judgeBurst, type Step } from './burst.ts'
import { malformed } from './commands/table.ts'
import { type Argv, World } from './commands/world.ts'
import { Weighted } from './weighted.ts'

export class LoadClient extends Actor {
  readonly #world: World
  readonly #commands: Weighted
  readonly #malformed = new Weighted(malformed)
  readonly #blocking: Weighted
  readonly #beginning: Weighted
  #db = 0
  /** What the own counter holds, or null where a lost reply left it open. */
  #own: number | null = null

  constructor(load: Load, place: Place) {
    super(load, place)
    this.#world = new World(this.random, load.engine, load.mix, load.memory)
    this.#commands = new Weighted(load.prompt)
    this.#blocking = new Weighted(load.blocking)
    this.#beginning = new Weighted(load.beginning)
  }

  protected override async turn(): Promise<void> {
    if (this.load.settledIn() && this.random.chance(0.15)) await this.#checkOwn()
    else await this.#burst()
  }

  protected override async connected(): Promise<void> {
    this.#db = 0
  }

  protected override lost(): void {
    this.#own = null
  }

  /** A pipeline of random length; now and then the client vanishes in the middle of it. */
  async #burst(): Promise<void> {
    const { random } = this
    const steps: Step[] = []
    const length = random.chance(0.5) ? 1 : random.between(2, 30)
    while (steps.length < length) {
      if (random.chance(0.04)) steps.push(this.#selecting())
      if (random.chance(0.06)) steps.push(...this.#transaction())
      else steps.push(this.#step())
    }
    const marker = `${this.id}/${this.load.tally.commands}`
    const sent = this.send([...steps.map(({ argv }) => argv), ['ECHO', marker]])
    if (random.chance(0.002)) this.client.close()
    const replies = await sent
    judgeBurst(steps, replies, this.load.tally, this.load.memory)
    const echoed = replies.at(-1)
    if (!isReplyError(echoed) && String(echoed) !== marker) this.wrong(`ECHO ${marker} answered ${String(echoed)}`)
    // A SELECT that was refused leaves the database as it was: start afresh rather than guess.
    if (replies.some(isReplyError)) await this.select(this.#db)
  }

  #step(): Step {
    const early = this.load.beginning.length > 0 && !this.load.beginningOver() && this.random.chance(0.001)
    const from = early ? this.#beginning : this.random.chance(0.002) ? this.#malformed : this.#commands
    const { name, make } = from.pick(this.random)
    return { name, argv: make(this.#world) }
  }

  #selecting(): Step {
    this.#db = this.random.pick(this.load.mix.databases)
    return { name: 'select', argv: ['SELECT', this.#db] }
  }

  /** Some watch first, and read or write before they begin; whether a SELECT inside has run is told by another one behind. */
  #transaction(): Step[] {
    const { random } = this
    const before = random.chance(0.3) ? [this.#watching(), ...(random.chance(0.5) ? [this.#step()] : [])] : []
    const inside = Array.from({ length: random.between(1, 5) }, () => this.#inside())
    const selects = random.chance(0.1)
    if (selects) inside.splice(random.below(inside.length), 0, this.#selecting())
    const end = random.chance(0.9) ? 'exec' : 'discard'
    const behind: Step[] = selects ? [{ name: 'select', argv: ['SELECT', this.#db] }] : []
    return [...before, { name: 'multi', argv: ['MULTI'] }, ...inside, { name: end, argv: [end.toUpperCase()] }, ...behind]
  }

  #watching(): Step {
    return { name: 'watch', argv: ['WATCH', ...this.#world.some(2, () => this.#world.anyKey())] }
  }

  /** Inside a transaction nothing waits, so what blocks may be there as well. */
  #inside(): Step {
    const blocking = this.load.blocking.length > 0 && this.random.chance(0.05)
    const { name, make } = blocking ? this.#blocking.pick(this.random) : this.#commands.pick(this.random)
    return { name, argv: make(this.#world) }
  }

  async #checkOwn(): Promise<void> {
    const counter = `own:${this.id}`
    await this.select(this.load.ownDb)
    const list = `own-list:${this.id}`
    const pipeline: Argv[] = [
      ['DEL', list],
      ['INCR', counter],
      ['GET', counter],
      ['RPUSH', list, 'x'],
      ['LPOP', list],
      ['LLEN', list],
      ['SELECT', this.random.pick(this.load.mix.databases)],
      ['GET', counter],
      ['SELECT', this.load.ownDb],
      ['MULTI'],
      ['INCR', counter],
      ['GET', counter],
      ['EXEC'],
      ['GET', counter],
    ]
    const replies = await this.send(pipeline)
    for (const [position, reply] of replies.entries())
      if (isReplyError(reply)) this.load.tally.noteError(pipeline[position] as Argv, reply.error)
    if (replies.some(isReplyError)) this.#own = null
    else this.#judgeOwn(replies.slice(1))
    await this.select(this.#db)
  }

  #judgeOwn(replies: readonly Reply[]): void {
    const first = Number(replies[0])
    const before = this.#own ?? first - 1
    const one = before + 1
    const two = before + 2
    // Where all clients share one database, it is there as well.
    const elsewhere = this.load.mix.databases.includes(this.load.ownDb) ? one : null
    const wanted = [one, one, 1, 'x', 0, 'OK', elsewhere, 'OK', 'OK', 'QUEUED', 'QUEUED', [two, two], two]
    const text = (value: unknown): string => (Array.isArray(value) ? `[${value.map(text).join()}]` : String(value))
    const differs = replies.some((reply, position) => text(reply) !== text(wanted[position]))
    if (differs) this.wrong(`own keys: ${text([...replies])}, wanted ${text(wanted)}`)
    this.#own = Number(replies.at(-1))
  }
}
