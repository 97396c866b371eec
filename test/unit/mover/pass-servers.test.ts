/** Which servers a checkpoint is of, and when it is of no use to another process. */
import { expect, it } from 'vitest'
import type { Core } from '../../../src/dispatch/core.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import type { SlotLayout } from '../../../src/dispatch/slot-layout.ts'
import { OtherServer, PassServers } from '../../../src/mover/pass-servers.ts'
import type { Side } from '../../../src/routing/modes.ts'

interface FakeLane {
  runId: string | null
  connections: number
}

function setup(layout: { version: number; digest: string | null } | null = null) {
  const lanes: Record<Side, FakeLane> = { source: { runId: 'a', connections: 1 }, target: { runId: 'b', connections: 1 } }
  const layouts = { source: layout as SlotLayout | null, target: null }
  const core = { traffic: { authority: 'source' } } as unknown as Core
  const servers = new PassServers(core, { lane: (side: Side) => lanes[side], layouts } as unknown as Lanes)
  servers.begin('source')
  return { lanes, servers }
}

const nameOf = (layout: { version: number; digest: string | null }): string | null => setup(layout).servers.named()

it('names both starts, and of a cluster the slot map', () => {
  expect(setup().servers.named()).toBe('source of a > b')
  expect(nameOf({ version: 3, digest: 'x' })).toBe(nameOf({ version: 0, digest: 'x' }))
  expect(nameOf({ version: 0, digest: 'y' })).not.toBe(nameOf({ version: 0, digest: 'x' }))
})

it('names nothing where a start, or the slot map, is not known', () => {
  const { lanes, servers } = setup()
  lanes.target.runId = null
  servers.begin('source')
  expect(servers.named()).toBeNull()
  expect(nameOf({ version: 0, digest: null })).toBeNull()
})

it('names nothing any more once slots have moved, even if they are back, or a server was started anew', () => {
  const layout = { version: 0, digest: 'x' }
  const { servers } = setup(layout)
  layout.version = 2
  expect([servers.named(), servers.since]).toEqual([null, 0])
  servers.begin('source')
  expect([servers.named(), servers.since]).toEqual(['source of a with slots x > b', 2])
  const other = setup()
  other.lanes.target.runId = 'c'
  expect(other.servers.named()).toBeNull()
})

it('tells a server that took the place of another', () => {
  const { lanes, servers } = setup()
  const start = servers.startOf('source')
  lanes.source.connections = 2
  servers.mustBe('source', start)
  lanes.source.runId = 'c'
  expect(() => servers.mustBe('source', start)).toThrow(OtherServer)
})
