/** One ioredis client of the load, as an application would have it: it counts, times and never repeats a command by itself. */
import type { RecordableHistogram } from 'node:perf_hooks'
import { Redis } from 'ioredis'
import type { Random } from './random.ts'
import type { Argument } from './raw-connection.ts'

const connectLimitMs = 10_000

/** What all clients of one load count together. */
export interface Tally {
  commands: number
  clientErrors: number
  /** The first few, for reading. */
  readonly messages: string[]
  readonly latencyNs: RecordableHistogram
}

const messagesMax = 10

export function countError(tally: Tally, message: string): void {
  tally.clientErrors++
  if (tally.messages.length < messagesMax) tally.messages.push(message)
}

/** Thrown after the failure has been counted, so that whoever catches it need not count it again. */
export class CountedError extends Error {}

export interface LoadClientOptions {
  readonly port: number
  readonly name: string
  readonly protocol: 2 | 3
  readonly db: number
}

export class LoadClient {
  readonly name: string
  readonly db: number
  readonly random: Random
  readonly #redis: Redis
  readonly #tally: Tally
  #commands = 0

  static async connect(options: LoadClientOptions, random: Random, tally: Tally): Promise<LoadClient> {
    const client = new LoadClient(options, random, tally)
    await client.#redis.connect()
    return client
  }

  private constructor(options: LoadClientOptions, random: Random, tally: Tally) {
    this.name = options.name
    this.db = options.db
    this.random = random
    this.#tally = tally
    this.#redis = new Redis({
      host: '127.0.0.1',
      port: options.port,
      protocol: options.protocol,
      db: options.db,
      connectionName: `demo-${options.name}`,
      lazyConnect: true,
      connectTimeout: connectLimitMs,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    })
    this.#redis.on('error', (error: Error) => countError(tally, `${this.name}: connection: ${error.message}`))
  }

  /** How many commands this client has sent. */
  get commands(): number {
    return this.#commands
  }

  async call(argv: readonly Argument[]): Promise<unknown> {
    const [name = '', ...args] = argv
    const startNs = process.hrtime.bigint()
    try {
      return await this.#redis.call(String(name), ...args)
    } catch (error) {
      throw this.#count(argv, error)
    } finally {
      this.#note(startNs, 1)
    }
  }

  /** All in one go; an error of any of them is counted and rejects. */
  async pipeline(commands: readonly (readonly Argument[])[]): Promise<unknown[]> {
    const pipeline = this.#redis.pipeline()
    for (const [name = '', ...args] of commands) pipeline.call(String(name), ...args)
    return (await this.#exec(pipeline, commands, commands.length)) ?? []
  }

  /** MULTI … EXEC. Null when EXEC was not carried out because a watched key had changed. */
  async transaction(commands: readonly (readonly Argument[])[]): Promise<unknown[] | null> {
    const multi = this.#redis.multi()
    for (const [name = '', ...args] of commands) multi.call(String(name), ...args)
    return this.#exec(multi, commands, commands.length + 2)
  }

  mismatch(what: string): void {
    countError(this.#tally, `${this.name}: ${what}`)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #exec(
    chain: ReturnType<Redis['pipeline']>,
    commands: readonly (readonly Argument[])[],
    sent: number,
  ): Promise<unknown[] | null> {
    const startNs = process.hrtime.bigint()
    try {
      const results = await chain.exec()
      return results === null
        ? null
        : results.map(([error, result], position) => {
            if (error) throw this.#count(commands[position] ?? [], error)
            return result
          })
    } catch (error) {
      throw error instanceof CountedError ? error : this.#count(commands[0] ?? [], error)
    } finally {
      this.#note(startNs, sent)
    }
  }

  #note(startNs: bigint, sent: number): void {
    this.#commands += sent
    this.#tally.commands += sent
    this.#tally.latencyNs.record(process.hrtime.bigint() - startNs || 1n)
  }

  #count(argv: readonly Argument[], error: unknown): CountedError {
    const shown = argv.slice(0, 4).map((argument) => String(argument).slice(0, 40))
    const message = `${this.name}: ${shown.join(' ')}: ${error instanceof Error ? error.message : error}`
    countError(this.#tally, message)
    return new CountedError(message)
  }
}
