/**
 * A transaction that runs on the authority first. EXEC's reply tells what it did: the client gets it, and the follower gets what follows
 * from it as one transaction of its own, or nothing where EXEC did not run.
 */
import { encodeError, replies } from '../resp/encode.ts'
import { elementsOf } from '../resp/reply-elements.ts'
import type { Lane } from '../upstream/lane.ts'
import { type ReplyLane, unheard, type Waiter } from '../upstream/waiter.ts'
import { authorityBytes, type Block, blockBytes, changesLibraries, hasCompanions, renames, withoutCompanions } from './block.ts'
import { type FollowerPart, type FollowerStep, followerPart, isError, type Servers, type Told } from './block-effects.ts'
import type { Client } from './client.ts'
import { framesIn } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Lanes } from './lanes.ts'
import { unknownOutcome } from './lost-reply.ts'
import { ReplySlot } from './reply-queue.ts'
import type { ScriptWindow } from './script-watch.ts'

/** What a server says of a transaction that an error spoilt. */
export const execAbort = encodeError('EXECABORT Transaction discarded because of previous errors.')

/** EXEC's answer where a watched key has changed. */
export const nilOf = (protocol: number): Buffer => (protocol === 3 ? replies.null3 : replies.nullArray)

/** Runs the follower's part when its turn comes, and lets go of the keys. */
export type InTurn = (follow: () => void) => void

/** The client has its reply. `sent`: the server has had EXEC. */
export type BlockDone = (sent: boolean) => void

/** How the scripts in a block are seen. `doubt`: why anything may have changed if they ran. */
export interface ScriptSight {
  readonly window: ScriptWindow | null
  readonly doubt: string | null
  /** The reply waits until what they wrote is known: a read of the follower could otherwise be older. */
  readonly delays: boolean
}

export interface BlockErrand {
  readonly servers: Servers
  readonly inTurn: InTurn
  readonly sight: ScriptSight | null
  /** On a connection that watches keys, until EXEC. */
  readonly watched: boolean
  readonly done: BlockDone
  /** Both sides have answered what they were sent of it, or will not. */
  over(): void
}

