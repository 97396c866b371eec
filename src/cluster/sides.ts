/**
 * What is behind the address of each side where that is more than one server, or one whose databases are others than the source's; the one
 * place where its parts are made and ended.
 */
import { dialWith } from '../databases/dial.ts'
import { slotsWith } from '../databases/slots.ts'
import { type DatabaseLayout, foldPrefix, placedBy } from '../routing/database-layout.ts'
import { type Side, sides } from '../routing/modes.ts'
import type { Endpoint, KeyPlace } from '../upstream/endpoint.ts'
import type { Turn } from '../upstream/turn.ts'
import type { Dial } from '../upstream/wire.ts'
import { ClusterWire } from './cluster-wire.ts'
import { Sentinels } from './sentinels.ts'
import { Topology } from './topology.ts'

class SideBehind {
  /** The address with the way to get there. */
  readonly endpoint: Endpoint
  /** Null but for a cluster. */
  readonly topology: Topology | null
  readonly #sentinels: Sentinels | null

  constructor(side: Side, endpoint: Endpoint, turn: Turn, layout: DatabaseLayout | null) {
    this.topology = endpoint.kind === 'cluster' ? new Topology(endpoint) : null
    this.#sentinels = endpoint.kind === 'sentinel' ? new Sentinels(endpoint) : null
    const { topology } = this
    const cluster: Dial | null =
      topology === null ? null : (options, connected, take) => new ClusterWire(side, topology, turn, options, { connected, take })
    const there = { ...endpoint, dial: cluster ?? this.#sentinels?.dial ?? null }
    const placeOf = topology === null ? null : (db: number, key: Buffer) => topology.placeOf(db, key)
    const one = { ...there, placeOf }
    this.endpoint = layout === null ? one : laidOut(one, layout)
    topology?.start()
    this.#sentinels?.start()
  }

  stop(): void {
    this.topology?.stop()
    this.#sentinels?.stop()
  }
}

/** The same with databases that are others than they seem. */
function laidOut(there: Endpoint, layout: DatabaseLayout): Endpoint {
  const keyPrefix = layout.kind === 'fold' ? (db: number) => foldPrefix(layout, db) : null
  const placeOf = (db: number, key: Buffer): KeyPlace | null => {
    const placed = placedBy(layout, db, key)
    if (placed === null) return null
    return there.placeOf === null ? { endpoint: there, ...placed } : there.placeOf(placed.db, placed.key)
  }
  return { ...there, dial: dialWith(layout, there), keyPrefix, placeOf }
}

/** Whoever sends to the sides, and copies from one to the other. */
interface SidesUser {
  readonly layouts: { source: unknown; target: unknown }
  databases: DatabaseLayout | null
  /** Some server of a side lost data, or may have. */
  lostData(side: Side, runId: string, reason: string, restarted: boolean): void
}

export interface SidesBehind extends Readonly<Record<Side, SideBehind>> {
  /** Both addresses with the way to get there. */
  readonly endpoints: Readonly<Record<Side, Endpoint>>
  /** How the target's databases stand for the source's; null: they are the same. */
  readonly databases: DatabaseLayout | null
  stop(): void
}

export function sidesBehind(
  endpoints: Readonly<Record<Side, Endpoint>>,
  turn: Turn,
  databases: DatabaseLayout | null = null,
): SidesBehind {
  const source = new SideBehind('source', endpoints.source, turn, null)
  const target = new SideBehind('target', endpoints.target, turn, databases)
  return {
    databases,
    source,
    target,
    endpoints: { source: source.endpoint, target: target.endpoint },
    stop: () => {
      source.stop()
      target.stop()
    },
  }
}

export function attach(behind: SidesBehind, user: SidesUser): void {
  user.databases = behind.databases
  for (const side of sides) {
    const { topology } = behind[side]
    user.layouts[side] = topology === null || side === 'source' ? topology : slotsWith(behind.databases, topology)
    if (topology !== null)
      topology.lostData = (reason, restarted) => user.lostData(side, topology.identity ?? '', reason, restarted)
  }
}
