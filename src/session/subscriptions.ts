/**
 * One client's subscriptions: a connection of its own to the authority, which is there as long as there is a subscription, and a spare
 * one on the other side while a flip is being tried. What the server pushes goes to the client between two replies; the confirmations
 * of a command stand in its place among the replies, and nothing behind that command is looked at before they are in.
 */
import type { LanePair } from '../dispatch/lane-pair.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import type { Side } from '../routing/modes.ts'
import { type ChannelKind, pushInProtocol2 } from '../upstream/channel-set.ts'
import { SubscriptionLane, type SubscriptionOwner } from '../upstream/subscription-lane.ts'
import type { ClientSession } from './client-session.ts'
import type { ClientSubscriptions, Subscriber } from './subscribers.ts'

/** How long a client that is closed may take to read what it was sent. */
const partingMs = 1_000
const nothing = Buffer.alloc(0)

export class Subscriptions implements ClientSubscriptions, Subscriber, SubscriptionOwner {
  /** Whose subscriptions these are, each user in the order of its first one. */
  readonly #pairs: LanePair[]
  /** Who subscribes now, of those. */
  #user = 0
  readonly #session: ClientSession
  #lane: SubscriptionLane | null = null
  #spare: SubscriptionLane | null = null
  /** Of the command whose confirmations are awaited, and the command. */
  #slot: ReplySlot | null = null
  #frame: Buffer | null = null
  #slotBytes = 0
  /** Bounded by what may be owed to one client. */
  readonly #fencedReplies = new Map<ReplySlot, Buffer>()
  /** Where what the client published to itself has its place, the oldest first. Bounded by what may be owed to one client. */
  readonly #own = new Set<ReplySlot>()
  #prepared: (() => void) | null = null
  /** What the client has to be told so far is all here, on both connections. Only between a fence and the flip. */
  #fenced = false
  #endFence: (() => void) | null = null
  #closed = false

  constructor(session: ClientSession) {
    this.#session = session
    this.#pairs = [session.pair]
    session.shared.subscribers.add(this)
  }

  count(kind: ChannelKind): number {
    return this.#lane?.channels.count(kind) ?? 0
  }

  get active(): boolean {
    return this.#lane !== null && !this.#lane.channels.empty
  }

