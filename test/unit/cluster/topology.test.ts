import { afterEach, expect, test } from 'vitest'
import { Topology } from '../../../src/cluster/topology.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import type { Answer } from '../../support/fake-redis.ts'
import { until } from '../../support/wait.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

async function opened(answer: Answer = () => undefined): Promise<{ cluster: FakeCluster; topology: Topology }> {
  const cluster = await FakeCluster.start(2, (_, command, connection) => answer(command, connection))
  const topology = new Topology(parseEndpoint(cluster.url))
  ends.push(() => {
    topology.stop()
    cluster.stop()
  })
  topology.start()
  await until(() => topology.map !== null, { what: 'the map' })
  return { cluster, topology }
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - (times[i] as number))

test('a failover that no command met is noticed within two seconds', async () => {
  const { cluster, topology } = await opened()
  const [slot] = [Number(cluster.moved(cluster.keyIn(0), 1).split(' ')[1])]
  expect(topology.map?.ownerOf(slot)?.id).toBe('node0')
  cluster.owners[0] = 1
  const fromMs = performance.now()
  await until(() => topology.map?.ownerOf(slot)?.id === 'node1', { what: 'the heir' })
  expect(performance.now() - fromMs).toBeLessThan(2_500)
  expect(cluster.readings.length).toBe(2)
})

test('redirections make it read the map soon, and no more often than every 50 ms, however many there are', async () => {
  const { cluster, topology } = await opened()
  const before = cluster.readings.length
  const port = Number(cluster.moved(cluster.keyIn(0), 1).trim().split(':')[1])
  let slot = 0
  const stream = setInterval(() => topology.redirected({ kind: 'moved', slot: slot++, host: '127.0.0.1', port }, '127.0.0.1'), 5)
  await until(() => cluster.readings.length > before + 2, { what: 'three readings' }).finally(() => clearInterval(stream))
  expect(Math.min(...gaps(cluster.readings.slice(before)))).toBeGreaterThan(45)
})

test('while a server is lost the map is read every 200 ms', async () => {
  const { cluster, topology } = await opened()
  const before = cluster.readings.length
  topology.missing(1)
  await until(() => cluster.readings.length >= before + 4, { what: 'four readings', timeoutMs: 1_800 })
  expect(Math.min(...gaps(cluster.readings.slice(before)))).toBeGreaterThan(190)
  topology.missing(-1)
})

test('the keys of a slot are asked for with room for those that come meanwhile', async () => {
  const asked: string[] = []
  const { topology } = await opened((command) => {
    asked.push(command)
    if (command.includes('COUNTKEYSINSLOT')) return ':3\r\n'
    return command.includes('GETKEYSINSLOT') ? '*2\r\n$1\r\na\r\n$1\r\nb\r\n' : undefined
  })
  expect((await topology.keysIn(5, 0)).map(String)).toEqual(['a', 'b'])
  expect(asked.filter((command) => command.includes('GETKEYSINSLOT'))).toEqual(Array(2).fill('CLUSTER GETKEYSINSLOT 5 1006'))
})
