/** Pushes numbered jobs to one list and takes them with blocking pops: no job may be handed out twice, none may disappear. */
import { isReplyError } from '../../../src/resp/decode.ts'
import { Actor, type Load, type Place } from './actor.ts'
import type { Argv } from './commands/world.ts'

export const queueKey = 'jobs'

export class Jobs {
  readonly acknowledged = new Set<string>()
  /** Each with how and when. */
  readonly taken = new Map<string, string>()
  /** Pops that were sent and never answered: each may have taken one job. */
  open = 0
  #made = 0

  next(): string {
    return `job-${this.#made++}`
  }

  /** What is wrong with what is left in the list in the end, or null. */
  verdict(left: readonly string[]): string | null {
    const there = new Set(left)
    const lost = [...this.acknowledged].filter((job) => !this.taken.has(job) && !there.has(job))
    if (lost.length <= this.open) return null
    return `${lost.length} jobs disappeared, and only ${this.open} pops were left open: ${lost.slice(0, 5).join()}`
  }
}

export class QueueWorker extends Actor {
  readonly #jobs: Jobs
  #popping = false

  constructor(load: Load, place: Place, jobs: Jobs) {
    super(load, place)
    this.#jobs = jobs
  }

  protected override connected(): Promise<void> {
    return this.select(this.load.ownDb)
  }

  protected override lost(): void {
    if (this.#popping) this.#jobs.open++
    this.#popping = false
  }

  protected override async turn(): Promise<void> {
    if (!this.load.settledIn()) await this.send([['PING']])
    else if (this.random.chance(0.5)) await this.#push()
    else await this.#pop()
  }

  async #push(): Promise<void> {
    const job = this.#jobs.next()
    const [reply] = await this.send([['RPUSH', queueKey, job]])
    if (isReplyError(reply)) this.load.tally.noteError(['RPUSH'], reply.error)
    else this.#jobs.acknowledged.add(job)
  }

  async #pop(): Promise<void> {
    const argv: Argv = this.random.chance(0.7) ? ['BLPOP', queueKey, '0.2'] : ['BLMPOP', '0.2', 1, queueKey, 'LEFT']
    this.#popping = true
    const [reply] = await this.send([argv])
    this.#popping = false
    if (isReplyError(reply)) {
      this.load.tally.noteError(argv, reply.error)
      this.#jobs.open++
    } else if (Array.isArray(reply)) {
      const job = String(reply[1])
      const how = `${argv[0]} of client ${this.id} at ${new Date().toISOString()}`
      const before = this.#jobs.taken.get(job)
      if (before !== undefined) this.wrong(`${job} was handed out to ${before}, and to ${how}`)
      this.#jobs.taken.set(job, how)
    }
  }
}
