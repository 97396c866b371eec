import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommands, RawConnection } from '../../../src/demo/raw-connection.ts'

let server: Server | null = null

/** A server that answers nothing by itself. */
async function openPair(): Promise<{ connection: RawConnection; socket: Socket }> {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const connection = await RawConnection.open((server.address() as AddressInfo).port)
  const [socket] = (await accepted) as [Socket]
  return { connection, socket }
}

afterEach(() => server?.close())

describe('encodeCommands', () => {
  it('frames text, numbers and bytes', () => {
    const bytes = encodeCommands([
      ['SET', 'k', 12],
      ['SET', 'b', Buffer.from([0, 13, 10, 255])],
      ['PING', Buffer.from('x'), 'é'],
    ])
    expect(bytes.toString('latin1')).toBe(
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$4\r\n\0\r\n\xff\r\n*3\r\n$4\r\nPING\r\n$1\r\nx\r\n$1\r\n\xe9\r\n',
    )
  })
})

describe('RawConnection', () => {
  it('gives overlapping batches their own replies in order, errors among them as values', async () => {
    const { connection, socket } = await openPair()
    const first = connection.batch([['A'], ['B']])
    const second = connection.batch([['C']])
    socket.write('+1\r\n-ERR no')
    socket.write('pe\r\n*2\r\n:5\r\n$-1\r\n')
    const [one, refused] = await first
    expect(String(one)).toBe('1')
    expect(refused).toBeInstanceOf(Error)
    expect(String(refused)).toContain('ERR nope')
    expect(await second).toEqual([[5, null]])
    connection.close()
  })

  it('rejects a single command on an error reply', async () => {
    const { connection, socket } = await openPair()
    const refused = connection.command('A')
    socket.write('-ERR nope\r\n')
    await expect(refused).rejects.toThrow('ERR nope')
    connection.close()
  })

  it('rejects everything that waits, and everything later, when the connection ends', async () => {
    const { connection, socket } = await openPair()
    const waiting = connection.batch([['A']])
    socket.end()
    await expect(waiting).rejects.toThrow('closed')
    await expect(connection.command('B')).rejects.toThrow('closed')
  })

  it('ends the connection on a reply that nobody asked for', async () => {
    const { connection, socket } = await openPair()
    socket.write('+unasked\r\n')
    await once(socket, 'close')
    await expect(connection.command('B')).rejects.toThrow('nobody asked')
  })
})
