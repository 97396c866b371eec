/**
 * Every write that the hot path does not take: decides for one command how it reaches both sides, and sends it. Either all of the
 * command is sent or nothing; `parked` means nothing was, and the client is woken to try the same command again.
 */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import { mayWake } from '../commands/blocking.ts'
import { companionOf, tellsEffect } from '../commands/effects.ts'
import { reachOf } from '../commands/reach.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { sides } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import { Admission } from './admission.ts'
import { AuthorityWrite } from './authority-write.ts'
import { Barrier } from './barrier.ts'
import { Batch } from './batch.ts'
import type { Both, Instead } from './carriage.ts'
import { Carrier } from './carrier.ts'
import type { Client } from './client.ts'
import { changedKeys, type DbKey, keysOf, ownKeys, stripesOf } from './command-keys.ts'
import type { Core } from './core.ts'
import { EffectWrite } from './effect-write.ts'
import { farBytes, sendIfLong } from './far-write.ts'
import type { Frame, Sent } from './frame.ts'
import type { Lanes } from './lanes.ts'
import { MeantWrite } from './meant-write.ts'
import { Stripe } from './order-board.ts'
import { PolicyWrite } from './policy-write.ts'
import { putFrame } from './put-frame.ts'
import { RenamedWrite, renamedReply } from './renamed-write.ts'
import type { ScriptCall, ScriptPath } from './script-path.ts'
import { twoPhaseWrite } from './two-phase.ts'

const argvOf = (args: ArgView): Buffer[] => Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i)))

export class WritePath {
  readonly scripts: ScriptPath
  readonly barrier: Barrier
  readonly admission: Admission
  readonly carrier: Carrier
  readonly #core: Core
  readonly #service: Lanes

  constructor(core: Core, service: Lanes, scripts: ScriptPath) {
    this.#core = core
    this.#service = service
    this.scripts = scripts
    this.barrier = new Barrier(core, service)
    this.admission = new Admission(core, service)
    this.carrier = new Carrier(core, service, scripts)
  }

  write(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
    const sent = this.#send(client, spec, args, frame)
    if (sent === 'sent' && this.#core.board.awaited > 0 && mayWake(spec)) this.#wakeBlocked(spec, args, client.db)
    return sent
  }

  /** What blocked clients do about it is sent right behind it. */
  #wakeBlocked(spec: CommandSpec, args: ArgView, db: number): void {
    const keys = spec.kind === Kind.WriteGlobal ? null : keysOf(spec, args, db)
    const anything = keys?.length === 0 && (spec.kind === Kind.Script || spec.kind === Kind.Unknown)
    this.#core.waits.written(anything ? null : keys)
  }

  #send(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
    const { board, traffic } = this.#core
    const authority = this.#core.authorityLane(client.pair)
    if (!traffic.mirrored) {
      this.scripts.heard(spec, args, frame)
      return this.#single(client, authority, frame)
    }
    if (spec.kind === Kind.WriteGlobal && this.barrier.enter(client)) return this.#everywhere(client, spec, args, frame)
    if (board.gates > 0) {
      board.parkAtGate(client)
      return 'parked'
    }
    if (spec.kind === Kind.WriteGlobal) return this.barrier.close(client, spec.name === 'swapdb')
    const understood = keysOf(spec, args, client.db)
    const keys = understood ?? []
    if (!this.admission.knowsForm(client, spec, frame, keys)) return 'parked'
    const carriage = this.carrier.carriageOf(client.pair, spec, args, frame, understood)
    const stripes = stripesOf(keys)
    if (!this.admission.admits(client, stripes) || this.admission.awaitsTruth(client, keys)) return 'parked'
    this.#core.intents?.keys(keys)
    if (this.#core.notes.any) this.#note(spec, args, keys, frame)
    if (traffic.partsMislead) this.#core.doubt(keys, 'written before it was copied')
    if (spec.kind === Kind.BothKeyless) {
      this.scripts.heard(spec, args, frame)
      if (spec.name.startsWith('function|')) return this.scripts.library(client, spec, frame)
    }
    if (carriage.script !== undefined) {
      if (carriage.how === 'copy') return this.#script(client, carriage.script, keys, frame)
      this.#provideBoth(client, carriage.script)
      this.spreadDoubt(keys, stripes)
    }
    if (carriage.how === 'copy') {
      return (
        this.#byEffect(client, spec, carriage.instead ?? { argv: argvOf(args), frame }, keys, stripes) ??
        this.#authorityOnly(client, spec, keys, carriage.unknownKeys, frame)
      )
    }
    if (spec.derives) this.spreadDoubt(keys, stripes)
    if (traffic.authoritative || traffic.wish.writePolicy === 'two-phase-commit') this.noteUnseen(client, keys)
    if (traffic.wish.writePolicy === 'two-phase-commit') {
      const told = this.#renamedBack(authority, carriage, keys)
      return twoPhaseWrite(this.#core, this.#service, client, { frame: carriage.frame, replies: 1, told }, keys, stripes)
    }
    if (!traffic.authoritative) return this.#policyWrite(client, carriage, keys, stripes)
    return this.#both(client, spec, args, carriage, keys, stripes)
  }

  /** Runs `follow` when nothing stands before these stripes on the follower: now, or behind what does. */
  afterOthers(stripes: readonly number[], follow: () => void): void {
    if (this.#anyDeferred(stripes)) this.#core.board.open(stripes, follow)
    else follow()
  }

  /** A script on the authority alone; parked until what it writes can be seen. */
  #script(client: Client, call: ScriptCall, keys: readonly DbKey[], frame: Frame): Sent {
    if (!this.scripts.admits(client, [call])) return 'parked'
    this.#core.doubt(keys, 'a script runs on the authority, its keys are copied')
    return this.scripts.write(client, call, keys, frame)
  }

  #provideBoth(client: Client, call: ScriptCall): void {
    for (const side of sides) this.scripts.provide(client.pair.lane(side), client.context, call)
  }