export class BlockWrite extends ReplySlot implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #servers: Servers
  readonly #client: Client
  #block: Block
  readonly #db: number
  readonly #context: number
  /** The lane of now: the sides may have changed places by the time EXEC is answered. */
  readonly #follower: Lane
  readonly #mirrored: boolean
  readonly #inTurn: InTurn
  readonly #sight: ScriptSight | null
  readonly #watched: boolean
  readonly #done: BlockDone
  readonly #over: () => void
  #sentMs: number
  #pieces: Buffer[] = []
  #queued: QueueReplies | null = null

  constructor(core: Core, client: Client, block: Block, { servers, inTurn, sight, watched, done, over }: BlockErrand) {
    super()
    this.#core = core
    this.#servers = servers
    this.#client = client
    this.#block = block
    this.#db = client.db
    this.#context = client.context
    this.#follower = client.pair.lane(core.traffic.follower)
    this.#mirrored = core.traffic.mirrored
    this.#inTurn = inTurn
    this.#sight = sight
    this.#watched = watched
    this.#done = done
    this.#over = over
    this.#sentMs = core.turn.nowMs
  }

  /** Appends the whole block to a lane on the authority. */
  send(lane: Lane): void {
    const { bytes, before, after } = authorityBytes(this.#block, this.#db)
    this.#note(lane)
    this.#sentMs = this.#core.turn.nowMs
    this.#queued = hasCompanions(this.#block) ? new QueueReplies() : null
    putBlock(lane, this.#context, { bytes, before, after }, this, this.#queued ?? unheard)
    this.#core.counters.sides[lane.side].commands += before + after + 1
  }

  /**
   * Each time it is sent, which may be long after it was looked at: a copy may have been begun since. What it changes is noted in parts only
   * where whoever takes the notes waits for its answer, which nobody does on a connection of its own.
   */
  #note(lane: Lane): void {
    const { writes, global, commands } = this.#block
    const isShared = lane === this.#core.authorityLane(this.#client.pair)
    const { notes } = this.#core
    if (!notes.any || !writes) return
    for (const { spec, carriage, bytes, keys } of commands) {
      if (carriage.how !== 'both' || !isShared) notes.changed(keys, 'a transaction may have changed any part of it')
      else if (spec.write) for (const args of framesIn(bytes, 0, bytes.length)) notes.wrote(spec, args, keys)
    }
    if (global.length > 0) notes.changedAll('a transaction with a command on all keys ran')
    for (const { carriage } of commands)
      if (carriage.how === 'copy' && carriage.script === undefined && carriage.unknownKeys !== null)
        notes.changedAll(carriage.unknownKeys)
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    this.#core.latencies.client.record(this.#core.answered(lane, this.#sentMs))
    const reply = Buffer.concat(this.#pieces)
    if (!this.#sentAgain(lane as Lane, reply)) this.#answered(reply)
  }

  /**
   * True where the client's user may not send a companion, which alone spoilt the transaction: nothing has run, so it is sent without.
   * What was watched is not watched any more then; the client is told that it has changed, and tries again by itself.
   */
  #sentAgain(lane: Lane, reply: Buffer): boolean {
    const { pair, protocol } = this.#client
    if (this.#queued === null) return false
    if (!this.#queued.onlyCompanionsRefused(this.#block)) {
      if (pair.companions === 'untried' && elementsOf(reply) !== null) pair.companions = 'allowed'
      return false
    }
    pair.companions = 'refused'
    if (this.#watched) {
      this.#answered(nilOf(protocol))
      return true
    }
    // Something of this client stands behind it and has run already.
    if (this.next !== null || !this.#core.accepts(lane)) return false
    this.#block = withoutCompanions(this.#block)
    this.#pieces = []
    this.send(lane)
    return true
  }

  lost(lane: ReplyLane): void {
    this.#core.counters.sides[lane.side].lost++
    const reason = `${lane.side} was lost before it answered`
    this.#sight?.window?.lost(lane as Lane)
    // At once, and again behind whatever stands before it: nothing of these keys may be read as equal before then.
    this.#doubtBlock(reason, true)
    this.#inTurn(() => this.#doubtBlock(reason, true))
    this.#over()
    this.#answer(unknownOutcome(this.#core, lane), true)
  }

  /** EXEC was not sent and will not be: the client is told so, and the follower nothing. */
  unsent(reply: Buffer): void {
    this.#sight?.window?.answered()
    this.#inTurn(() => undefined)
    this.#over()
    this.#answer(reply, false)
  }

  #answer(reply: Buffer, sent: boolean): void {
    this.#client.replies.deliver(this, reply, 0, reply.length, true)
    this.#done(sent)
  }

  #answered(reply: Buffer): void {
    const told = toldBy(this.#block, elementsOf(reply))
    if (told === null && ranSingly(reply)) {
      const reason = 'MULTI was refused, so its commands may have run one by one'
      this.#doubtBlock(reason)
      this.#inTurn(() => this.#doubtBlock(reason))
      this.#over()
      this.#sight?.window?.answered()
      this.#answer(reply, true)
      return
    }
    // Perhaps for a form that its client did not write: before the next one is sent, it is asked again.
    if (told === null && reply.equals(execAbort) && renames(this.#block))
      this.#core.forms.forget(this.#core.authorityLane(this.#client.pair))
    const { window = null, doubt = null, delays = false } = this.#sight ?? {}
    if (told !== null && doubt !== null && this.#core.traffic.mirrored) this.#core.doubtAll(doubt)
    const part = told !== null && this.#block.writes ? followerPart(this.#block.commands, told, this.#servers) : null
    this.#inTurn(() => {
      if (part === null || !this.#follow(part)) this.#over()
    })
    const answer = (): void => this.#answer(told === null ? reply : this.#shaped(reply, told), true)
    if (window !== null && delays) window.whenSettled(answer)
    else answer()
    window?.answered()
  }

  #shaped(reply: Buffer, told: readonly Told[]): Buffer {
    const { shape, commands } = this.#block
    const own = told.map((replies) => replies.own)
    if (shape !== null) return shape(own)
    if (commands.every(({ companion }) => companion === null)) return reply
    return Buffer.concat([Buffer.from(`*${own.length}\r\n`), ...own])
  }

  /** Whether the follower was sent something. */
  #follow(part: FollowerPart): boolean {
    const { traffic } = this.#core
    if (!traffic.mirrored) return false
    if (!this.#mirrored) {
      // It was sent while there was no follower: a copy that has begun since may have read the keys before it ran.
      this.#doubtBlock('it ran while the mirroring began')
      // Nobody saw what they wrote.
      if (this.#block.scripts.some(({ facts }) => !facts.declaredOnly))
        this.#core.doubtAll('a script ran while the mirroring began')
      return false
    }
    if (part.doubtAll !== null) this.#core.doubtAll(part.doubtAll)
    this.#core.doubt(part.doubted, 'a transaction did to it what its reply does not tell')
    if (part.steps.length === 0) return false
    if (!this.#core.accepts(this.#follower)) {
      doubtSteps(this.#core, part.steps, 'the follower was not reachable')
      return false
    }
    const block = blockBytes(part.steps, this.#db)
    putBlock(this.#follower, this.#context, block, new FollowerReply(this.#core, part.steps, this.#db, this.#over))
    this.#core.counters.sides[this.#follower.side].commands += block.before + block.after + 1
    return true
  }

  /** It is not known whether any of it ran. `unknown`: the client is told so; then whoever decides about the keys goes on to. */
  #doubtBlock(reason: string, unknown = false): void {
    if (!this.#core.traffic.mirrored || !this.#block.writes) return
    this.#core.doubt(this.#block.keys, reason, unknown)
    if (this.#block.global.length > 0) this.#core.doubtAll(`a command on all keys: ${reason}`)
    if (this.#sight !== null && this.#sight.doubt !== null) this.#core.doubtAll(this.#sight.doubt)
    if (this.#block.commands.some(changesLibraries)) this.#core.libraries.differ(reason)
    for (const { carriage } of this.#block.commands) {
      if (carriage.how === 'copy' && carriage.script === undefined && carriage.unknownKeys !== null)
        this.#core.doubtAll(carriage.unknownKeys)
    }
  }
}

/** What the server said to MULTI and to each command behind it, before EXEC. */
class QueueReplies implements Waiter {
  readonly sums = false
  #text = ''

  take(_lane: ReplyLane, chunk: Buffer, from: number, to: number): void {
    this.#text += chunk.toString('latin1', from, to)
  }

  lost(): void {
    // EXEC's waiter is told.
  }

  onlyCompanionsRefused({ commands }: Block): boolean {
    const lines = this.#text.split('\r\n')
    const refused = (at: number): boolean => lines[at]?.startsWith('-') ?? false
    let at = 1
    let companions = 0
    for (const { companion } of commands) {
      if (refused(at++)) return false
      if (companion !== null && refused(at++)) companions++
    }
    return companions > 0 && !refused(0)
  }
}

/** The follower's answer to its part; anything but the expected means that the sides were not equal. */
class FollowerReply implements Waiter {
  readonly sums = false
  readonly #core: Core
  readonly #steps: readonly FollowerStep[]
  readonly #db: number
  readonly #over: () => void
  #pieces: Buffer[] = []

  constructor(core: Core, steps: readonly FollowerStep[], db: number, over: () => void) {
    this.#over = over
    this.#core = core
    this.#steps = steps
    this.#db = db
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    this.#pieces.push(chunk.subarray(from, to))
    if (!ended) return
    this.#core.counters.sides[lane.side][lane.errors > 0 ? 'error' : 'ok']++
    const elements = elementsOf(Buffer.concat(this.#pieces))
    if (elements === null) doubtSteps(this.#core, this.#steps, 'the follower refused a transaction')
    else this.#compare(elements)
    this.#over()
  }

  lost(lane: ReplyLane): void {
    this.#core.counters.sides[lane.side].lost++
    doubtSteps(this.#core, this.#steps, `${lane.side} was lost before it answered`)
    this.#over()
  }

  #compare(elements: readonly Buffer[]): void {
    let at = 0
    let db = this.#db
    const wrong = this.#steps.filter((step) => {
      if (step.db !== db) at++
      db = step.db
      const reply = elements[at++]
      return reply === undefined || (step.expected === null ? isError(reply) : !reply.equals(step.expected))
    })
    if (wrong.length > 0) doubtSteps(this.#core, wrong, 'the follower answered a transaction differently')
  }
}

/** The replies command by command; null where EXEC did not run. */
function toldBy(block: Block, elements: readonly Buffer[] | null): Told[] | null {
  if (elements === null) return null
  let at = 0
  return block.commands.map(({ companion }) => ({
    own: elements[at++] as Buffer,
    companion: companion === null ? null : (elements[at++] as Buffer),
  }))
}

/**
 * A server that refuses MULTI runs what follows and is only then asked for an EXEC, which it refuses as well, or does not have. Where it
 * queued, it says that it threw away what it had for errors before.
 */
const ranSingly = (reply: Buffer): boolean => isError(reply) && !reply.equals(execAbort)

function doubtSteps(core: Core, steps: readonly FollowerStep[], reason: string): void {
  for (const { keys } of steps) core.doubt(keys, reason)
  if (steps.some(({ global }) => global)) core.doubtAll(`a command on all keys: ${reason}`)
  if (steps.some(({ library }) => library)) core.libraries.differ(reason)
}

/** `exec` waits for EXEC's reply alone: the client was answered QUEUED already, and what went wrong makes EXEC fail. */
export function putBlock(
  lane: Lane,
  context: number,
  { bytes, before, after }: { readonly bytes: Buffer; readonly before: number; readonly after: number },
  exec: Waiter,
  queued: Waiter = unheard,
): void {
  lane.prepare(context)
  lane.expect(queued, before)
  lane.expect(exec, 1)
  if (after > 0) lane.expect(unheard, after)
  lane.write(bytes, 0, bytes.length)
}

/** By the service's own connections: the client's user may not be allowed to ask. */
export const serversOf = ({ traffic }: Core, lanes: Lanes): Servers => ({
  authority: lanes.lane(traffic.authority).server,
  follower: lanes.lane(traffic.follower).server,
})
