/**
 * A transaction reaches each side as one uninterrupted block: MULTI, the commands, EXEC, in one write to the lane. What means the same on
 * both sides goes to both at once; a block with anything else in it runs on the authority, and its reply tells what the follower gets.
 */
import { mayWake } from '../commands/blocking.ts'
import { Kind } from '../commands/spec.ts'
import { sides } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Waiter } from '../upstream/waiter.ts'
import { AuthorityWrite } from './authority-write.ts'
import { authorityBytes, type Block, changesLibraries, hasCompanions, renames } from './block.ts'
import { type BlockDone, BlockWrite, execAbort, type InTurn, putBlock, type ScriptSight, serversOf } from './block-write.ts'
import type { Client } from './client.ts'
import { framesIn, stripesOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Sent } from './frame.ts'
import type { Lanes } from './lanes.ts'
import { PolicyWrite } from './policy-write.ts'
import { ReadPlan } from './traffic.ts'
import { twoPhaseWrite } from './two-phase.ts'
import { WatchedRun, type WatchedSide } from './watched-run.ts'
import type { WritePath } from './write-path.ts'

export class TransactionPath {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #writes: WritePath

  constructor(core: Core, lanes: Lanes, writes: WritePath) {
    this.#core = core
    this.#lanes = lanes
    this.#writes = writes
  }

