/**
 * Commands that wait. No server connection ever blocks for them: Ferry runs the form that does not block as an ordinary command of the
 * client, and where that had nothing to answer the client waits here, on the wait board, until one of its keys is written to.
 *
 * Meanwhile its place in the replies stays open and nothing behind it is looked at; but its socket is read, so that it is seen when it
 * goes. What had been sent for it by then has taken what it took, on both sides alike, as on a server.
 */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import { type Attempt, type BlockingPlan, nothing, outcomeOf, readBlocking } from '../commands/blocking.ts'
import { isRefusal, spoiltPop, waitingFor } from '../commands/other-forms.ts'
import type { CommandSpec } from '../commands/spec.ts'
import { framesIn } from '../dispatch/command-keys.ts'
import type { Frame, Sent } from '../dispatch/frame.ts'
import { InnerClient } from '../dispatch/inner-client.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import type { Awaiting } from '../dispatch/wait-board.ts'
import { wireError } from '../errors.ts'
import { decodeReply, type Reply } from '../resp/decode.ts'
import { encodeCommand, encodeError, encodeInteger } from '../resp/encode.ts'
import { sides } from '../routing/modes.ts'
import { contextOf } from '../upstream/lane.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { type BlockedWait, unblocked } from './client-waits.ts'

const noBytes = Buffer.alloc(0)
/** The least that a server waits for. Found there, an element is answered at once. */
const leastWaitSeconds = '0.001'
/** The longest timer there is; a longer wait is several. */
const timerMaxMs = 2 ** 31 - 1

export function handleBlocking(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (frame.pieces !== null) return handleLarge(session, spec, frame.pieces)
  const argv = Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i)))
  const read = readBlocking(spec, argv, knowMultiPop(session))
  if (read.how === 'error') return answer(session, encodeError(read.text))
  const plan = read.how === 'wait' ? read.plan : asked(read.argv)
  if (!knowsForm(session, spec, argv, plan)) return 'parked'
  const full = session.shared.core.waits.full(plan.keys.length)
  if (full !== null) {
    session.shared.core.counters.clientError('limit')
    return answer(session, wireError('limit', full))
  }
  const blocked = new BlockedCommand(session, spec, argv, plan)
  session.blocked = blocked
  blocked.start()
  return 'sent'
}

/** Whether it is known if its user may send both what it wrote and the form that is tried instead. */
function knowsForm(session: ClientSession, { name }: CommandSpec, argv: readonly Buffer[], plan: BlockingPlan): boolean {
  const { core } = session.shared
  const [key] = plan.keys
  const probe = waitingFor(name, argv)
  if (key === undefined || probe === null) return true
  // Of as many forms as there are keys, the first speaks for the others.
  const spoilt = plan.attempts.slice(0, 1).flatMap((attempt) => spoiltPop(attempt.argv) ?? [])
  const probes = (): Buffer[] => [probe, spoilt].flatMap((words) => (words.length === 0 ? [] : [encodeCommand(words)]))
  const question = { name: formsOf(name, plan), probes }
  return core.forms.knows(core.authorityLane(session.pair), session.context, question, { db: session.db, key }, session)
}

/** What is tried instead is not the same for one key and for several. */
const formsOf = (name: string, { attempts }: BlockingPlan): string => `${name} ${attempts[0]?.argv[0]}`

/** CLIENT UNBLOCK id [TIMEOUT | ERROR]. Answered when it is known whether that client had not been served already. */
export function unblock(session: ClientSession, args: ArgView): Sent {
  const withError = argIs(args, 3, 'error')
  if (args.argc > 4) {
    return answer(session, encodeError("ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."))
  }
  if (args.argc === 4 && !withError && !argIs(args, 3, 'timeout')) {
    return answer(session, encodeError('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR'))
  }
  const id = argInteger(args, 2)
  if (Number.isNaN(id)) return answer(session, encodeError('ERR value is not an integer or out of range'))
  const other = session.shared.sessions.get(id)
  const blocked = other?.blocked ?? other?.replicaWait ?? null
  if (blocked === null) return answer(session, encodeInteger(0))
  const slot = new ReplySlot()
  session.replies.push(slot)
  void blocked.unblock(withError).then((ended) => {
    const reply = encodeInteger(ended ? 1 : 0)
    session.replies.deliver(slot, reply, 0, reply.length, true)
  })
  return 'sent'
}

/** Put together: all of its arguments count. */
function handleLarge(session: ClientSession, spec: CommandSpec, pieces: readonly Buffer[]): Sent {
  const buf = Buffer.concat(pieces)
  for (const args of framesIn(buf, 0, buf.length)) {
    return handleBlocking(session, spec, args, { buf, start: 0, end: buf.length, pieces: null })
  }
  return 'sent'
}

/** Asked once, without waiting. */
const asked = (argv: readonly Buffer[]): BlockingPlan => ({
  attempts: [{ argv, shape: 'same', key: noBytes }],
  timeoutMs: 0,
  keys: [],
  line: '',
  reads: false,
  destination: null,
  openIds: [],
})

