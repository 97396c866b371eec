import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type ByteSink, writerOf } from '../../../src/upstream/direct-writer.ts'
import { until } from '../../support/wait.ts'

const open: { destroy(): void }[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.destroy()
})

/** A server's end with a writer, and the client's end, which reads only while it is told to. */
async function pair(): Promise<{ socket: Socket; client: Socket; writer: ByteSink; drains: () => number }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  open.push(client, socket)
  let drained = 0
  const writer = writerOf(socket, () => drained++)
  return { socket, client, writer, drains: () => drained }
}

function collect(client: Socket): () => Buffer {
  const chunks: Buffer[] = []
  client.on('data', (chunk) => chunks.push(chunk))
  return () => Buffer.concat(chunks)
}

const pattern = (length: number, seed: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed) % 251))

describe('a writer', () => {
  it('is not the socket itself: else the way around the streams was not found on this version of Node', async () => {
    const { socket, writer } = await pair()
    expect(writer).not.toBe(socket)
  })

  it('hands over at once what the kernel takes, and keeps the order of single and corked writes', async () => {
    const { client, writer, drains } = await pair()
    const got = collect(client)
    writer.write(Buffer.from('one '))
    writer.cork()
    writer.write(Buffer.from('two '))
    writer.write(Buffer.from('three '))
    writer.uncork()
    writer.write(Buffer.from('four'))
    expect(writer.writableLength).toBe(0)
    await until(() => got().toString() === 'one two three four')
    expect(drains()).toBe(0)
  })

  it('counts what a reader that does not read leaves, tells when it is out, and loses no byte', async () => {
    const { client, writer, drains } = await pair()
    client.pause()
    const pieces = Array.from({ length: 40 }, (_, i) => pattern(300_000, i))
    for (const piece of pieces.slice(0, 30)) writer.write(piece)
    expect(writer.writableLength).toBeGreaterThan(1_000_000)
    writer.cork()
    for (const piece of pieces.slice(30)) writer.write(piece)
    writer.uncork()
    const got = collect(client)
    client.resume()
    await until(() => drains() > 0 && writer.writableLength === 0)
    const whole = Buffer.concat(pieces)
    await until(() => got().length === whole.length)
    expect(got().equals(whole)).toBe(true)
    expect(drains()).toBe(1)
  })

  it('closes the socket where the client has reset the connection, also with bytes under way', async () => {
    const { socket, client, writer } = await pair()
    client.pause()
    writer.write(Buffer.alloc(20_000_000))
    expect(writer.writableLength).toBeGreaterThan(0)
    client.resetAndDestroy()
    await until(() => {
      writer.write(Buffer.from('x'))
      return socket.destroyed
    })
    writer.write(Buffer.from('nobody reads this'))
  })

  it('is the socket itself where it has no handle to write to', () => {
    const socket = new Socket()
    open.push(socket)
    expect(writerOf(socket, () => undefined)).toBe(socket)
  })
})
