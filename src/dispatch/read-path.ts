/** Every read that the hot path does not take: which side it is asked of, and the three read modes that ask more than one. */
import { type ArgView, argBytes, argIs } from '../commands/arg-view.ts'
import { type CommandSpec, Kind } from '../commands/spec.ts'
import { otherSide, type Side } from '../routing/modes.ts'
import { slotOf } from '../routing/slot.ts'
import { stripeOf } from '../routing/stripe.ts'
import { Batch } from './batch.ts'
import type { Client } from './client.ts'
import { type DbKey, keysOf } from './command-keys.ts'
import type { Core } from './core.ts'
import { FallbackRead } from './fallback-read.ts'
import { Stripe } from './order-board.ts'
import { ReplicatedRead } from './replicated-read.ts'
import { ReadPlan } from './traffic.ts'
import { VersionRead, type VersionRules } from './version-read.ts'
import type { Frame } from './write-path.ts'

const cursorAt: Readonly<Record<string, number>> = { scan: 1, sscan: 2, hscan: 2, zscan: 2 }

export class ReadPath {
  readonly #core: Core
  readonly #versions: VersionRules
  readonly #readRepair: boolean
  /** Which side gave a client its cursors, per command. Dropped with the client. */
  readonly #cursors = new WeakMap<Client, Map<string, Side>>()

  constructor(core: Core, versions: VersionRules, readRepair: boolean) {
    this.#core = core
    this.#versions = versions
    this.#readRepair = readRepair
  }

  read(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): void {
    const keys = spec.kind === Kind.ReadKeyless ? [] : (keysOf(spec, args, client.db) ?? [])
    const settled = this.#settledSide(keys)
    const cursor = cursorAt[spec.name]
    if (cursor !== undefined) return this.#ask(client, this.#cursorSide(client, spec, args, cursor, keys, settled), frame)
    if (settled !== null) return this.#ask(client, settled, frame)
    if (this.#core.traffic.readPlan !== ReadPlan.compared || frame.pieces !== null) {
      return this.#ask(client, this.#plannedSide(client, keys), frame)
    }
    this.#askBoth(client, spec, args, keys, frame)
  }

  /** Where there is no choice: the side that has the truth while the other may not, or has to be left alone. Null: both are good. */
  #settledSide(keys: readonly DbKey[]): Side | null {
    const { traffic, board, journal } = this.#core
    if (!traffic.mirrored || keys.length === 0) return traffic.authority
    let side: Side | null = null
    for (const { db, key } of keys) {
      if ((board.flags[stripeOf(key, 0, key.length, db)] as number) === Stripe.free) continue
      const truth = journal.truthOf(db, key) ?? traffic.authority
      if (side !== null && side !== truth) return traffic.authority
      side = truth
    }
    return side
  }

  #plannedSide(client: Client, keys: readonly DbKey[]): Side {
    const { traffic } = this.#core
    const first = keys[0]
    if (first === undefined || traffic.readPlan === ReadPlan.authority) return traffic.authority
    if (traffic.readPlan === ReadPlan.follower) return traffic.follower
    if (traffic.readPlan === ReadPlan.bySlot) {
      for (const { key } of keys) if (slotOf(key, 0, key.length) >= traffic.targetSlots) return 'source'
      return 'target'
    }
    return this.clientSide(client)
  }

  /** For `ratio` by connection or by tenant: the same client always reads from the same side. */
  clientSide(client: Client): Side {
    const { traffic } = this.#core
    if (!traffic.covered) return traffic.authority
    if (traffic.wish.ratioBy === 'tenant') return traffic.wish.tenants.includes(client.tenant) ? 'target' : 'source'
    const spread = Math.imul(client.id, 0x9e3779b1) >>> 0
    return spread / 2 ** 32 < traffic.wish.readPercentage / 100 ? 'target' : 'source'
  }

  #cursorSide(client: Client, spec: CommandSpec, args: ArgView, at: number, keys: readonly DbKey[], settled: Side | null): Side {
    const known = this.#cursors.get(client) ?? new Map<string, Side>()
    const given = known.get(spec.name)
    if (args.argc > at && !argIs(args, at, '0') && given !== undefined) return given
    const side = settled ?? this.#plannedSide(client, keys)
    known.set(spec.name, side)
    this.#cursors.set(client, known)
    return side
  }

  #ask(client: Client, wanted: Side, frame: Frame): void {
    const core = this.#core
    const preferred = client.pair.lane(wanted)
    const lane = core.accepts(preferred)
      ? preferred
      : client.pair.lane(wanted === core.traffic.authority ? wanted : otherSide(wanted))
    const batch = new Batch(core, client, lane.side, false, frame.buf, frame.start, frame.end, 1)
    client.replies.push(batch)
    core.counters.sides[lane.side].commands++
    lane.prepare(client.context)
    if (frame.pieces === null) return lane.send(frame.buf, frame.start, frame.end, batch, 1)
    lane.expect(batch, 1)
    for (const piece of frame.pieces) lane.write(piece, 0, piece.length)
  }

  #askBoth(client: Client, spec: CommandSpec, args: ArgView, keys: readonly DbKey[], frame: Frame): void {
    const { traffic } = this.#core
    if (this.#core.followerLane(client.pair) === null) return this.#ask(client, traffic.authority, frame)
    const bytes = Buffer.from(frame.buf.subarray(frame.start, frame.end))
    switch (traffic.wish.readMode) {
      case 'fallback-on-miss':
        return new FallbackRead(this.#core, client, spec, ownArgs(args), keys, bytes, this.#readRepair).start()
      case 'version-compare':
        return new VersionRead(this.#core, client, spec, keys, bytes, this.#versions).start()
      default:
        return new ReplicatedRead(this.#core, client, spec, keys, bytes).start()
    }
  }
}

const ownArgs = (args: ArgView): Buffer[] => Array.from({ length: args.argc }, (_, i) => Buffer.from(argBytes(args, i)))