/** By the service's own connections: the client's user may not be allowed to ask. */
const knowMultiPop = ({ shared: { lanes } }: ClientSession): boolean =>
  sides.every((side) => Number.parseInt(lanes.lane(side).server.version, 10) >= 7)

class BlockedCommand implements Awaiting, BlockedWait {
  readonly #session: ClientSession
  readonly #name: string
  readonly #plan: BlockingPlan
  readonly #inner: InnerClient
  readonly #slot = new ReplySlot()
  readonly #db: number
  readonly #argv: readonly Buffer[]
  /** Its user may not send the form that does not wait. */
  #asWritten: boolean
  /** The server would run what the client wrote. */
  #permitted = false
  #attempts: BlockingPlan['attempts']
  #openIds: BlockingPlan['openIds']
  #running: Promise<boolean> | null = null
  #again = false
  /** It has found nothing once: what is answered from now on is as a server answers a client that it wakes. */
  #waited = false
  #done = false
  /** How it ends where an attempt that is under way finds nothing. */
  #ending: Buffer | null = null
  #whenDone: (() => void)[] = []
  #endedByItself = false
  #timer: NodeJS.Timeout | null = null

  /** `argv` and what is in it are owned. */
  constructor(session: ClientSession, spec: CommandSpec, argv: readonly Buffer[], plan: BlockingPlan) {
    const { core, lanes, writes } = session.shared
    this.#session = session
    this.#name = spec.name
    this.#plan = plan
    this.#attempts = plan.attempts
    this.#openIds = plan.openIds
    this.#db = session.db
    this.#argv = argv
    const [key] = plan.keys
    this.#asWritten =
      key !== undefined && core.forms.refuses(core.authorityLane(session.pair), formsOf(spec.name, plan), { db: session.db, key })
    this.#inner = new InnerClient(core, lanes, writes, session)
  }

