import { expect, test } from 'vitest'
import { loadSignals, serverLoadOf } from '../../../src/mover/server-load.ts'

const info = `# Memory\r\nused_memory:900\r\nused_memory_human:1K\r\nmaxmemory:1000\r\nmaxmemory_human:1K\r\n
# Stats\r\nevicted_keys:7\r\n# Replication\r\nrole:master\r
slave0:ip=127.0.0.1,port=1,state=online,offset=9,lag=3\r\nslave1:ip=127.0.0.1,port=2,state=online,offset=9,lag=1\r
slave2:ip=127.0.0.1,port=3,state=wait_bgsave,offset=0,lag=99\r
# CPU\r\nused_cpu_sys:100.0\r\nused_cpu_user:200.0\r\nused_cpu_sys_main_thread:1.5\r\nused_cpu_user_main_thread:2.5\r\n`

test('what a server tells', () => {
  expect(serverLoadOf(info, 5)).toEqual({ atMs: 5, cpuSeconds: 4, lagSeconds: 3, memoryPercent: 90, evictedKeys: 7 })
  const older = info.replaceAll(/used_cpu_\w+_main_thread:.*\r\n/g, '')
  expect(serverLoadOf(older, 5).cpuSeconds).toBe(300)
})

test('what it does not tell is not known', () => {
  const unknown = { atMs: 5, cpuSeconds: null, lagSeconds: null, memoryPercent: null, evictedKeys: null }
  expect(serverLoadOf('-NOPERM', 5)).toEqual(unknown)
  expect(serverLoadOf(info.replace('maxmemory:1000', 'maxmemory:0'), 5).memoryPercent).toBeNull()
})

test('rates come from two readings', () => {
  const [earlier, later] = [serverLoadOf(info, 1_000), { ...serverLoadOf(info, 3_000), cpuSeconds: 5, evictedKeys: 27 }]
  expect(loadSignals('target', earlier, later)).toEqual({
    targetCpuPercent: 50,
    targetLagSeconds: 3,
    targetMemoryPercent: 90,
    targetEvictionsPerSecond: 10,
  })
  expect(loadSignals('source', earlier, later)).toEqual({ sourceCpuPercent: 50, sourceLagSeconds: 3 })
})

test('a server that was started anew has no rate', () => {
  const [earlier, later] = [serverLoadOf(info, 1_000), { ...serverLoadOf(info, 3_000), cpuSeconds: 0.1, evictedKeys: 0 }]
  expect(loadSignals('target', earlier, later)).toMatchObject({ targetCpuPercent: null, targetEvictionsPerSecond: null })
  expect(loadSignals('target', null, later)).toMatchObject({ targetCpuPercent: null, targetEvictionsPerSecond: null })
})
