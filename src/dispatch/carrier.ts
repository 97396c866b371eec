/** Decides how each write is carried (carriage.ts): by what it is, by what the two servers are, and by what its user may send. */
import type { ArgView } from '../commands/arg-view.ts'
import { plainBetween } from '../commands/effects.ts'
import { rewrite } from '../commands/rewrite.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Both, Carriage } from './carriage.ts'
import { type DbKey, keysOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Frame } from './frame.ts'
import type { LanePair } from './lane-pair.ts'
import type { Lanes } from './lanes.ts'
import { followerKnows } from './policy-write.ts'
import { renamedAs } from './renamed-write.ts'
import type { ScriptPath } from './script-path.ts'

/** Arguments that Ferry cannot read: the authority says what is wrong; should it take them, anything may have changed. */
const senseless: Carriage = { how: 'copy', unknownKeys: 'a command whose keys could not be found' }

export class Carrier {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #scripts: ScriptPath

  constructor(core: Core, lanes: Lanes, scripts: ScriptPath) {
    this.#core = core
    this.#lanes = lanes
    this.#scripts = scripts
  }

  /** How one command inside a transaction is carried: the bytes for it, its keys, and whether the follower may not run it. */
  carry(
    pair: LanePair,
    spec: CommandSpec,
    args: ArgView,
    frame: Frame,
    db: number,
  ): { carriage: Carriage; keys: readonly DbKey[] } {
    const keys = keysOf(spec, args, db)
    if (!spec.write) return { carriage: { how: 'both', frame, compared: true }, keys: [] }
    return { carriage: this.carriageOf(pair, spec, args, frame, keys), keys: keys ?? [] }
  }

  /** Whether this command may go to a side that is not the authority while the authority is away: it needs nobody to tell what it did. */
  suitsEitherSide(pair: LanePair, spec: CommandSpec, args: ArgView, frame: Frame, db: number): boolean {
    // Subscribers are with the authority: a message that the follower alone gets would reach none of them.
    if (spec.kind === Kind.WriteGlobal || spec.kind === Kind.Publish || spec.kind === Kind.BothKeyless) return false
    const keys = keysOf(spec, args, db)
    if (keys === null || !followerKnows(this.#core, keys)) return false
    return this.carriageOf(pair, spec, args, frame, keys).how === 'both'
  }

  /** `keys`: the command's own; null where they could not be found. */
  carriageOf(pair: LanePair, spec: CommandSpec, args: ArgView, frame: Frame, keys: readonly DbKey[] | null): Carriage {
    if (keys === null) return senseless
    const both: Both = { how: 'both', frame, compared: true }
    if (!arityOk(spec, args.argc)) return both
    if (!this.#core.effects && (spec.kind === Kind.WriteByArguments || spec.kind === Kind.WriteByCopy))
      return { ...both, compared: false }
    // One side alone can run it, and if both can, only one of them in one step.
    if (this.#lanes.clustered && spec.kind !== Kind.Script && spec.kind !== Kind.Unknown && this.#lanes.crossesSlots(spec, keys))
      return { how: 'copy', unknownKeys: null }
    switch (spec.kind) {
      case Kind.WritePlain:
      case Kind.WriteMovable:
      case Kind.WriteFar:
        return both
      case Kind.Publish:
        return { how: 'both', frame, compared: false }
      case Kind.BothKeyless:
        return both
      case Kind.WriteByArguments:
        return this.#byArguments(spec, args, frame, both, keys, pair)
      case Kind.Script:
        return this.#scriptCarriage(spec, args, frame, keys, both)
      case Kind.Unknown:
        return { how: 'copy', unknownKeys: 'a command that Ferry does not know' }
      default:
        return { how: 'copy', unknownKeys: null }
    }
  }

  #scriptCarriage(spec: CommandSpec, args: ArgView, frame: Frame, keys: readonly DbKey[], both: Carriage): Carriage {
    const script = this.#scripts.callOf(spec, args, frame)
    if (this.#scripts.reruns(script)) return { ...both, script }
    return { how: 'copy', unknownKeys: keys.length === 0 ? `${spec.name} without declared keys` : null, script }
  }

  #byArguments(spec: CommandSpec, args: ArgView, frame: Frame, both: Both, [key]: readonly DbKey[], pair: LanePair): Carriage {
    const nowMs = Date.now() + this.#lanes.lane(this.#core.traffic.authority).clockOffsetMs
    const rewritten = rewrite(spec, args, nowMs)
    const { authority, follower } = this.#core.traffic
    const plain =
      rewritten.how !== 'copy' &&
      plainBetween(spec.name, args, this.#lanes.lane(authority).server, this.#lanes.lane(follower).server)
    if (rewritten.how === 'plain' || rewritten.how === 'read') return plain ? both : { how: 'copy', unknownKeys: null }
    // A large value is not there in one piece to be written anew.
    if (rewritten.how === 'copy' || frame.pieces !== null) return { how: 'copy', unknownKeys: null }
    const renamed = renamedAs(spec.name, frame)
    const refused =
      renamed !== null && key !== undefined && this.#core.forms.refuses(this.#core.authorityLane(pair), spec.name, key)
    if (refused) return { how: 'copy', unknownKeys: null }
    const bytes = encodeCommand(rewritten.argv)
    const instead = { buf: bytes, start: 0, end: bytes.length, pieces: null }
    if (plain) return { how: 'both', frame: instead, compared: true, renamed }
    return { how: 'copy', unknownKeys: null, instead: { argv: rewritten.argv.map((word) => Buffer.from(word)), frame: instead } }
  }
}
