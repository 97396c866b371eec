/**
 * Whether the authority lets a user send both what its client wrote and what Ferry would put in its place. Asked before the first one is
 * sent on a connection, with calls that no server runs; so nothing is tried that would have to be taken back. Where either is refused, the
 * command goes as it was written, to the authority alone, which says what a server says.
 */
import { isRefusal, refusesCommand } from '../commands/other-forms.ts'
import { stripeOf } from '../routing/stripe.ts'
import type { Lane } from '../upstream/lane.ts'
import { TextReplies } from '../upstream/text-replies.ts'
import type { DbKey } from './command-keys.ts'
import type { Parked } from './order-board.ts'

/** Stripes of keys for which one command is refused; beyond it that counts for all keys, which is slower and as right. */
export const refusedStripesMax = 1024

class Rights {
  allowed = false
  refused = false
  /** Keys for which this user has other rights than for others. */
  readonly stripes = new Set<number>()
  asking: Parked[] | null = null
}

interface Known {
  /** Which of the lane's connections it was asked on. */
  readonly connection: number
  /** By the name of the command that clients write. */
  readonly commands: Map<string, Rights>
}

/** A command and calls that find out about it. */
interface Question {
  readonly name: string
  readonly probes: () => readonly Buffer[]
}

export class FormCheck {
  readonly #known = new WeakMap<Lane, Known>()

  /** False: it is being asked, and `parked` is woken. The lane can be sent to. */
  knows(lane: Lane, context: number, question: Question, key: DbKey, parked: Parked): boolean {
    const rights = this.#rights(lane, question.name)
    if (rights.allowed || this.refuses(lane, question.name, key)) return true
    if (rights.asking === null) this.#ask(lane, context, question, key, rights)
    rights.asking?.push(parked)
    return false
  }

  /** Whether the command is not to be sent in another form for this key, as far as is known. */
  refuses(lane: Lane, name: string, { db, key }: DbKey): boolean {
    const { refused, stripes } = this.#rights(lane, name)
    return refused || (stripes.size > 0 && stripes.has(stripeOf(key, 0, key.length, db)))
  }

  /** Takes note of what the server said to either form of the command. True: it was refused, so it has not run. */
  heard(lane: Lane, name: string, { db, key }: DbKey, reply: Buffer): boolean {
    if (!isRefusal(reply)) return false
    const { stripes } = this.#rights(lane, name)
    if (refusesCommand(reply) || stripes.size >= refusedStripesMax) this.giveUp(lane, name)
    else stripes.add(stripeOf(key, 0, key.length, db))
    return true
  }

  /** The command goes as it is written from now on, on this connection. */
  giveUp(lane: Lane, name: string): void {
    this.#rights(lane, name).refused = true
  }

  /** Whoever needs to know asks again. */
  forget(lane: Lane): void {
    for (const rights of this.#known.get(lane)?.commands.values() ?? []) rights.allowed = false
  }

  #rights(lane: Lane, name: string): Rights {
    let known = this.#known.get(lane)
    if (known === undefined || known.connection !== lane.connections) {
      known = { connection: lane.connections, commands: new Map() }
      this.#known.set(lane, known)
    }
    let rights = known.commands.get(name)
    if (rights === undefined) {
      rights = new Rights()
      known.commands.set(name, rights)
    }
    return rights
  }

  #ask(lane: Lane, context: number, { name, probes }: Question, { db, key }: DbKey, rights: Rights): void {
    rights.asking = []
    const own = { db, key: Buffer.from(key) }
    const frames = probes()
    const frame = Buffer.concat(frames)
    lane.prepare(context)
    const answer = new TextReplies((text) => {
      const errors = text === null ? [] : linesOf(text)
      const refused = errors.filter((error) => this.heard(lane, name, own, error))
      rights.allowed = errors.length > 0 && refused.length === 0
      const asking = rights.asking ?? []
      rights.asking = null
      for (const parked of asking) parked.unpark()
    })
    lane.send(frame, 0, frame.length, answer, frames.length)
  }
}

const linesOf = (text: string): Buffer[] =>
  text
    .split('\r\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line, 'latin1'))
