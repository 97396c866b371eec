/**
 * One client: random commands on the hot keys, and between them a check on keys that nobody else touches, whose replies are known
 * beforehand. So a reply that is wrong, missing, doubled or out of order is found here, and not only a difference at the end.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../../src/demo/random.ts'
import { isReplyError, type Reply } from '../../../src/resp/decode.ts'
import { type Mix, RandomCommands } from './random-commands.ts'
import { type Argv, ClientGone, RawClient } from './raw-client.ts'

/** A database that no FLUSHDB or MOVE of the load reaches. */
const ownDb = 5

const reconnectMs = 10

export interface LoadReport {
  commands: number
  reconnects: number
  /** By the error's first words. */
  readonly errors: Map<string, number>
  /** What no server would have answered. */
  readonly wrong: string[]
}

export const newReport = (): LoadReport => ({ commands: 0, reconnects: 0, errors: new Map(), wrong: [] })

export interface LoadOptions {
  readonly id: number
  readonly seed: number
  readonly mix: Mix
  readonly port: number
  /** Its password is its name. */
  readonly user: string | null
  readonly report: LoadReport
  readonly stopped: () => boolean
}

export class LoadClient {
  readonly #id: number
  readonly #random: Random
  readonly #commands: RandomCommands
  readonly #protocol: number
  readonly #port: number
  readonly #user: string | null
  readonly #report: LoadReport
  readonly #stopped: () => boolean
  #client: RawClient | null = null
  #db = 0
  /** What the own counter holds, or null where a lost reply left it open. */
  #own: number | null = null

  constructor(options: LoadOptions) {
    this.#id = options.id
    this.#random = new Random(options.seed)
    this.#commands = new RandomCommands(this.#random, options.mix)
    this.#protocol = options.id % 2 === 0 ? 2 : 3
    this.#port = options.port
    this.#user = options.user
    this.#report = options.report
    this.#stopped = options.stopped
  }

  async run(): Promise<void> {
    while (!this.#stopped()) {
      try {
        if (this.#client === null) await this.#connect()
        if (this.#random.chance(0.2)) await this.#checkOwn()
        else await this.#burst()
      } catch (error) {
        if (!(error instanceof ClientGone)) this.#wrong((error as Error).message)
        this.#client?.close()
        this.#client = null
        this.#own = null
        this.#report.reconnects++
        // Ferry may be away for a moment.
        await sleep(reconnectMs)
      }
    }
    this.#client?.close()
  }

  async #connect(): Promise<void> {
    this.#client = await RawClient.open(this.#port)
    this.#db = 0
    if (this.#user !== null) await this.#untilAnswered(['AUTH', this.#user, this.#user])
    if (this.#protocol === 3) await this.#client.send([['HELLO', 3]])
  }

  /** A pipeline of random length; now and then the client vanishes in the middle of it. */
  async #burst(): Promise<void> {
    const random = this.#random
    const pipeline: Argv[] = []
    const length = random.chance(0.5) ? 1 : random.between(2, 30)
    while (pipeline.length < length) {
      if (random.chance(0.03)) {
        this.#db = random.below(2)
        pipeline.push(['SELECT', this.#db])
      }
      pipeline.push(...this.#commands.next())
    }
    const marker = `${this.#id}/${this.#report.commands}`
    pipeline.push(['ECHO', marker])
    const sent = this.#send(pipeline)
    if (random.chance(0.002)) this.#client?.close()
    const replies = await sent
    this.#count(replies)
    const echoed = replies.at(-1)
    if (!isReplyError(echoed) && String(echoed) !== marker) this.#wrong(`ECHO ${marker} answered ${String(echoed)}`)
    // A SELECT that was refused leaves the database as it was: start afresh rather than guess.
    if (replies.some(isReplyError)) await this.#select(this.#db)
  }

  async #checkOwn(): Promise<void> {
    const counter = `own:${this.#id}`
    await this.#select(ownDb)
    const list = `own-list:${this.#id}`
    const pipeline: Argv[] = [
      ['DEL', list],
      ['INCR', counter],
      ['GET', counter],
      ['RPUSH', list, 'x'],
      ['LPOP', list],
      ['LLEN', list],
      ['SELECT', this.#random.below(2)],
      ['GET', counter],
      ['SELECT', ownDb],
      ['MULTI'],
      ['INCR', counter],
      ['GET', counter],
      ['EXEC'],
      ['GET', counter],
    ]
    const replies = await this.#send(pipeline)
    this.#count(replies)
    if (replies.some(isReplyError)) this.#own = null
    else this.#judge(replies.slice(1))
    await this.#select(this.#db)
  }

  #judge(replies: readonly Reply[]): void {
    const first = Number(replies[0])
    const before = this.#own ?? first - 1
    const wanted = [
      before + 1,
      before + 1,
      1,
      'x',
      0,
      'OK',
      null,
      'OK',
      'OK',
      'QUEUED',
      'QUEUED',
      [before + 2, before + 2],
      before + 2,
    ]
    const text = (value: unknown): string => (Array.isArray(value) ? `[${value.map(text).join()}]` : String(value))
    for (const [position, reply] of replies.entries()) {
      if (text(reply) === text(wanted[position])) continue
      this.#wrong(`own keys of client ${this.#id}: ${text([...replies])}, wanted ${text(wanted)}`)
      break
    }
    this.#own = Number(replies.at(-1))
  }

  #select(db: number): Promise<void> {
    return this.#untilAnswered(['SELECT', db])
  }

  async #untilAnswered(command: Argv): Promise<void> {
    for (;;) {
      const [reply] = await this.#send([command])
      if (!isReplyError(reply)) return
      this.#count([reply])
    }
  }

  #send(pipeline: readonly Argv[]): Promise<Reply[]> {
    this.#report.commands += pipeline.length
    return (this.#client as RawClient).send(pipeline)
  }

  #count(replies: readonly Reply[]): void {
    for (const reply of replies) {
      if (!isReplyError(reply)) continue
      const kind = /^ERR FERRY [a-z-]+|^\S+/.exec(reply.error)?.[0] ?? ''
      const words = kind === 'ERR' ? reply.error.slice(0, 40) : kind
      this.#report.errors.set(words, (this.#report.errors.get(words) ?? 0) + 1)
    }
  }

  #wrong(what: string): void {
    if (this.#report.wrong.length < 8) this.#report.wrong.push(what)
  }
}