  #single(client: Client, lane: Lane, frame: Frame): Sent {
    const batch = new Batch(this.#core, client, lane.side, false, frame.buf, frame.start, frame.end, 1)
    client.replies.push(batch)
    putFrame(this.#core, lane, client.context, frame, batch)
    return 'sent'
  }

  /** The reply to it as its client would have it. */
  #renamedBack(authority: Lane, { renamed }: Both, [key]: readonly DbKey[]): ((reply: Buffer) => Buffer) | null {
    if (!renamed || key === undefined) return null
    const [own] = ownKeys([key]) as [DbKey]
    return (reply) => renamedReply(this.#core, authority, renamed, own, reply)
  }

  #both(
    client: Client,
    spec: CommandSpec,
    args: ArgView,
    carriage: Both,
    keys: readonly DbKey[],
    stripes: readonly number[],
  ): Sent {
    const { traffic } = this.#core
    const { frame } = carriage
    const write = this.#bothsWrite(client, spec, carriage, keys)
    client.replies.push(write)
    putFrame(this.#core, this.#core.authorityLane(client.pair), client.context, frame, write)
    const context = client.context
    // The lane of now: the sides may have changed places by the time its turn comes.
    const follower = client.pair.lane(traffic.follower)
    const follow = (): void => {
      if (this.#core.accepts(follower)) putFrame(this.#core, follower, context, frame, write)
      else write.skipFollower('the follower was not reachable')
    }
    const [key] = keys
    const reachBytes = key === undefined || this.#areAlike(stripes) ? 0 : reachOf(spec.name, args)
    if (key === undefined || reachBytes <= farBytes) this.afterOthers(stripes, follow)
    else {
      const skip = (reason: string): void => write.skipFollower(reason)
      sendIfLong(this.#core, follower, context, ownKeys([key])[0] as DbKey, reachBytes, {
        ticket: this.#core.board.reserve(stripes),
        send: follow,
        skip,
      })
    }
    return 'sent'
  }

  #bothsWrite(
    client: Client,
    spec: CommandSpec,
    { frame, compared, renamed }: Both,
    keys: readonly DbKey[],
  ): Batch | MeantWrite | RenamedWrite {
    if (renamed) return new RenamedWrite(this.#core, client, spec.family, renamed, ownKeys(keys)[0] as DbKey)
    if (MeantWrite.suits(spec)) return new MeantWrite(this.#core, client, spec, ownKeys(keys))
    const batch = new Batch(this.#core, client, this.#core.traffic.authority, compared, frame.buf, frame.start, frame.end, 1)
    if (frame.pieces !== null) batch.keys = ownKeys(keys)
    return batch
  }

  #policyWrite(client: Client, carriage: Both, keys: readonly DbKey[], stripes: readonly number[]): Sent {
    const { traffic } = this.#core
    const { frame, compared } = carriage
    const authority = this.#core.authorityLane(client.pair)
    const write = new PolicyWrite(this.#core, client, keys, compared)
    write.told = this.#renamedBack(authority, carriage, keys)
    client.replies.push(write)
    if (this.#core.accepts(authority)) putFrame(this.#core, authority, client.context, frame, write)
    else write.skip(traffic.authority)
    const context = client.context
    const pair = client.pair
    const side = traffic.follower
    const follow = (): void => {
      const follower = pair.lane(side)
      if (this.#core.accepts(follower)) putFrame(this.#core, follower, context, frame, write)
      else write.skip(side)
    }
    this.afterOthers(stripes, follow)
    return 'sent'
  }

  /** Where the reply, or a small read right behind the command, will tell what to do on the follower; null where neither will. */
  #byEffect(
    client: Client,
    spec: CommandSpec,
    { argv, frame }: Instead,
    keys: readonly DbKey[],
    stripes: readonly number[],
  ): Sent | null {
    if (frame.pieces !== null || keys.length === 0) return null
    const { traffic, board } = this.#core
    // The service's own user may ask a server what it is, where the client's may not.
    const [authority, follower] = [this.#service.lane(traffic.authority).server, this.#service.lane(traffic.follower).server]
    const told = tellsEffect(spec.name, argv, follower)
    const beside = told ? null : companionOf(spec.name, argv)
    if (!told && beside === null) return null
    this.noteUnseen(client, keys)
    const command = { name: spec.name, argv, keys: ownKeys(keys), authority, follower }
    const write = new EffectWrite(this.#core, client, command, board.reserve(stripes), beside !== null)
    client.replies.push(write)
    const lane = this.#core.authorityLane(client.pair)
    putFrame(this.#core, lane, client.context, frame, write)
    if (beside !== null && write.companion !== null) {
      lane.send(beside, 0, beside.length, write.companion, 1)
      this.#core.counters.sides[lane.side].commands++
    }
    return 'sent'
  }

  #authorityOnly(client: Client, spec: CommandSpec, keys: readonly DbKey[], unknownKeys: string | null, frame: Frame): Sent {
    const lane = this.#core.authorityLane(client.pair)
    this.#core.doubt(changedKeys(spec, keys), `${spec.name} runs on the authority, its keys are copied`)
    if (unknownKeys !== null) {
      this.#core.intents?.doubt(unknownKeys)
      this.#core.notes.changedAll(unknownKeys)
    }
    const write = new AuthorityWrite(this.#core, client, lane.side, unknownKeys)
    client.replies.push(write)
    putFrame(this.#core, lane, client.context, frame, write)
    return 'sent'
  }

  #everywhere(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
    this.barrier.noteGlobal(client, spec, args)
    // What is dirty stays so: the copy that heals it finds the key gone and removes it.
    const sent = this.#both(client, spec, args, { how: 'both', frame, compared: true }, [], [])
    this.barrier.reopen(client)
    return sent
  }

  /** A value may flow from a key that the follower does not have right to one that it has: then that one is in doubt too. */
  spreadDoubt(keys: readonly DbKey[], stripes: readonly number[]): void {
    const { board, journal, traffic } = this.#core
    const unsure = !traffic.covered || this.#core.unseenScripts > 0
    const doubted = unsure || stripes.some((stripe) => ((board.flags[stripe] as number) & Stripe.dirty) !== 0)
    if (doubted && (unsure || !journal.joinsSettling(keys, traffic.authority)))
      this.#core.doubt(keys, 'computed from keys that were not equal on both sides yet')
  }

  /** What is written to both sides while nobody tells of expiries may have met one on one side only. A PolicyWrite sees to it itself. */
  noteUnseen(client: Client, keys: readonly DbKey[]): void {
    if (this.#core.unseenExpiries.size === 0 || this.#core.followerLane(client.pair) === null) return
    if (!this.#core.accepts(this.#core.authorityLane(client.pair))) return
    this.#core.doubt(keys, 'expiries could not be seen when it was written', true)
  }

  #note(spec: CommandSpec, args: ArgView, keys: readonly DbKey[], frame: Frame): void {
    const { notes } = this.#core
    // A large value is not there in one piece to be looked at.
    if (frame.pieces !== null) notes.changed(keys, `${spec.name} wrote a large value`)
    else notes.wrote(spec, args, keys)
  }

  /** Nothing is known to stand between the two sides of these keys. */
  #areAlike(stripes: readonly number[]): boolean {
    const { board, traffic } = this.#core
    return traffic.covered && stripes.every((stripe) => ((board.flags[stripe] as number) & Stripe.dirty) === 0)
  }

  #anyDeferred(stripes: readonly number[]): boolean {
    const flags = this.#core.board.flags
    for (const stripe of stripes) if (((flags[stripe] as number) & Stripe.deferred) !== 0) return true
    return false
  }
}