  execute(client: Client, block: Block): Sent {
    if (!block.writes || !this.#core.traffic.mirrored) {
      if (block.shape === null) return this.#authorityOnly(client, block)
      return this.#told(client, block, (follow) => follow())
    }
    if (!this.#writes.scripts.admits(client, block.scripts)) return 'parked'
    if (block.global.length > 0) return this.#onAllKeys(client, block)
    const stripes = stripesOf(block.keys)
    if (!this.#writes.admission.admits(client, stripes) || this.#writes.admission.awaitsTruth(client, block.keys)) return 'parked'
    this.#prepare(client, block, stripes)
    if (block.plain) return this.#both(client, block, stripes)
    const { board } = this.#core
    const ticket = board.reserve(stripes)
    return this.#told(client, block, (follow) => board.arm(ticket, follow))
  }

  /**
   * The block of a client that watches keys (`done` is called before it goes on), on the connection that watches them. Its keys are held until EXEC is answered: that
   * connection has no order with the lanes.
   */
  executeWatched(client: Client, block: Block, watched: WatchedSide, done: BlockDone): Sent {
    const { traffic, board } = this.#core
    if (!traffic.mirrored) return this.#watchedRun(client, block, watched, (follow) => follow(), done)
    if (!this.#writes.scripts.admits(client, block.scripts)) return 'parked'
    if (block.writes && block.global.length > 0) {
      if (!this.#writes.barrier.enter(client)) return this.#atGate(client, true)
      return this.#watchedRun(client, block, watched, this.#throughGate(client, block), done)
    }
    const stripes = stripesOf(block.keys)
    if (block.writes) {
      if (!this.#writes.admission.admits(client, stripes) || this.#writes.admission.awaitsTruth(client, block.keys))
        return 'parked'
      const busy = stripes.find((stripe) => board.isBusy(stripe))
      if (busy !== undefined) {
        board.open([busy], () => queueMicrotask(() => client.unpark()))
        return 'parked'
      }
      this.#prepare(client, block, stripes)
    }
    // Also where it writes nothing: a flip waits for the ticket, so the reply is never older than the flip.
    const ticket = board.hold(stripes)
    const inTurn: InTurn = (follow) => {
      follow()
      board.finish(ticket)
    }
    return this.#watchedRun(client, block, watched, inTurn, done)
  }

  #watchedRun(client: Client, block: Block, watched: WatchedSide, inTurn: InTurn, done: BlockDone): Sent {
    client.holdBack()
    const ended: BlockDone = (sent) => {
      if (sent) this.#wakeBlocked(block)
      done(sent)
      client.goOn()
    }
    if (watched.lane !== null) this.#provide(watched.lane, client.context, block)
    const sight = this.#sightOf(client, block)
    const [servers, over] = [serversOf(this.#core, this.#lanes), this.#libraryChange(block)]
    const errand = { servers, inTurn, sight, watched: true, done: ended, over }
    new WatchedRun(this.#core, this.#lanes, client, block, watched, errand).start()
    return 'sent'
  }

  /** With FLUSHALL and its like in it: like one of those on its own, all writes wait at the gate until both sides have been told. */
  #onAllKeys(client: Client, block: Block): Sent {
    if (!this.#writes.barrier.enter(client)) {
      return this.#atGate(
        client,
        block.global.some(({ spec }) => spec.name === 'swapdb'),
      )
    }
    return this.#told(client, block, this.#throughGate(client, block))
  }

  #atGate(client: Client, unordered: boolean): Sent {
    const { board } = this.#core
    if (board.gates === 0) return this.#writes.barrier.close(client, unordered)
    board.parkAtGate(client)
    return 'parked'
  }

  /** The gate was closed for this client. A flip that has come to it as well waits for the ticket. */
  #throughGate(client: Client, block: Block): InTurn {
    for (const { spec, bytes } of block.global)
      for (const args of framesIn(bytes, 0, bytes.length)) this.#writes.barrier.noteGlobal(client, spec, args)
    this.#prepare(client, block, stripesOf(block.keys))
    const { board } = this.#core
    const ticket = board.hold([])
    return (follow) => {
      follow()
      board.finish(ticket)
      this.#writes.barrier.reopen(client)
    }
  }

  /** What has to be known of its keys before any of it is sent. */
  #prepare(client: Client, { keys, commands, plain }: Block, stripes: readonly number[]): void {
    const { intents, notes, traffic } = this.#core
    intents?.keys(keys)
    notes.changed(keys, 'a transaction may have changed any part of it')
    for (const { carriage } of commands)
      if (carriage.how === 'copy' && carriage.script === undefined && carriage.unknownKeys !== null)
        intents?.doubt(carriage.unknownKeys)
    if (keys.length > 1 || traffic.partsMislead) this.#writes.spreadDoubt(keys, stripes)
    // A PolicyWrite sees to it itself.
    if (!plain) this.#writes.noteUnseen(client, keys)
  }

  #told(client: Client, block: Block, inTurn: InTurn): Sent {
    const sight = this.#sightOf(client, block)
    // What the client sends next may depend on where the block leaves it, or the block may have to be sent again.
    const untried = client.pair.companions === 'untried' && hasCompanions(block)
    const waits = block.shape !== null || untried || (sight?.delays ?? false)
    const done = (): void => {
      if (waits) client.goOn()
    }
    const [servers, over] = [serversOf(this.#core, this.#lanes), this.#libraryChange(block)]
    const errand = { servers, inTurn, sight, watched: false, done, over }
    const write = new BlockWrite(this.#core, client, block, errand)
    client.replies.push(write)
    if (waits) client.holdBack()
    const lane = this.#core.authorityLane(client.pair)
    this.#provide(lane, client.context, block)
    write.send(lane)
    this.#wakeBlocked(block)
    return 'sent'
  }

  /** What its scripts write beside the keys that they declare is seen by the script watch. */
  #sightOf(client: Client, { scripts, scriptKeys, moves, global }: Block): ScriptSight | null {
    const { traffic } = this.#core
    if (scripts.length === 0 || !traffic.mirrored) return null
    const swaps = global.some(({ spec }) => spec.name === 'swapdb')
    // Behind a SELECT it runs in another database than the client's; before a SWAPDB its keys move to another.
    const calls = moves || swaps ? scripts.map((call) => ({ ...call, facts: { ...call.facts, otherDatabases: true } })) : scripts
    const { window, doubt } = this.#writes.scripts.open(client, calls, scriptKeys)
    return { window, doubt, delays: window !== null && traffic.readPlan !== ReadPlan.authority }
  }

  /** Begins one, where the block holds one; what is answered ends it. */
  #libraryChange(block: Block): () => void {
    const { libraries, traffic } = this.#core
    if (!traffic.mirrored || !block.commands.some(changesLibraries)) return () => undefined
    // The follower is told only when the authority has answered.
    libraries.begin(null)
    return () => {
      libraries.end()
      this.#writes.scripts.librariesChanged()
    }
  }

  /** The side gets the scripts that it is asked for by their SHA1, and Ferry notes those that clients give it. */
  #provide(lane: Lane, context: number, { commands }: Block): void {
    const { scripts } = this.#writes
    for (const { spec, bytes, carriage } of commands) {
      if (carriage.script !== undefined) scripts.provide(lane, context, carriage.script)
      if (spec.kind !== Kind.BothKeyless) continue
      const frame = { buf: bytes, start: 0, end: bytes.length, pieces: null }
      for (const args of framesIn(bytes, 0, bytes.length)) scripts.heard(spec, args, frame)
    }
  }

  #both(client: Client, block: Block, stripes: readonly number[]): Sent {
    const { traffic } = this.#core
    const { bytes, before } = authorityBytes(block, client.db)
    const told = renames(block) ? this.#heard(client) : null
    if (traffic.wish.writePolicy === 'two-phase-commit') {
      this.#writes.noteUnseen(client, block.keys)
      for (const side of sides) this.#provide(client.pair.lane(side), client.context, block)
      const frame = { buf: bytes, start: 0, end: bytes.length, pieces: null }
      return twoPhaseWrite(this.#core, this.#lanes, client, { frame, replies: before + 1, told }, block.keys, stripes)
    }
    const write = new PolicyWrite(this.#core, client, block.keys, true)
    write.told = told
    client.replies.push(write)
    const { context, pair } = client
    const put = (side: typeof traffic.authority): void => {
      const lane = pair.lane(side)
      this.#provide(lane, context, block)
      if (this.#core.accepts(lane)) this.#put(lane, context, bytes, before, write)
      else write.skip(side)
    }
    const { authority, follower } = traffic
    put(authority)
    this.#writes.afterOthers(stripes, () => put(follower))
    this.#wakeBlocked(block)
    return 'sent'
  }

  /** A block that is refused may be so for a form that its client did not write: before the next one is sent, it is asked again. */
  #heard(client: Client): (reply: Buffer) => Buffer {
    const lane = this.#core.authorityLane(client.pair)
    return (reply) => {
      if (reply.equals(execAbort)) this.#core.forms.forget(lane)
      return reply
    }
  }

  #authorityOnly(client: Client, block: Block): Sent {
    const lane = this.#core.authorityLane(client.pair)
    const write = new AuthorityWrite(this.#core, client, lane.side, null)
    client.replies.push(write)
    const { bytes, before } = authorityBytes(block, client.db)
    this.#put(lane, client.context, bytes, before, write)
    this.#wakeBlocked(block)
    return 'sent'
  }

  /** What blocked clients do about it is sent right behind it. */
  #wakeBlocked({ commands }: Block): void {
    const { board, waits } = this.#core
    if (board.awaited === 0) return
    for (const { spec, keys, carriage } of commands) {
      if (!spec.write || !mayWake(spec)) continue
      const anything = spec.kind === Kind.WriteGlobal || (carriage.how === 'copy' && carriage.unknownKeys !== null)
      waits.written(anything ? null : keys)
    }
  }

  #put(lane: Lane, context: number, bytes: Buffer, before: number, exec: Waiter): void {
    putBlock(lane, context, { bytes, before, after: 0 }, exec)
    this.#core.counters.sides[lane.side].commands += before + 1
  }
}
