import { afterEach, describe, expect, it } from 'vitest'
import { findUnkept } from '../../../src/demo/acknowledged.ts'
import { fillDataset } from '../../../src/demo/dataset.ts'
import { Load } from '../../../src/demo/load.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'
import { type RedisServer, Servers } from '../../../src/demo/servers.ts'

const keys = 2000

let servers: Servers
let engine: RedisServer
let load: Load | null = null

async function startLoad(): Promise<Load> {
  servers = new Servers('ferry-load-')
  engine = await servers.startRedis('server')
  await fillDataset(engine.port, keys, () => {})
  load = await Load.connect({ port: engine.port, keys, commandsPerSecond: 0 })
  load.start()
  return load
}

afterEach(async () => {
  await load?.stop()
  load?.close()
  await servers.stop()
})

describe('the load', () => {
  it('runs against a plain server without an error, and the server holds what was acknowledged', async () => {
    const running = await startLoad()
    await expect.poll(() => running.tally.commands, { timeout: 15_000 }).toBeGreaterThan(40_000)
    await running.stop()
    expect(running.tally.messages).toEqual([])
    expect(running.tally.clientErrors).toBe(0)
    expect(running.clients).toBeGreaterThanOrEqual(8)
    const expected = running.expected()
    expect([...expected.keys()].sort()).toEqual([0, 1])
    expect(expected.get(0)?.size).toBeGreaterThan(100)
    expect(await findUnkept(engine.port, expected)).toEqual([])
  })

  it('notices an acknowledged write that is gone afterwards', async () => {
    const running = await startLoad()
    await expect.poll(() => running.expected().get(0)?.has('shared:counter:1'), { timeout: 10_000 }).toBe(true)
    await running.stop()
    const thief = await RawConnection.open(engine.port)
    await thief.command('DECR', 'shared:counter:1')
    thief.close()
    expect(await findUnkept(engine.port, running.expected())).toEqual([expect.stringContaining('shared:counter:1')])
  })

  it('counts a client that does not read what it wrote', async () => {
    const running = await startLoad()
    const thief = await RawConnection.open(engine.port)
    const steal = async () => {
      const own = Array.from({ length: 12 }, (_, number) => `own:client-2:counter:${number}`)
      await thief.command('DEL', ...own)
      return running.tally.clientErrors
    }
    await expect.poll(steal, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0)
    thief.close()
    expect(running.tally.messages[0]).toMatch(/client-2: read .* where it wrote/)
  })

  it('counts every error reply and every lost connection', async () => {
    const running = await startLoad()
    await expect.poll(() => running.tally.commands).toBeGreaterThan(100)
    expect(running.tally.clientErrors).toBe(0)
    const killer = await RawConnection.open(engine.port)
    await killer.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    killer.close()
    await expect.poll(() => running.tally.clientErrors).toBeGreaterThan(0)
  })

  it('goes on after a stop with what it knows', async () => {
    const running = await startLoad()
    await expect.poll(() => running.tally.commands).toBeGreaterThan(2000)
    await running.stop()
    const before = running.tally.commands
    running.start()
    await expect.poll(() => running.tally.commands).toBeGreaterThan(before + 2000)
    await running.stop()
    expect(running.tally.messages).toEqual([])
    expect(await findUnkept(engine.port, running.expected())).toEqual([])
  })
})
