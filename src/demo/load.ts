/** The live load: ioredis clients that work through the proxy all the time, as an application's instances would. */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { CountedError, countError, LoadClient, type Tally } from './load-client.ts'
import { Operations } from './operations.ts'
import { OwnKeys, SharedCounters } from './own-keys.ts'
import { Random } from './random.ts'
import type { Argument } from './raw-connection.ts'

/** The last one works in another database; every fourth speaks RESP2. */
const clientCount = 10
const seed = 20_26
const pauseMsMax = 20

export interface LoadOptions {
  readonly port: number
  /** Keys of the data set; see datasetKey. */
  readonly keys: number
  /** All clients together; they go slower where the servers do not keep up. 0 = as fast as they can. */
  readonly commandsPerSecond: number
}

interface Worker {
  readonly client: LoadClient
  readonly operations: Operations
  readonly own: OwnKeys
}

export class Load {
  readonly tally: Tally = { commands: 0, clientErrors: 0, messages: [], latencyNs: createHistogram() }
  readonly #workers: Worker[] = []
  readonly #shared = new SharedCounters()
  readonly #rate: number
  #running = false
  #loops: Promise<void>[] = []

  static async connect(options: LoadOptions): Promise<Load> {
    const load = new Load(options.commandsPerSecond)
    for (let number = 0; number < clientCount; number++) {
      const db = number === clientCount - 1 ? 1 : 0
      const random = new Random(seed + number)
      const clientOptions = { port: options.port, name: `client-${number}`, protocol: number % 4 === 1 ? 2 : 3, db } as const
      const client = await LoadClient.connect(clientOptions, random, load.tally)
      if (number === 0 || db > 0) for (const argv of Operations.preparations()) await client.call(argv)
      const operations = new Operations(random, db > 0 ? 0 : options.keys)
      load.#workers.push({ client, operations, own: new OwnKeys(client, load.#shared) })
    }
    return load
  }

  private constructor(commandsPerSecond: number) {
    this.#rate = commandsPerSecond / clientCount
  }

  get clients(): number {
    return this.#workers.length
  }

  start(): void {
    this.#running = true
    this.#loops = this.#workers.map((worker) => this.#work(worker))
  }

  /** Resolves when every command that was sent has its reply. The clients stay connected; start() goes on. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#loops)
    this.#loops = []
  }

  close(): void {
    this.#running = false
    for (const { client } of this.#workers) client.close()
  }

  /** What the clients know that the servers must hold, by database: values of their own keys, sums of the shared counters. */
  expected(): Map<number, Map<string, string | null>> {
    const expected = new Map<number, Map<string, string | null>>([[0, new Map(this.#shared.expected())]])
    for (const { client, own } of this.#workers) {
      const known = expected.get(client.db) ?? new Map()
      for (const [key, value] of own.expected) known.set(key, value)
      expected.set(client.db, known)
    }
    return expected
  }

  async #work(worker: Worker): Promise<void> {
    const startMs = performance.now()
    const sentBefore = worker.client.commands
    while (this.#running) {
      try {
        await step(worker)
      } catch (error) {
        if (!(error instanceof CountedError)) countError(this.tally, `${worker.client.name}: ${error}`)
        await sleep(pauseMsMax)
      }
      if (this.#rate === 0) continue
      const aheadMs = ((worker.client.commands - sentBefore) / this.#rate) * 1000 - (performance.now() - startMs)
      if (aheadMs > 1) await sleep(Math.min(aheadMs, pauseMsMax))
    }
  }
}

/** One thing that an application does: alone, several at once, a pipeline, a transaction, or a write that it reads back. */
async function step({ client, operations, own }: Worker): Promise<void> {
  const { random } = client
  const several = (count: number, make: () => Argument[]) => Array.from({ length: count }, make)
  const kind = random.next()
  if (kind < 0.35) await client.call(operations.any())
  else if (kind < 0.55) await Promise.all(several(random.between(2, 6), () => operations.any()).map((argv) => client.call(argv)))
  else if (kind < 0.7) await client.pipeline(several(random.between(4, 16), () => operations.any()))
  else if (kind < 0.78) await client.transaction(several(random.between(1, 5), () => operations.write()))
  else await own.check()
}
