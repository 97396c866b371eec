/** The way to the one server of a cluster that has a name: what it says is followed, up to a limit. */
import { afterEach, expect, test } from 'vitest'
import { sidesBehind } from '../../../../src/cluster/sides.ts'
import { type DirectWay, directWay, redirectionsMax } from '../../../../src/dispatch/typed/direct-way.ts'
import { parseEndpoint } from '../../../../src/upstream/endpoint.ts'
import { Lane } from '../../../../src/upstream/lane.ts'
import { Turn } from '../../../../src/upstream/turn.ts'
import { FakeCluster } from '../../../support/fake-cluster.ts'
import { until } from '../../../support/wait.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

/** Servers that answer EXISTS with what `says` gives for their number. */
async function clusterLane(says: (node: number) => string): Promise<{ cluster: FakeCluster; lane: Lane; asked: number[] }> {
  const asked: number[] = []
  const cluster = await FakeCluster.start(3, (node, command) => {
    if (!command.startsWith('EXISTS')) return undefined
    asked.push(node)
    return says(node)
  })
  const turn = new Turn()
  const behind = sidesBehind({ source: parseEndpoint('redis://127.0.0.1:1'), target: parseEndpoint(cluster.url) }, turn)
  const nobody = { username: null, password: null }
  const lane = new Lane('target', behind.endpoints.target, nobody, turn, { laneUp: () => {}, laneDown: () => {} })
  open.push(
    () => lane.close(),
    () => behind.stop(),
    () => cluster.stop(),
  )
  lane.connect()
  await until(() => lane.up, { what: 'the lane to be up' })
  return { cluster, lane, asked }
}

test('leads to the owner of its slot', async () => {
  const { cluster, lane, asked } = await clusterLane(() => ':0\r\n')
  const key = cluster.keyIn(2)
  const way = (await directWay(lane, 0, Buffer.from(key))) as DirectWay
  open.push(() => way.lane.close())
  expect(way.name.toString()).toBe(key)
  expect(way.lane.endpoint.port).toBe(cluster.nodes[2]?.port)
  expect(asked).toEqual([2])
})

test('follows a slot that has moved', async () => {
  const { cluster, lane, asked } = await clusterLane((node) => (node === 1 ? ':0\r\n' : cluster.moved(key, 1)))
  const key = cluster.keyIn(0)
  const way = (await directWay(lane, 0, Buffer.from(key))) as DirectWay
  open.push(() => way.lane.close())
  expect(way.lane.endpoint.port).toBe(cluster.nodes[1]?.port)
  expect(asked).toEqual([0, 1])
})

test('is what the server says where it was sent on too often', async () => {
  const { cluster, lane, asked } = await clusterLane((node) => cluster.moved(key, 1 - node))
  const key = cluster.keyIn(0)
  expect(await directWay(lane, 0, Buffer.from(key))).toBe(cluster.moved(key, 0).slice(1, -2))
  expect(asked).toEqual(Array.from({ length: redirectionsMax + 1 }, (_, i) => i % 2))
})

test('is what the server says where the slot is on its way', async () => {
  const { cluster, lane } = await clusterLane(() => '-ASK 1 127.0.0.1:1\r\n')
  expect(await directWay(lane, 0, Buffer.from(cluster.keyIn(0)))).toBe('ASK 1 127.0.0.1:1')
})

test('is none where nobody has the slot', async () => {
  const { cluster, lane } = await clusterLane(() => ':0\r\n')
  cluster.owners[2] = null
  const gone = (): boolean => lane.endpoint.placeOf?.(0, Buffer.from(cluster.keyIn(2))) === null
  await until(gone, { what: 'the map to be read anew', timeoutMs: 10_000 })
  await expect(directWay(lane, 0, Buffer.from(cluster.keyIn(2)))).rejects.toThrow('nobody serves the slot')
})
