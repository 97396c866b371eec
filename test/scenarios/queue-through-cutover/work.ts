/** A job queue at work: plain, delayed, failing and repeated jobs, several workers, and a count of what was done how often. */
import { Queue, QueueEvents, Worker } from 'bullmq'

export interface Tally {
  /** Times each job was brought to its end, by its name. */
  readonly done: Map<string, number>
  /** Times each job was begun. */
  readonly begun: Map<string, number>
  /** Times each job was told to be completed, by its name: what is read from the queue's stream, blocking, by a client of its own. */
  readonly told: Map<string, number>
  readonly errors: string[]
}

const failingAttempts = 3
/** The protocols of the workers' connections. */
const workers = [2, 3, 2] as const
const concurrency = 4
const repeatEveryMs = 250

export class QueueAtWork {
  readonly tally: Tally = { done: new Map(), begun: new Map(), told: new Map(), errors: [] }
  readonly added: string[] = []
  readonly #queue: Queue
  readonly #events: QueueEvents
  readonly #workers: Worker[]

  constructor(port: number) {
    const connection = { port, host: '127.0.0.1', maxRetriesPerRequest: null }
    this.#queue = new Queue('work', { connection })
    this.#queue.on('error', (error) => this.tally.errors.push(`queue: ${error.message}`))
    this.#events = new QueueEvents('work', { connection: { ...connection, protocol: 3 }, lastEventId: '0-0' })
    this.#events.on('error', (error) => this.tally.errors.push(`events: ${error.message}`))
    this.#events.on('completed', ({ returnvalue }) => count(this.tally.told, String(returnvalue)))
    this.#workers = workers.map((protocol) => this.#worker({ ...connection, protocol }))
  }

  /** Adds `count` jobs at once: a third delayed, a third that fail twice before they succeed. */
  async add(count: number): Promise<void> {
    const first = this.added.length
    const jobs = Array.from({ length: count }, (_, i) => {
      const [name, kind] = [`job-${first + i}`, (first + i) % 3]
      this.added.push(name)
      return {
        name,
        data: { fails: kind === 1 ? failingAttempts - 1 : 0 },
        opts: { delay: kind === 0 ? 150 : 0, attempts: failingAttempts, backoff: { type: 'fixed', delay: 30 } },
      }
    })
    await this.#queue.addBulk(jobs)
  }

  async repeat(): Promise<void> {
    await this.#queue.upsertJobScheduler('tick', { every: repeatEveryMs }, { name: 'tick', data: { fails: 0 } })
  }

  async stopRepeating(): Promise<void> {
    await this.#queue.removeJobScheduler('tick')
  }

  get allDone(): boolean {
    return this.added.every((name) => this.tally.done.has(name) && this.tally.told.has(name))
  }

  counts(): Promise<Record<string, number>> {
    return this.#queue.getJobCounts()
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()))
    await Promise.all([this.#events.close(), this.#queue.close()])
  }

  #worker(connection: { port: number; protocol: 2 | 3 }): Worker {
    const { done, begun, errors } = this.tally
    const worker = new Worker(
      'work',
      async (job) => {
        count(begun, job.name)
        if (job.attemptsMade < job.data.fails) throw new Error('not yet')
        count(done, job.name)
        return job.name
      },
      { connection, concurrency },
    )
    worker.on('error', (error) => errors.push(`worker: ${error.message}`))
    return worker
  }
}

function count(map: Map<string, number>, name: string): void {
  map.set(name, (map.get(name) ?? 0) + 1)
}
