/**
 * EVAL, EVALSHA, FCALL and what belongs to them: which way a script goes, what has to be seen of it, and what the servers have to be given
 * before. Scripts run on the authority alone, and what they wrote is copied; those that the configuration names run on both sides.
 */
import { type ArgView, argBytes } from '../commands/arg-view.ts'
import type { ScriptFacts } from '../commands/scripts.ts'
import { factsWith, mergedFacts, unknownFacts } from '../commands/scripts.ts'
import type { CommandSpec } from '../commands/spec.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { contextOf, type Lane } from '../upstream/lane.ts'
import type { ReplyLane, Waiter } from '../upstream/waiter.ts'
import type { Client } from './client.ts'
import { type DbKey, ownKeys } from './command-keys.ts'
import type { Core } from './core.ts'
import type { FlipListener } from './flip-listener.ts'
import type { Frame, Sent } from './frame.ts'
import type { Lanes } from './lanes.ts'
import { putFrame } from './put-frame.ts'
import { LibraryWrite } from './script-libraries.ts'
import { ScriptRegistry } from './script-registry.ts'
import { ScriptWatch, type ScriptWindow } from './script-watch.ts'
import { type ScriptErrand, ScriptWrite } from './script-write.ts'
import { ReadPlan } from './traffic.ts'

/** One call of a script or a function, as far as it is known. */
export interface ScriptCall {
  /** For reports: SHA1, or the name of the function. */
  readonly name: string
  /** Null for a function. */
  readonly sha: string | null
  /** By its SHA1: the server must have it already. */
  readonly bySha: boolean
  readonly facts: ScriptFacts
}

export class ScriptPath implements FlipListener {
  readonly watch: ScriptWatch
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #registry = new ScriptRegistry()
  /** SHA1s in lower case, and names of functions. */
  readonly #rerun: ReadonlySet<string>

  constructor(core: Core, lanes: Lanes, rerun: readonly string[]) {
    this.#core = core
    this.#lanes = lanes
    this.#rerun = new Set(rerun.map((name) => (isSha(name) ? name.toLowerCase() : name)))
    this.watch = new ScriptWatch(core, lanes)
    core.flipListeners.push(this)
  }

