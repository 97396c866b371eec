/** One client of the load: connects again whenever its connection goes, until the load is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../../../src/demo/random.ts'
import { isReplyError, type Reply } from '../../../src/resp/decode.ts'
import type { Generator } from './commands/family.ts'
import type { Argv, Memory, Mix } from './commands/world.ts'
import type { Engine } from './engine.ts'
import { ClientGone, RawClient } from './raw-client.ts'
import type { Tally } from './tally.ts'

const reconnectMs = 25

/** What the clients of one run share. */
export interface Load {
  readonly port: number
  readonly engine: Engine
  readonly mix: Mix
  /** A database whose checked keys nothing random reaches once the run has begun in earnest. */
  readonly ownDb: number
  readonly memory: Memory
  readonly tally: Tally
  /** Those of each list that the engine has and Ferry carries. */
  readonly prompt: readonly Generator[]
  readonly blocking: readonly Generator[]
  readonly beginning: readonly Generator[]
  /** No FLUSHALL is sent any more. */
  readonly beginningOver: () => boolean
  /** Whether FLUSHALL is behind us: from here on the checks know what their own keys hold. */
  readonly settledIn: () => boolean
  readonly stopped: () => boolean
}

export interface Place {
  readonly id: number
  readonly seed: number
  /** Its password is its name. */
  readonly user: string | null
}

export abstract class Actor {
  protected readonly load: Load
  protected readonly id: number
  protected readonly random: Random
  readonly #protocol: number
  readonly #user: string | null
  #client: RawClient | null = null

  constructor(load: Load, { id, seed, user }: Place) {
    this.load = load
    this.id = id
    this.random = new Random(seed)
    this.#protocol = id % 2 === 0 ? 2 : 3
    this.#user = user
  }

  async run(): Promise<void> {
    while (!this.load.stopped()) {
      try {
        if (this.#client === null) await this.#connect()
        await this.turn()
      } catch (error) {
        if (!(error instanceof ClientGone)) this.wrong((error as Error).stack ?? String(error))
        this.#client?.close()
        this.#client = null
        this.lost()
        this.load.tally.reconnects++
        // Ferry may be away for a moment.
        await sleep(reconnectMs)
      }
    }
    this.#client?.close()
  }

  protected abstract turn(): Promise<void>

  /** The connection is new: nothing that was said on an old one counts. */
  protected abstract connected(): Promise<void>

  /** Whatever was under way may have run or not. */
  protected lost(): void {}

  protected get client(): RawClient {
    if (this.#client === null) throw new ClientGone('not connected')
    return this.#client
  }

  protected send(commands: readonly Argv[]): Promise<Reply[]> {
    this.load.tally.commands += commands.length
    return this.client.send(commands)
  }

  protected select(db: number): Promise<void> {
    return this.untilAnswered(['SELECT', db])
  }

  /** For commands that fail only where a side is away. */
  protected async untilAnswered(command: Argv): Promise<void> {
    for (;;) {
      const [reply] = await this.send([command])
      if (!isReplyError(reply)) return
      this.load.tally.noteError(command, reply.error)
      await sleep(reconnectMs)
    }
  }

  protected wrong(what: string): void {
    this.load.tally.noteWrong(`client ${this.id}: ${what}`)
  }

  async #connect(): Promise<void> {
    this.#client = await RawClient.open(this.load.port)
    if (this.#user !== null) await this.untilAnswered(['AUTH', this.#user, this.#user])
    if (this.#protocol === 3) await this.untilAnswered(['HELLO', 3])
    await this.connected()
  }
}
