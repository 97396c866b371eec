/** MONITOR of what goes through Ferry: the lines are a server's own, but for the time and the port. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Ferry } from '../../support/ferry.ts'
import type { RedisServer } from '../../support/redis-server.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { until } from '../../support/wait.ts'
import { multibulk, type WireClient } from '../../support/wire-client.ts'

let beside: SideBySide
let plain: RedisServer
let ferry: Ferry

beforeAll(async () => {
  beside = await SideBySide.open({ outputBufferBytes: 1024 * 1024 })
  ;({ plain, ferry } = beside)
})

afterEach(() => {
  beside.closeClients()
})

afterAll(() => beside?.close())

const connect = (port?: number, ...lines: string[]): Promise<WireClient> => beside.connect(port, ...lines)

const anonymous = (lines: string): string =>
  lines.replace(/\+\d{10}\.\d{6} \[/g, '+TIME [').replace(/127\.0\.0\.1:\d+/g, 'CLIENT')

/** What a monitor sees of these commands, sent one after the other on one connection. */
async function seen(port: number, commands: readonly (readonly (string | Buffer)[])[]): Promise<string> {
  const [monitor, client] = [await connect(port), await connect(port)]
  expect(await monitor.ask('MONITOR')).toBe('+OK\r\n')
  for (const argv of commands) await client.call(...argv)
  await client.ask('ECHO the-end')
  await until(() => monitor.received.includes('the-end'), { what: 'the last line', intervalMs: 1 })
  return anonymous(monitor.received)
}

describe('MONITOR through Ferry', () => {
  it('shows what a server shows, and hides what it hides', async () => {
    const commands: (readonly (string | Buffer)[])[] = [
      ['HELLO', '2'],
      ['GET', 'x'],
      ['set', 'A', Buffer.from('b\x00\xff\n\r\t\x07\b"q\\ é', 'latin1')],
      ['SET', '', 'empty'],
      ['SELECT', '3'],
      ['AUTH', 'secret'],
      ['AUTH', 'user', 'secret'],
      ['HELLO', '2', 'AUTH', 'user', 'secret'],
      ['CONFIG', 'GET', 'maxmemory'],
      ['CLIENT', 'LIST'],
      ['CLIENT', 'SETNAME', 'name'],
      ['MULTI'],
      ['SET', 'a', 'c'],
      ['EXEC'],
      ['NOSUCH', 'a'],
      ['GET'],
      ['MGET', 'a', 'b', 'a'],
      ['PUBLISH', 'channel', 'message'],
      ['RESET'],
      ['PING'],
    ]
    const through = await seen(ferry.port, commands)
    expect(through).toBe(await seen(plain.port, commands))
    expect(through).toContain('+TIME [0 CLIENT] "set" "A" "b\\x00\\xff\\n\\r\\t\\a\\b\\"q\\\\ \\xe9"\r\n')
    expect(through).not.toContain('secret')
  })

  it('lets the monitoring client do what a server lets it do, until RESET or QUIT', async () => {
    const lines = ['MONITOR', 'GET x', 'PING', 'SET a b', 'SELECT 3', 'MONITOR', 'RESET', 'GET x', 'MONITOR', 'QUIT']
    const [through, direct] = [await connect(), await connect(plain.port)]
    for (const client of [through, direct]) {
      client.write(lines.map((line) => multibulk(...line.split(' '))).join(''))
      await client.untilClosed()
    }
    expect(anonymous(through.received)).toBe(anonymous(direct.received))
  })

  it('is told in CLIENT LIST, and costs nothing once it is over', async () => {
    const [monitor, client] = [await connect(), await connect()]
    await monitor.ask('MONITOR')
    expect(await client.ask('CLIENT LIST')).toContain(' flags=O ')
    monitor.vanish()
    await until(async () => !(await client.ask('CLIENT LIST')).includes(' flags=O '), { what: 'the monitor to be forgotten' })
    expect(await client.ask('GET x')).toBe('$-1\r\n')
  })

  it('shows the beginning of a very long argument, and how much is left out', async () => {
    const [monitor, client] = [await connect(), await connect()]
    await monitor.ask('MONITOR')
    await client.call('SET', 'long', 'x'.repeat(200_000))
    await until(() => monitor.received.includes('more bytes)'), { what: 'the line', intervalMs: 1 })
    expect(monitor.received.length).toBeLessThan(66_000)
    expect(monitor.received).toMatch(/"SET" "long" "x{65536}"\.\.\. \(134464 more bytes\)\r\n$/)
  })

  it('cuts off a monitor that does not read, and nobody else', async () => {
    const [slow, client] = [await connect(), await connect()]
    await slow.ask('MONITOR')
    slow.socket.pause()
    const command = multibulk('SET', 'k', 'x'.repeat(60_000))
    await until(
      async () => {
        client.write(command.repeat(20))
        await client.take(20)
        return !(await client.ask('CLIENT LIST')).includes(' flags=O ')
      },
      { what: 'the monitor to be cut off', intervalMs: 1 },
    )
  })
})
