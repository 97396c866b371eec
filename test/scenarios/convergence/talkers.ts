/** Publishers that number their messages, and subscribers that see each at most once and in order. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Actor } from './actor.ts'

const channel = 'convergence:talk'
const pauseMs = 5

export class Publisher extends Actor {
  #next = 0

  protected override async connected(): Promise<void> {}

  protected override async turn(): Promise<void> {
    const argv = ['PUBLISH', channel, `${this.id}/${this.#next++}`]
    const [reply] = await this.send([argv])
    this.load.tally.note('publish', argv, reply)
    await sleep(pauseMs)
  }
}

export class Subscriber extends Actor {
  readonly #last = new Map<string, number>()

  protected override async connected(): Promise<void> {
    this.client.onMessage = (message) => this.#heard(String(message.at(-1)))
    await this.untilAnswered(this.id % 3 === 0 ? ['PSUBSCRIBE', 'convergence:*'] : ['SUBSCRIBE', channel])
  }

  /** In both protocols a subscriber may PING, so a connection that is gone is noticed. */
  protected override async turn(): Promise<void> {
    await this.send([['PING']])
    await sleep(pauseMs * 4)
  }

  #heard(text: string): void {
    const [publisher = '', number = ''] = text.split('/')
    this.load.tally.messages++
    const last = this.#last.get(publisher) ?? -1
    if (Number(number) <= last) this.wrong(`message ${text} came after ${publisher}/${last}`)
    this.#last.set(publisher, Number(number))
  }
}
