/**
 * Commands that wait. No server connection ever blocks for them: Ferry runs the form that does not block as an ordinary command of the
 * client, and where that had nothing to answer the client waits here, on the wait board, until one of its keys is written to.
 *
 * Meanwhile its place in the replies stays open and nothing behind it is looked at; but its socket is read, so that it is seen when it
 * goes. What had been sent for it by then has taken what it took, on both sides alike, as on a server.
 */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import { type BlockingPlan, nothing, outcomeOf, readBlocking } from '../commands/blocking.ts'
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
import { contextOf } from '../upstream/lane.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { type BlockedWait, unblocked } from './client-waits.ts'

const noBytes = Buffer.alloc(0)
/** The longest timer there is; a longer wait is several. */
const timerMaxMs = 2 ** 31 - 1

export function handleBlocking(session: ClientSession, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
  if (frame.pieces !== null) return handleLarge(session, spec, frame.pieces)
  const argv = Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i)))
  const read = readBlocking(spec, argv, knowMultiPop(session))
  if (read.how === 'error') return answer(session, encodeError(read.text))
  const plan = read.how === 'wait' ? read.plan : asked(read.argv)
  const full = session.shared.core.waits.full(plan.keys.length)
  if (full !== null) {
    session.shared.core.counters.clientError('limit')
    return answer(session, wireError('limit', full))
  }
  const blocked = new BlockedCommand(session, spec, plan)
  session.blocked = blocked
  blocked.start()
  return 'sent'
}

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

const knowMultiPop = ({ pair }: ClientSession): boolean =>
  [pair.source, pair.target].every(({ server }) => Number.parseInt(server.version, 10) >= 7)

class BlockedCommand implements Awaiting, BlockedWait {
  readonly #session: ClientSession
  readonly #name: string
  readonly #plan: BlockingPlan
  readonly #inner: InnerClient
  readonly #slot = new ReplySlot()
  readonly #db: number
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

  constructor(session: ClientSession, spec: CommandSpec, plan: BlockingPlan) {
    const { core, lanes, writes } = session.shared
    this.#session = session
    this.#name = spec.name
    this.#plan = plan
    this.#attempts = plan.attempts
    this.#openIds = plan.openIds
    this.#db = session.db
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
    for (const attempt of this.#attempts) {
      if (this.#done) return null
      const reply = await (this.#plan.reads ? this.#inner.read(attempt.argv) : this.#inner.write(attempt.argv))
      if (reply === null) return null
      const outcome = outcomeOf(attempt, reply)
      if (outcome === 'empty') continue
      if (outcome === 'error') {
        if (await this.#staysBlocked(reply)) continue
        return ownName(reply, String(attempt.argv[0]), this.#name)
      }
      const { destination } = this.#plan
      if (destination !== null) this.#session.shared.core.waits.wake(this.#db, destination)
      return outcome
    }
    return null
  }

  /** A key that turned out to be of another type is not what the client waits for. Whatever else is wrong is answered. */
  async #staysBlocked(error: Buffer): Promise<boolean> {
    const { destination, keys, line } = this.#plan
    if (!this.#waited || line?.startsWith('stream') || !error.toString('latin1', 0, 11).startsWith('-WRONGTYPE ')) return false
    if (destination === null) return true
    const type = await this.#inner.read(['TYPE', keys[0] as Buffer])
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
    const reply = await this.#inner.read(['XINFO', 'STREAM', key])
    const fields = isNoPermission(reply) ? await this.#askedByService(key) : decoded(reply)
    // No stream, or no stream's key: the attempt itself will tell.
    if (!Array.isArray(fields)) return '0-0'
    const at = fields.findIndex((field, i) => i % 2 === 0 && String(field) === 'last-generated-id')
    return at < 0 ? '0-0' : String(fields[at + 1])
  }

  /** A user who may read streams need not have the right to XINFO. What the client sent before has run by now. */
  async #askedByService(key: Buffer): Promise<Reply> {
    const { core, lanes } = this.#session.shared
    const frame = encodeCommand(['XINFO', 'STREAM', key])
    const context = contextOf(2, this.#db)
    const asked = exchange(lanes.lane(core.traffic.authority), context, 1, (lane) => lane.write(frame, 0, frame.length))
    return decoded(await asked.catch(() => null))
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

const isNoPermission = (reply: Buffer | null): boolean => reply?.toString('latin1', 0, 8) === '-NOPERM '

const decoded = (reply: Buffer | null): Reply => (reply === null ? null : decodeReply(reply).value)

/** A refusal names the command that the client sent. */
function ownName(error: Buffer, plain: string, name: string): Buffer {
  const text = error.toString('latin1')
  return text.startsWith('-NOPERM ') ? Buffer.from(text.replace(`'${plain}'`, `'${name}'`), 'latin1') : error
}