  start(): void {
    const { replies, shared } = this.#session
    replies.push(this.#slot)
    this.#session.holdBack()
    shared.core.waits.join(this, this.#db, this.#plan.keys, this.#plan.line)
    if (this.#plan.timeoutMs > 0) this.#arm(this.#plan.timeoutMs)
    void this.tryAgain()
  }

  tryAgain(): Promise<boolean> {
    if (this.#done) return Promise.resolve(true)
    this.#again = true
    this.#running ??= this.#run()
    return this.#running
  }

  /** CLIENT UNBLOCK: whether that is what ended it; an attempt that is under way may have an answer instead. */
  async unblock(withError: boolean): Promise<boolean> {
    this.#end(withError ? unblocked : nothing(this.#session.protocol))
    if (!this.#done) await new Promise<void>((resolve) => this.#whenDone.push(resolve))
    return !this.#endedByItself
  }

  /** Nothing more is waited for: what is under way is answered, and else it ends without an answer, as when a server stops. */
  drain(): void {
    this.#end(noBytes)
  }

  /** The client's connection is closed. */
  gone(): void {
    this.#inner.cancel()
    this.#finish(noBytes)
  }

  #arm(ms: number): void {
    const timer = (): void => {
      if (ms > timerMaxMs) this.#arm(ms - timerMaxMs)
      else this.#end(nothing(this.#session.protocol))
    }
    this.#timer = setTimeout(timer, Math.min(ms, timerMaxMs))
  }

  #end(bytes: Buffer): void {
    if (this.#running === null || this.#inner.cancel()) this.#finish(bytes)
    else this.#ending = bytes
  }

  async #run(): Promise<boolean> {
    while (this.#again && !this.#done) {
      this.#again = false
      const bytes = await this.#try()
      if (this.#done) break
      if (bytes !== null) {
        this.#endedByItself = true
        this.#finish(bytes)
      } else if (this.#ending !== null) this.#finish(this.#ending)
      else if (!this.#waited) this.#wait()
    }
    this.#running = null
    return this.#done
  }

  /** It found nothing for the first time. */
  #wait(): void {
    this.#waited = true
    if (this.#plan.keys.length === 0) {
      this.#finish(nothing(this.#session.protocol))
      return
    }
    const { changes } = this.#session.shared.core.waits
    for (const key of this.#plan.keys) changes?.watch(this.#db, key)
  }

  /** What to answer, or null. */
  async #try(): Promise<Buffer | null> {
    await this.#closeIds()
    if (this.#asWritten) return this.#tryAsWritten()
    for (const attempt of this.#attempts) {
      if (this.#done) return null
      const reply = await (this.#plan.reads ? this.#inner.read(attempt.argv) : this.#inner.write(attempt.argv))
      if (reply === null) return null
      if (isRefusal(reply) && waitingFor(this.#name, this.#argv) !== null) {
        this.#refused(reply)
        return this.#tryAsWritten()
      }
      const answer = await this.#answerTo(attempt, reply)
      if (answer !== null) return answer
    }
    return null
  }

  /** What to answer where the server said this, or null. */
  async #answerTo(attempt: Attempt, reply: Buffer): Promise<Buffer | null> {
    const outcome = outcomeOf(attempt, reply)
    if (outcome === 'empty') return null
    if (outcome === 'error') return (await this.#staysBlocked(reply)) ? null : reply
    const { destination } = this.#plan
    if (destination !== null) this.#session.shared.core.waits.wake(this.#db, destination)
    return outcome
  }

  /** The next one of this user does not try it again. */
  #refused(reply: Buffer): void {
    const { core } = this.#session.shared
    const [key] = this.#plan.keys
    const forms = formsOf(this.#name, this.#plan)
    if (key !== undefined) core.forms.heard(core.authorityLane(this.#session.pair), forms, { db: this.#db, key }, reply)
    this.#asWritten = true
  }

  /**
   * Refused before it began to run, so nothing has happened: what the client wrote is sent, where it will find something and so does not
   * wait. Whoever was quicker leaves it to wait for as long as a server's timers are apart, 100 ms.
   */
  async #tryAsWritten(): Promise<Buffer | null> {
    if (!this.#permitted) {
      const said = await this.#inner.read(waitingFor(this.#name, this.#argv) ?? this.#argv)
      if (said === null || isRefusal(said) || this.#plan.keys.length === 0) return said
      this.#permitted = true
    }
    if (this.#done || !(await this.#anyThere()) || this.#done) return null
    const argv = waitingFor(this.#name, this.#argv, leastWaitSeconds) ?? this.#argv
    const reply = await this.#inner.write(argv)
    return reply === null ? null : this.#answerTo({ argv, shape: 'same', key: noBytes }, reply)
  }

  /** Once everything has run that was sent before, by whomever: what woke it may still be on its way. */
  async #anyThere(): Promise<boolean> {
    const { core, lanes } = this.#session.shared
    await new Promise<void>((resolve) => lanes.whenAnswered(core.traffic.authority, () => resolve()))
    const reply = await this.#askedByService(['EXISTS', ...this.#plan.keys])
    return reply === null || reply.toString('latin1') !== ':0\r\n'
  }

  /** A key that turned out to be of another type is not what the client waits for. Whatever else is wrong is answered. */
  async #staysBlocked(error: Buffer): Promise<boolean> {
    const { destination, keys, line } = this.#plan
    if (!this.#waited || line?.startsWith('stream') || !error.toString('latin1', 0, 11).startsWith('-WRONGTYPE ')) return false
    if (destination === null) return true
    const type = await this.#asked(['TYPE', keys[0] as Buffer])
    return type?.toString('latin1') !== '+list\r\n'
  }

  /** `$` is what was last when the client asked, so it is found out once, before the first attempt; `+` after it. */
  async #closeIds(): Promise<void> {
    const isDue = ({ last }: { readonly last: boolean }): boolean => !last || this.#waited
    const due = this.#openIds.filter(isDue)
    if (due.length === 0) return
    this.#openIds = this.#openIds.filter((id) => !isDue(id))
    const [attempt] = this.#attempts
    if (attempt === undefined) return
    const argv = [...attempt.argv]
    for (const { key, at } of due) argv[at] = Buffer.from(await this.#lastIdOf(key))
    this.#attempts = [{ ...attempt, argv }]
  }

  async #lastIdOf(key: Buffer): Promise<string> {
    const fields = decoded(await this.#asked(['XINFO', 'STREAM', key]))
    // No stream, or no stream's key: the attempt itself will tell.
    if (!Array.isArray(fields)) return '0-0'
    const at = fields.findIndex((field, i) => i % 2 === 0 && String(field) === 'last-generated-id')
    return at < 0 ? '0-0' : String(fields[at + 1])
  }

  /** A user who may pop or read need not have the right to this. What the client sent before has run by then. */
  async #asked(argv: readonly (Buffer | string)[]): Promise<Buffer | null> {
    const reply = await this.#inner.read(argv)
    return reply !== null && isRefusal(reply) ? this.#askedByService(argv) : reply
  }

  async #askedByService(argv: readonly (Buffer | string)[]): Promise<Buffer | null> {
    const { core, lanes } = this.#session.shared
    const frame = encodeCommand(argv)
    const context = contextOf(2, this.#db)
    const asked = exchange(lanes.lane(core.traffic.authority), context, 1, (lane) => lane.write(frame, 0, frame.length))
    return asked.catch(() => null)
  }

  #finish(bytes: Buffer): void {
    if (this.#done) return
    this.#done = true
    const session = this.#session
    if (this.#timer !== null) clearTimeout(this.#timer)
    session.shared.core.waits.leave(this)
    session.blocked = null
    session.replies.deliver(this.#slot, bytes, 0, bytes.length, true)
    for (const resolve of this.#whenDone.splice(0)) resolve()
    session.goOn()
  }
}

const decoded = (reply: Buffer | null): Reply => (reply === null ? null : decodeReply(reply).value)
