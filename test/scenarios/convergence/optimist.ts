/**
 * Many clients raise one counter by WATCH, GET, MULTI, SET, EXEC. Every EXEC that was acknowledged raised it by one, and no other may
 * have: so its value in the end shows whether an update was lost or let through although the key had changed.
 */
import { isReplyError } from '../../../src/resp/decode.ts'
import { Actor, type Load, type Place } from './actor.ts'
import type { Argv } from './commands/world.ts'

export const watchedKey = 'watched'

export class Watched {
  acknowledged = 0
  conflicts = 0
  /** EXEC was sent and never answered: it may have run. */
  open = 0

  /** What is wrong with this value in the end, or null. */
  verdict(value: number): string | null {
    const most = this.acknowledged + this.open
    if (value >= this.acknowledged && value <= most) return null
    return `the watched counter is ${value}; ${this.acknowledged} transactions were acknowledged and ${this.open} left open`
  }
}

export class Optimist extends Actor {
  readonly #watched: Watched
  #atEnd = false

  constructor(load: Load, place: Place, watched: Watched) {
    super(load, place)
    this.#watched = watched
  }

  protected override connected(): Promise<void> {
    return this.select(this.load.ownDb)
  }

  protected override lost(): void {
    if (this.#atEnd) this.#watched.open++
    this.#atEnd = false
  }

  protected override async turn(): Promise<void> {
    if (!this.load.settledIn()) {
      await this.send([['PING']])
      return
    }
    const start: Argv[] = [
      ['WATCH', watchedKey],
      ['GET', watchedKey],
    ]
    const [watching, value] = await this.send(start)
    if (isReplyError(watching) || isReplyError(value)) {
      for (const reply of [watching, value]) if (isReplyError(reply)) this.load.tally.noteError(start[0] as Argv, reply.error)
      await this.send([['UNWATCH']])
      return
    }
    this.load.tally.note('watch', ['WATCH'], watching)
    const [opened] = await this.send([['MULTI']])
    if (isReplyError(opened)) {
      this.load.tally.noteError(['MULTI'], opened.error)
      await this.send([['UNWATCH']])
    } else await this.#commit(Number(value ?? 0) + 1)
  }

  async #commit(next: number): Promise<void> {
    this.#atEnd = true
    const [queued, ended] = await this.send([['SET', watchedKey, next], ['EXEC']])
    this.#atEnd = false
    if (isReplyError(queued)) this.load.tally.noteError(['SET'], queued.error)
    else if (isReplyError(ended)) {
      this.load.tally.noteError(['EXEC'], ended.error)
      this.#watched.open++
    } else if (ended === null) this.#watched.conflicts++
    else this.#watched.acknowledged++
  }
}
