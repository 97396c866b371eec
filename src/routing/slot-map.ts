/** Which server of a cluster owns which hash slot, and what a new map says about the one before it. */
import { slotCount } from './slot.ts'

export interface ClusterNode {
  /** The cluster's own name for it; stays with the server wherever it goes. */
  readonly id: string
  readonly host: string
  readonly port: number
}

/** A primary. */
export interface SlotOwner extends ClusterNode {
  readonly replicas: readonly ClusterNode[]
}

export class SlotMap {
  readonly owners: readonly SlotOwner[]
  readonly #ownerOf = new Int16Array(slotCount).fill(-1)

  constructor(
    owners: readonly SlotOwner[],
    ranges: readonly { readonly from: number; readonly to: number; readonly owner: SlotOwner }[],
  ) {
    this.owners = owners
    for (const { from, to, owner } of ranges) this.#ownerOf.fill(owners.indexOf(owner), from, to + 1)
  }

  /** Null: nobody serves the slot. */
  ownerOf(slot: number): SlotOwner | null {
    return this.owners[this.#ownerOf[slot] as number] ?? null
  }

  /** The first slot that nobody serves; -1 = all are served. */
  get uncovered(): number {
    return this.#ownerOf.indexOf(-1)
  }

  /** The same map with one slot in other hands: what a redirection says before the whole map is read again. */
  with(slot: number, owner: SlotOwner): SlotMap {
    const known = this.owners.find(({ id }) => id === owner.id)
    const map = new SlotMap(known === undefined ? [...this.owners, owner] : this.owners, [])
    map.#ownerOf.set(this.#ownerOf)
    map.#ownerOf[slot] = map.owners.indexOf(known ?? owner)
    return map
  }

  /** The same map with all that this primary had in the hands of a replica of it. */
  takenOver(from: SlotOwner, by: ClusterNode): SlotMap {
    const replicas = [from, ...from.replicas.filter(({ id }) => id !== by.id)].map(({ id, host, port }) => ({ id, host, port }))
    const heir = { ...by, replicas }
    const map = new SlotMap(
      this.owners.map((owner) => (owner === from ? heir : owner)),
      [],
    )
    map.#ownerOf.set(this.#ownerOf)
    return map
  }
}

/**
 * The reply to CLUSTER SLOTS, decoded. A server that does not know its own address leaves the host empty: it is where it was asked.
 * @throws Error where it is no such reply.
 */
export function parseSlotMap(reply: unknown, askedHost: string): SlotMap {
  if (!Array.isArray(reply)) throw new Error('no reply to CLUSTER SLOTS')
  const owners = new Map<string, SlotOwner>()
  const ranges = reply.map((range: unknown) => {
    if (!Array.isArray(range) || range.length < 3) throw new Error('CLUSTER SLOTS names a range without a server')
    const [from, to, primary, ...others] = range as [unknown, unknown, unknown, ...unknown[]]
    const node = nodeOf(primary, askedHost)
    const owner = owners.get(node.id) ?? { ...node, replicas: others.map((other) => nodeOf(other, askedHost)) }
    owners.set(node.id, owner)
    return { from: Number(from), to: Number(to), owner }
  })
  // In an order that does not depend on who was asked.
  return new SlotMap(
    [...owners.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    ranges,
  )
}

function nodeOf(node: unknown, askedHost: string): ClusterNode {
  if (!Array.isArray(node)) throw new Error('CLUSTER SLOTS names a server without an address')
  const [host, port, id] = node as unknown[]
  const name = host === null || host === undefined ? '' : String(host)
  const known = name !== '' && name !== '?' ? name : askedHost
  return { id: id === undefined ? `${known}:${port}` : String(id), host: known, port: Number(port) }
}

export interface MapChange {
  /** Slots that changed hands. */
  readonly moved: readonly number[]
  /** A replica took the place of its primary: what that one had not passed on to it is lost. */
  readonly failedOver: boolean
}

export function changeBetween(before: SlotMap, after: SlotMap): MapChange {
  const moved: number[] = []
  let failedOver = false
  for (let slot = 0; slot < slotCount; slot++) {
    const from = before.ownerOf(slot)
    const to = after.ownerOf(slot)
    if (from === null || to === null || from.id === to.id) continue
    moved.push(slot)
    failedOver ||= has(from.replicas, to.id) || has(to.replicas, from.id)
  }
  return { moved, failedOver }
}

const has = (nodes: readonly ClusterNode[], id: string): boolean => nodes.some((node) => node.id === id)

/** Slots that are on their way from one server to another, by the reply to CLUSTER NODES (`[slot->-id]` and `[slot-<-id]`). */
export function slotsInTransit(clusterNodes: string): number[] {
  return [...new Set([...clusterNodes.matchAll(/\[(\d+)-[<>]-/g)].map(([, slot]) => Number(slot)))]
}

/** Where a redirection leads: the reply to a command for a slot that is elsewhere (`moved`) or on its way there (`ask`). */
export interface Redirection {
  readonly kind: 'moved' | 'ask'
  readonly slot: number
  /** Empty: where it was asked. */
  readonly host: string
  readonly port: number
}

/** Null where the error is no redirection. */
export function redirectionOf(error: string): Redirection | null {
  const match = /^-(MOVED|ASK) (\d+) (.*):(\d+)\r?\n?$/.exec(error)
  if (match === null) return null
  const [, kind, slot, host = '', port] = match
  return {
    kind: kind === 'MOVED' ? 'moved' : 'ask',
    slot: Number(slot),
    host: host === '?' ? '' : host.replace(/^\[|\]$/g, ''),
    port: Number(port),
  }
}
