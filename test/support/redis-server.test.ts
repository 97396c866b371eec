import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { engineMissing, engineNames, freePort, hasEngine, type RedisServer, startRedis } from './redis-server.ts'
import { until } from './wait.ts'

const started: RedisServer[] = []
const start = async (...options: Parameters<typeof startRedis>): Promise<RedisServer> => {
  const server = await startRedis(...options)
  started.push(server)
  return server
}
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop()
})

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('starts a server of its own on a port and a socket, and leaves nothing behind', async () => {
  const server = await start()
  const info = await server.client().info('server')
  expect(info).toContain(`process_id:${server.pid}`)
  expect(info).toContain(`tcp_port:${server.port}`)
  const viaSocket = new Redis(server.socketPath)
  expect(await viaSocket.ping()).toBe('PONG')
  viaSocket.disconnect()

  await server.stop()
  expect(alive(server.pid)).toBe(false)
  expect(existsSync(server.dir)).toBe(false)
})

test('passes flags on, a password among them', async () => {
  const server = await start({ args: ['--requirepass', 'secret', '--databases', '3'] })
  expect(await server.client({ password: 'secret' }).config('GET', 'databases')).toContainEqual('3')
})

test('a frozen server holds its connections and answers after the thaw', async () => {
  const server = await start()
  const client = server.client()
  await client.ping()
  server.freeze()
  const reply = vi.fn()
  const pending = client.ping().then(reply)
  await until(() => readFileSync(`/proc/${server.pid}/stat`, 'utf8').includes(') T '), { what: 'the server to stand still' })
  expect(reply).not.toHaveBeenCalled()
  server.thaw()
  await pending
  expect(reply).toHaveBeenCalledWith('PONG')
})

test('kill9 ends it at once; another can take its port', async () => {
  const server = await start()
  const client = server.client()
  await client.ping()
  await server.kill9()
  expect(alive(server.pid)).toBe(false)
  await expect(client.ping()).rejects.toThrow()
  const again = await start({ port: server.port })
  expect(await again.client().ping()).toBe('PONG')
})

test.each(['SIGTERM', 'SIGINT'] as const)('does not outlive a process that %s ends', async (signal) => {
  const module = new URL('./redis-server.ts', import.meta.url).href
  const script = `const { startRedis } = await import('${module}'); const { pid } = await startRedis(); console.log(pid); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  expect(alive(pid)).toBe(true)
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([null, signal])
  await until(() => !alive(pid), { what: 'the server to end' })
})

test('says what the server said when it does not start', async () => {
  const taken = createServer().listen(await freePort(), '127.0.0.1')
  await until(() => taken.listening)
  const { port } = taken.address() as { port: number }
  await expect(startRedis({ port })).rejects.toThrow(/did not start[\s\S]*in use/i)
  taken.close()
  await expect(startRedis({ args: ['--no-such-flag', '1'] })).rejects.toThrow(/no-such-flag/)
})

test('a missing engine is named aloud', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect(engineMissing('redis-0.1')).toBe(true)
  expect(warn.mock.calls.join()).toContain('redis-0.1')
  expect(hasEngine('redis-0.1')).toBe(false)
  warn.mockRestore()
})

describe.each(['redis-7.0', 'redis-8.0', 'valkey-8.0', 'valkey-8.1', 'valkey-9.1'])('engine %s', (engine) => {
  test.skipIf(engineMissing(engine))('is listed, starts and answers', async () => {
    expect(engineNames()).toContain(engine)
    const server = await start({ engine })
    const info = await server.client().info('server')
    expect(info).toContain(`process_id:${server.pid}`)
    const [family, version] = engine.split('-')
    expect(info).toMatch(new RegExp(`${family}_version:${version?.replace('.', '\\.')}\\.`))
  })
})