  change(frame: Buffer): void {
    const session = this.#session
    const slot = new ReplySlot()
    session.replies.push(slot)
    const muted = slot.muted
    // Confirmations are pushes: CLIENT REPLY OFF does not hide them.
    slot.muted = false
    session.holdBack()
    const { core, subscribers } = session.shared
    core.authorityLane(session.pair).whenAnswered(() => subscribers.whenOpen(() => this.#ask(frame, slot, muted)))
  }

  fenceReply(bytes: Buffer): void {
    const { replies, shared } = this.#session
    const slot = new ReplySlot()
    replies.push(slot)
    this.#fencedReplies.set(slot, bytes)
    shared.subscribers.whenOpen(() => this.#lane?.ask(null, () => this.#giveReply(slot)))
  }

  ownMessages(waits: boolean): void {
    const session = this.#session
    if (!this.active) return
    const slot = new ReplySlot()
    session.replies.push(slot)
    slot.muted = false
    this.#own.add(slot)
    if (waits) session.holdBack()
    const { core, subscribers } = session.shared
    const heard = (): void => {
      if (this.#own.delete(slot)) session.replies.deliver(slot, nothing, 0, 0, true)
      if (this.#own.size === 0) this.#slotBytes = 0
      if (waits) session.goOn()
    }
    const ask = (): void => (this.#lane === null || this.#closed ? heard() : this.#lane.ask(null, heard))
    core.authorityLane(session.pair).whenAnswered(() => subscribers.whenOpen(ask))
  }

  #giveReply(slot: ReplySlot): void {
    const bytes = this.#fencedReplies.get(slot)
    if (bytes === undefined) return
    this.#fencedReplies.delete(slot)
    this.#session.replies.deliver(slot, bytes, 0, bytes.length, true)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const session = this.#session
    session.shared.subscribers.remove(this)
    if (session.subscriptions === this) session.subscriptions = null
    this.#lane?.close()
    this.standDown()
    for (const slot of this.#fencedReplies.keys()) this.#giveReply(slot)
    for (const slot of this.#own) session.replies.deliver(slot, nothing, 0, 0, true)
    this.#own.clear()
  }

  pushed(from: SubscriptionLane, push: Buffer, confirmation: boolean): void {
    if (from !== this.#lane) return
    const session = this.#session
    const bytes = session.protocol === 2 ? pushInProtocol2(push, confirmation) : push
    const [own] = this.#own
    const place = this.#slot ?? own
    if (place === undefined) session.replies.interject(bytes)
    else {
      if (!session.replies.isFirst(place)) this.#slotBytes += bytes.length
      session.replies.deliver(place, bytes, 0, bytes.length, false)
    }
    const waitingBytes = session.waitingBytes + session.replies.pushBytes + this.#slotBytes
    if (waitingBytes > session.shared.core.limits.outputBufferBytes) session.abort('messages that it did not read')
  }

  lost(from: SubscriptionLane, reason: string): void {
    if (from === this.#spare) {
      this.standDown()
      return
    }
    if (from !== this.#lane) return
    // The first command of all: nothing can have been missed yet.
    if (from.channels.empty && this.#slot !== null) this.#fail(`${from.side} was lost before it answered (${reason})`)
    else this.#part(`${from.side} was lost (${reason})`)
  }

  prepare(side: Side): Promise<void> {
    if (this.#closed || this.#lane === null || this.#lane.side === side) return Promise.resolve()
    if (this.#spare?.side === side && this.#prepared === null) return Promise.resolve()
    this.standDown()
    const [first] = this.#pairs as [LanePair]
    const spare = new SubscriptionLane(first.lane(side), this)
    this.#spare = spare
    return new Promise((resolve) => {
      this.#prepared = resolve
      this.#pairs.forEach((_, user) => {
        const commands = [...(this.#lane?.channels.commands(user) ?? [])]
        if (user > 0 && commands.length > 0) this.#enter(spare, user)
        for (const command of commands) spare.ask(command, () => undefined)
      })
      if (this.#pairs.length > 1) this.#enter(spare, this.#user)
      if (this.#frame !== null) spare.ask(this.#frame, () => undefined)
      spare.ask(null, () => {
        this.#prepared = null
        resolve()
      })
    })
  }

  fence(): Promise<void> {
    this.#endFence?.()
    this.#fenced = false
    const [lane, spare] = [this.#lane, this.#spare]
    if (lane === null || spare === null) return Promise.resolve()
    return new Promise((resolve) => {
      let left = 2
      const one = (): void => {
        if (--left > 0 || this.#endFence !== resolve) return
        this.#fenced = true
        this.#endFence = null
        resolve()
      }
      this.#endFence = resolve
      lane.ask(null, one)
      spare.ask(null, one)
    })
  }

  flipped(): boolean {
    const [lane, spare] = [this.#lane, this.#spare]
    // Nothing is asked for yet; it will be on the new authority.
    if (lane === null) return true
    if (!this.#fenced || spare === null || !spare.channels.equals(lane.channels)) {
      this.#part('the authority changed, and messages may have been missed')
      return false
    }
    this.#lane = spare
    this.#spare = null
    this.#fenced = false
    lane.close()
    return true
  }

  standDown(): void {
    this.#spare?.close()
    this.#spare = null
    this.#fenced = false
    this.#endFence?.()
    this.#endFence = null
    this.#prepared?.()
    this.#prepared = null
  }

  #ask(frame: Buffer, slot: ReplySlot, muted: boolean): void {
    if (this.#closed) return
    const { core, subscribers } = this.#session.shared
    this.#slot = slot
    this.#frame = frame
    const [first] = this.#pairs as [LanePair]
    this.#lane ??= new SubscriptionLane(first.lane(core.traffic.authority), this)
    this.#changeUser()
    this.#lane.ask(frame, (error) => this.#answered(muted ? null : error))
    // Both sets of channels are compared at the flip, so nobody has to wait for the spare one here.
    if (this.#spare !== null) this.#spare.ask(frame, () => undefined)
    else if (subscribers.next !== null) void this.prepare(subscribers.next)
  }

  /** What was subscribed to before stays, as on a server; what comes now is the new user's affair. */
  #changeUser(): void {
    const { pair } = this.#session
    if (pair === this.#pairs[this.#user]) return
    const known = this.#pairs.indexOf(pair)
    this.#user = known >= 0 ? known : this.#pairs.push(pair) - 1
    for (const lane of [this.#lane, this.#spare]) if (lane !== null) this.#enter(lane, this.#user)
  }

  /** Where the server does not want that user any more, nothing may be asked with the rights of the one before. */
  #enter(lane: SubscriptionLane, user: number): void {
    lane.enter((this.#pairs[user] as LanePair).lane(lane.side), user, () => {
      if (lane === this.#spare) this.standDown()
      else this.#part('the server does not admit the user any more')
    })
  }

  #answered(error: Buffer | null): void {
    if (this.#lane?.channels.empty) this.close()
    this.#finish(error ?? nothing)
  }

  #fail(why: string): void {
    this.close()
    this.#session.shared.core.counters.clientError('authority-unavailable')
    this.#finish(wireError('authority-unavailable', `${why}; nothing is subscribed`))
  }

  #finish(last: Buffer): void {
    const slot = this.#slot
    this.#slot = null
    this.#frame = null
    this.#slotBytes = 0
    if (slot === null) return
    this.#session.replies.deliver(slot, last, 0, last.length, true)
    this.#session.goOn()
  }

  /** Closes the client, with what it was sent so far: from here on it would miss messages and not know. */
  #part(why: string): void {
    const session = this.#session
    this.close()
    session.closeAfterReplies()
    this.#finish(wireError('unknown-outcome', why))
    setTimeout(() => session.abort(why), partingMs).unref()
  }
}
