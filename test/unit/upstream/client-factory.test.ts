import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { connectClient, createClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'

let server: Server | undefined
const sockets: Socket[] = []
const clients: Redis[] = []

afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
  for (const socket of sockets.splice(0)) socket.destroy()
  server?.close()
})

/** Answers each command (told by its upper-case first words) with what `answer` gives; null cuts the connection. */
async function fakeServer(answer: (command: string) => string | null): Promise<number> {
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const frame of chunk
        .toString('latin1')
        .split(/^\*\d+\r\n/m)
        .slice(1)) {
        const words = frame.split('\r\n').filter((line, index) => index % 2 === 1 && line !== '')
        const reply = answer(words.join(' ').toUpperCase())
        if (reply === null) socket.destroy()
        else socket.write(reply)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const info = '$9\r\nloading:0\r\n'

describe('a client of the factory', () => {
  it('speaks RESP3, with its credentials, its name and its database', async () => {
    const seen: string[] = []
    const port = await fakeServer((command) => {
      seen.push(command)
      if (command.startsWith('HELLO')) return '%1\r\n+proto\r\n:3\r\n'
      return command.startsWith('INFO') ? info : '+OK\r\n'
    })
    clients.push(await connectClient(parseEndpoint(`redis://anna:secret@127.0.0.1:${port}/4`), 'control'))
    expect(seen).toEqual(['HELLO 3 AUTH ANNA SECRET', 'SELECT 4', 'CLIENT SETNAME FERRY-CONTROL', 'INFO'])
  })

  it('falls back to RESP2 for a server without HELLO', async () => {
    const seen: string[] = []
    const port = await fakeServer((command) => {
      seen.push(command)
      if (command.startsWith('HELLO')) return "-ERR unknown command 'HELLO'\r\n"
      if (command.startsWith('INFO')) return info
      return command === 'HGETALL H' ? '*2\r\n$1\r\na\r\n$1\r\n1\r\n' : '+OK\r\n'
    })
    const client = await connectClient(parseEndpoint(`redis://:secret@127.0.0.1:${port}`), 'control')
    clients.push(client)
    expect(seen).toContain('AUTH SECRET')
    expect(await client.hgetall('h')).toEqual({ a: '1' })
  })

  it('never sends a command twice: a lost answer is a rejection', async () => {
    let increments = 0
    const port = await fakeServer((command) => {
      if (command.startsWith('HELLO')) return '%1\r\n+proto\r\n:3\r\n'
      if (command.startsWith('INFO')) return info
      if (command !== 'INCR K') return '+OK\r\n'
      increments += 1
      return null
    })
    const client = await connectClient(parseEndpoint(`redis://127.0.0.1:${port}`), 'control')
    clients.push(client)
    const again = once(client, 'ready')
    await expect(client.incr('k')).rejects.toThrow()
    await again
    expect(await client.call('PING')).toBe('OK')
    expect(increments).toBe(1)
  })

  it('refuses a command while it is not connected instead of queueing it', async () => {
    const client = createClient(parseEndpoint('redis://127.0.0.1:1'), 'control')
    clients.push(client)
    await expect(client.set('k', 'v')).rejects.toThrow()
  })

  it('tells why it could not connect, without the password, and tries no longer', async () => {
    const port = await fakeServer((command) =>
      command.startsWith('HELLO') ? '-WRONGPASS invalid username-password pair\r\n' : '+OK\r\n',
    )
    const refused = connectClient(parseEndpoint(`redis://:secret@127.0.0.1:${port}`), 'control')
    await expect(refused).rejects.toMatchObject({
      code: 'endpoint-unreachable',
      message: `redis://:***@127.0.0.1:${port}/0: WRONGPASS invalid username-password pair`,
      cause: undefined,
    })
    server?.close()
    await expect(connectClient(parseEndpoint('redis://127.0.0.1:1'), 'control')).rejects.toThrow(
      /127\.0\.0\.1:1\/0: .*ECONNREFUSED/,
    )
  })
})