  /** The new authority gets the scripts that its clients will call by their SHA1. */
  async prepare(authority: Side): Promise<void> {
    const lane = this.#lanes.lane(authority)
    if (!lane.up) return
    for (const { sha, source } of this.#registry.all())
      if (!this.#registry.hasLoaded(lane, sha)) this.#load(lane, contextOf(2, 0), sha, source)
  }

  flipped(): void {
    this.#registry.librariesChanged()
  }

  /** Takes note of what a client sends that concerns scripts, whatever becomes of it. */
  heard(spec: CommandSpec, args: ArgView, frame: Frame): void {
    if (spec.name === 'script|load' && args.argc === 3 && isThere(args, 2, frame)) this.#registry.learn(argBytes(args, 2))
    else if (spec.name === 'script|flush') this.#registry.clear()
    else if (spec.name === 'eval' && args.argc > 1 && isThere(args, 1, frame)) this.#registry.learn(argBytes(args, 1))
    else if (spec.name.startsWith('function|')) this.#registry.librariesChanged()
  }

  /** What they hold has to be asked for again. */
  librariesChanged(): void {
    this.#registry.librariesChanged()
  }

  callOf(spec: CommandSpec, args: ArgView, frame: Frame): ScriptCall {
    const call = this.#named(spec, args, frame)
    const facts = factsWith(call.facts, args)
    return facts === call.facts ? call : { ...call, facts }
  }

  #named(spec: CommandSpec, args: ArgView, frame: Frame): ScriptCall {
    const subject = argBytes(args, 1)
    if (spec.name === 'fcall') {
      // A list that was asked for while they change may be of before or after.
      const changing = this.#core.libraries.underWay > 0
      const facts = changing ? unknownFacts : this.#registry.libraryFacts(this.#lanes.lane(this.#core.traffic.authority))
      return { name: subject.toString().slice(0, 128), sha: null, bySha: false, facts }
    }
    if (spec.name === 'eval') {
      const sha = isThere(args, 1, frame) ? this.#registry.learn(subject) : ''
      return { name: sha, sha, bySha: false, facts: this.#registry.find(sha)?.facts ?? unknownFacts }
    }
    const sha = subject.toString('latin1').toLowerCase()
    const known = this.#registry.find(sha)
    if (known === undefined && isSha(sha)) this.#registry.ask(this.#lanes.lane(this.#core.traffic.authority), sha)
    return { name: sha.slice(0, 40), sha, bySha: true, facts: known?.facts ?? unknownFacts }
  }

  /**
   * Whether the call may run on both sides: asked for by the configuration, and nothing it could read differs. Its declared keys are
   * looked at by `spreadDoubt`; where it may use others, no key at all may be in doubt.
   */
  reruns(call: ScriptCall): boolean {
    if (!this.#rerun.has(call.name)) return false
    const { traffic, journal, notes, unseenScripts } = this.#core
    return call.facts.declaredOnly || (traffic.covered && journal.size === 0 && unseenScripts === 0 && !notes.any)
  }

  /** Before a rerun: a side that lacks the script is given it, so that both can run it. */
  provide(lane: Lane, context: number, call: ScriptCall): void {
    const source = call.sha === null || !call.bySha ? null : (this.#registry.find(call.sha)?.source ?? null)
    if (source === null || call.sha === null || !this.#core.accepts(lane) || this.#registry.hasLoaded(lane, call.sha)) return
    this.#load(lane, context, call.sha, source)
  }

  /** Whether these may be sent now; else the client is parked until what they write can be seen. */
  admits(client: Client, calls: readonly ScriptCall[]): boolean {
    return calls.every(({ facts }) => facts.declaredOnly) || this.watch.admits(client)
  }

  /**
   * For calls that are sent together right now: the window in which their writes are seen, or null where that is not needed or not
   * possible (`doubt` says why then).
   */
  open(
    client: Client,
    calls: readonly ScriptCall[],
    keys: readonly DbKey[],
  ): { window: ScriptWindow | null; doubt: string | null } {
    const facts = mergedFacts(calls.map((call) => call.facts))
    const name = (calls[0] as ScriptCall).name
    const doubt = facts.unannounced ? 'a script that changes what servers do not announce' : null
    if (facts.declaredOnly) return { window: null, doubt }
    // What it writes beside its keys is nowhere noted if Ferry dies before it is told.
    this.#core.intents?.doubt('a script was under way')
    const window = this.watch.open(name, client.db, facts, keys)
    if (window !== null || doubt !== null) return { window, doubt }
    // A server that does not tell changes cannot be waited for: then the declared keys have to be taken for all.
    const trusted = this.watch.problem !== null && keys.length > 0
    return { window, doubt: trusted ? null : 'what a script wrote could not be seen' }
  }

  /**
   * EVAL_RO and its like. Always of the authority: which keys it reads nobody knows, so nobody knows that the follower has them right;
   * and the follower lacks the scripts and libraries that clients did not load for themselves.
   */
  read(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): Sent {
    const lane = this.#core.authorityLane(client.pair)
    if (spec.name === 'eval_ro' && isThere(args, 1, frame)) this.#registry.learn(argBytes(args, 1))
    const sha = spec.name === 'evalsha_ro' ? argBytes(args, 1).toString('latin1').toLowerCase() : null
    const call: ScriptCall = { name: sha ?? spec.name, sha, bySha: sha !== null, facts: unknownFacts }
    this.#core.counters.sides[lane.side].readsServed++
    return this.#send(client, lane, call, [], frame, { window: null, unknownKeys: null, delays: false })
  }

  /** Sends the call to the authority. Its declared keys are marked already. */
  write(client: Client, call: ScriptCall, keys: readonly DbKey[], frame: Frame): Sent {
    const lane = this.#core.authorityLane(client.pair)
    const { window, doubt } = this.open(client, [call], keys)
    const { traffic } = this.#core
    const delays = window !== null && traffic.readPlan !== ReadPlan.authority
    if (delays) client.holdBack()
    return this.#send(client, lane, call, keys, frame, { window, unknownKeys: doubt, delays })
  }

  #send(
    client: Client,
    lane: Lane,
    call: ScriptCall,
    keys: readonly DbKey[],
    frame: Frame,
    sight: Pick<ScriptErrand, 'window' | 'unknownKeys' | 'delays'>,
  ): Sent {
    const bytes = call.bySha && frame.pieces === null ? Buffer.from(frame.buf.subarray(frame.start, frame.end)) : null
    const own = bytes === null ? [] : ownKeys(keys)
    const context = client.context
    const errand: ScriptErrand = {
      ...sight,
      known: (here) => this.#known(lane, call, here),
      again: (waiter) => bytes !== null && this.#again(lane, context, call, own, bytes, waiter),
    }
    const write = new ScriptWrite(this.#core, client, errand)
    client.replies.push(write)
    this.provide(lane, context, call)
    putFrame(this.#core, lane, context, frame, write)
    return 'sent'
  }

  /** FUNCTION LOAD and its like: to both sides, and what the follower makes of it is compared. */
  library(client: Client, spec: CommandSpec, frame: Frame): Sent {
    const { traffic, libraries } = this.#core
    const write = new LibraryWrite(this.#core, client, spec.name.replace('|', ' '), () => this.#registry.librariesChanged())
    client.replies.push(write)
    const follower = this.#core.followerLane(client.pair)
    putFrame(this.#core, client.pair.lane(traffic.authority), client.context, frame, write)
    if (follower === null) {
      libraries.differ('the follower was not reachable')
      write.alone()
    } else putFrame(this.#core, follower, client.context, frame, write)
    return 'sent'
  }

  #known(lane: Lane, { sha }: ScriptCall, here: boolean): void {
    if (sha === null) return
    if (here) this.#registry.loaded(lane, sha)
    else this.#registry.unloaded(lane, sha)
  }

  #again(lane: Lane, context: number, call: ScriptCall, keys: readonly DbKey[], bytes: Buffer, waiter: Waiter): boolean {
    const source = this.#registry.find(call.sha ?? '')?.source ?? null
    if (source === null || call.sha === null || !this.#core.accepts(lane)) return false
    // Whatever was copied meanwhile was copied before it ran.
    this.#core.doubt(keys, 'a script ran at its second attempt')
    this.#core.notes.changed(keys, 'a script ran at its second attempt')
    this.#load(lane, context, call.sha, source)
    putFrame(this.#core, lane, context, { buf: bytes, start: 0, end: bytes.length, pieces: null }, waiter)
    return true
  }

  #load(lane: Lane, context: number, sha: string, source: Buffer): void {
    const frame = encodeCommand(['SCRIPT', 'LOAD', source])
    lane.prepare(context)
    lane.send(frame, 0, frame.length, new LoadReply(() => this.#registry.loaded(lane, sha)), 1)
  }
}

/** Ferry's own SCRIPT LOAD; where it fails, the call behind it says NOSCRIPT. */
class LoadReply implements Waiter {
  readonly sums = false
  readonly #loaded: () => void

  constructor(loaded: () => void) {
    this.#loaded = loaded
  }

  take(lane: ReplyLane, _chunk: Buffer, _from: number, _to: number, ended: boolean): void {
    if (ended && lane.errors === 0) this.#loaded()
  }

  lost(): void {
    // The call behind it is lost as well.
  }
}

const isSha = (text: string): boolean => /^[0-9a-f]{40}$/i.test(text)

/** Long arguments of a large frame are not shown. */
const isThere = (args: ArgView, at: number, frame: Frame): boolean =>
  frame.pieces === null || (args.offsets[2 * at + 1] as number) > 0
