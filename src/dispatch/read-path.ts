/** Every read that the hot path does not take: which side it is asked of, and the three read modes that ask more than one. */
import { type ArgView, argIs } from '../commands/arg-view.ts'
import { missRule } from '../commands/misses.ts'
import { type CommandSpec, Compare, KeyForm, Kind } from '../commands/spec.ts'
import { cursorsPerClientMax } from '../limits.ts'
import { crossesSlots } from '../routing/cluster-route.ts'
import { type Side, sides } from '../routing/modes.ts'
import { slotOf } from '../routing/slot.ts'
import { stripeOf } from '../routing/stripe.ts'
import { type VersionRule, VersionRules } from '../routing/versions.ts'
import { Batch } from './batch.ts'
import type { Client } from './client.ts'
import { type DbKey, framesIn, keysOf } from './command-keys.ts'
import type { Core } from './core.ts'
import { FallbackRead } from './fallback-read.ts'
import type { Frame } from './frame.ts'
import { readFlags } from './order-board.ts'
import { ReplicatedRead } from './replicated-read.ts'
import { SecondLooks } from './second-looks.ts'
import { covered, type SidedRead } from './sided-read.ts'
import { ReadPlan } from './traffic.ts'
import { VersionRead } from './version-read.ts'

const cursorAt: Readonly<Record<string, number>> = { scan: 1, sscan: 2, hscan: 2, zscan: 2 }

export class ReadPath {
  readonly #core: Core
  readonly #versions: VersionRules
  readonly #readRepair: boolean
  readonly #looks: SecondLooks
  /** Which side gave a client its cursors, by command, database and key; the least recently used first. Dropped with the client. */
  readonly #cursors = new WeakMap<Client, Map<string, Side>>()
  /** The clients' reads that may still have to be asked of the source. */
  readonly #open = new WeakMap<Client, Set<FallbackRead>>()

  constructor(core: Core, versions: readonly VersionRule[], readRepair: boolean) {
    this.#core = core
    this.#versions = new VersionRules(versions)
    this.#readRepair = readRepair
    this.#looks = new SecondLooks(core)
  }

  /** Whether a write of this client would overtake one of its reads: such a write calls `settle` before it leaves. */
  unsettled(client: Client): boolean {
    return (this.#open.get(client)?.size ?? 0) > 0
  }

  settle(client: Client): void {
    for (const read of this.#open.get(client) ?? []) read.settle()
  }

  read(client: Client, spec: CommandSpec, args: ArgView, frame: Frame): void {
    if (frame.pieces !== null) {
      this.#readLarge(client, spec, frame.pieces)
      return
    }
    const keys = spec.kind === Kind.ReadKeyless ? [] : (keysOf(spec, args, client.db) ?? [])
    const wanted = this.#sideFor(client, spec, args, keys)
    const side = this.#canAsk(client, spec, keys, wanted) ? wanted : this.#core.traffic.authority
    if (side === null) this.#sidedRead(client, spec, keys, frame).start()
    else this.#ask(client, side, frame)
  }

  /** A cluster refuses reads of several slots, which the authority may take. */
  #canAsk({ pair }: Client, spec: CommandSpec, keys: readonly DbKey[], side: Side | null): boolean {
    if (keys.length < 2 || side === this.#core.traffic.authority) return true
    const asked = side === null ? sides : [side]
    return !asked.some((one) => pair.lane(one).endpoint.kind === 'cluster') || !crossesSlots(spec, keys)
  }

  /** A read of this size is rare: it is put together, since all of its keys count and it may have to be sent a second time. */
  #readLarge(client: Client, spec: CommandSpec, pieces: readonly Buffer[]): void {
    const buf = Buffer.concat(pieces)
    for (const args of framesIn(buf, 0, buf.length)) {
      this.read(client, spec, args, { buf, start: 0, end: buf.length, pieces: null })
    }
  }

  /** Null: more than one side has to be asked. */
  #sideFor(client: Client, spec: CommandSpec, args: ArgView, keys: readonly DbKey[]): Side | null {
    const settled = this.#settledSide(spec, keys) ?? (client.watching ? this.#core.traffic.authority : null)
    const cursor = cursorAt[spec.name]
    if (cursor !== undefined) return this.#cursorSide(client, spec, args, cursor, keys, settled)
    if (settled !== null) return settled
    return this.#core.traffic.readPlan === ReadPlan.compared
      ? this.#soleSide(client, spec, keys)
      : this.#plannedSide(client, keys)
  }

  /** Where there is no choice: the side that has the truth while the other may not, or has to be left alone. Null: both are good. */
  #settledSide(spec: CommandSpec, keys: readonly DbKey[]): Side | null {
    const { traffic, board, journal } = this.#core
    // SORT reads keys whose names come from data: nobody can say beforehand whether one of them differs.
    if (!traffic.mirrored || keys.length === 0 || spec.keyForm === KeyForm.Sort) return traffic.authority
    let side: Side | null = null
    for (const { db, key } of keys) {
      if (((board.flags[stripeOf(key, 0, key.length, db)] as number) & readFlags) === 0) continue
      const truth = journal.truthOf(db, key) ?? traffic.authority
      if (side !== null && side !== truth) return traffic.authority
      side = truth
    }
    return side
  }

  #plannedSide(client: Client, keys: readonly DbKey[]): Side {
    const { traffic } = this.#core
    const first = keys[0]
    if (first === undefined) return traffic.authority
    if (traffic.readPlan === ReadPlan.follower) return traffic.follower
    if (traffic.readPlan === ReadPlan.bySlot) {
      for (const { key } of keys) if (slotOf(key, 0, key.length) >= traffic.targetSlots) return 'source'
      return 'target'
    }
    return traffic.readPlan === ReadPlan.byClient ? this.clientSide(client) : traffic.authority
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
    const { traffic } = this.#core
    const known = this.#cursors.get(client) ?? new Map<string, Side>()
    this.#cursors.set(client, known)
    const name = `${spec.name} ${client.db} ${keys[0]?.key.toString('latin1') ?? ''}`
    const given = known.get(name)
    const continues = args.argc > at && !argIs(args, at, '0') && given !== undefined && traffic.mirrored
    const side = continues ? given : (settled ?? this.#plannedSide(client, keys))
    known.delete(name)
    known.set(name, side)
    if (known.size > cursorsPerClientMax) known.delete(known.keys().next().value as string)
    return side
  }

  /** Of the authority, where the wanted side cannot be asked. */
  #ask(client: Client, wanted: Side, frame: Frame): void {
    const core = this.#core
    const preferred = client.pair.lane(wanted)
    const lane = core.accepts(preferred) ? preferred : core.authorityLane(client.pair)
    const batch = new Batch(core, client, lane.side, false, frame.buf, frame.start, frame.end, 1)
    client.replies.push(batch)
    core.counters.sides[lane.side].commands++
    lane.prepare(client.context)
    lane.send(frame.buf, frame.start, frame.end, batch, 1)
  }

  /** In the modes that ask more than one side: the one that is enough for this read, or null. */
  #soleSide(client: Client, spec: CommandSpec, keys: readonly DbKey[]): Side | null {
    const core = this.#core
    const { authority, wish } = core.traffic
    if (core.followerLane(client.pair) === null) return authority
    switch (wish.readMode) {
      case 'fallback-on-miss':
        return authority === 'target' ? authority : this.#sideThatKnows(spec, keys)
      case 'version-compare':
        return this.#versionRule(keys) === null ? authority : null
      default:
        return spec.compare === Compare.Never ? authority : null
    }
  }

  /** Null where the target's reply shows whether the target had it; else a side that has everything, since only that may say it. */
  #sideThatKnows(spec: CommandSpec, keys: readonly DbKey[]): Side | null {
    const rule = missRule(spec)
    if (rule !== undefined && !(rule.combines && keys.length > 1)) return null
    return covered(this.#core, keys) ? 'target' : 'source'
  }

  /** A read of several keys has no one version. */
  #versionRule(keys: readonly DbKey[]): VersionRule | null {
    return keys.length === 1 ? this.#versions.ruleFor((keys[0] as DbKey).key) : null
  }

  #sidedRead(client: Client, spec: CommandSpec, keys: readonly DbKey[], frame: Frame): SidedRead {
    const core = this.#core
    // A copy: the chunk that the frame came in may be large, and does not have to live as long as the read.
    const bytes = Buffer.from(frame.buf.subarray(frame.start, frame.end))
    switch (core.traffic.wish.readMode) {
      case 'fallback-on-miss':
        return new FallbackRead(core, client, spec, keys, bytes, this.#readRepair, this.#openOf(client))
      case 'version-compare':
        return new VersionRead(core, client, spec, keys, bytes, this.#versionRule(keys) as VersionRule, this.#looks)
      default:
        return new ReplicatedRead(core, client, spec, keys, bytes, this.#looks)
    }
  }

  #openOf(client: Client): Set<FallbackRead> {
    const open = this.#open.get(client) ?? new Set<FallbackRead>()
    this.#open.set(client, open)
    return open
  }
}
