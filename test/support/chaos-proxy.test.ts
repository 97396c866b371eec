import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ChaosProxy } from './chaos-proxy.ts'
import { until } from './wait.ts'

/** A server that remembers what it got and says it back. */
let server: Server
let received = ''
let proxy: ChaosProxy
let clients: Socket[] = []

beforeEach(async () => {
  received = ''
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      received += chunk
      socket.write(chunk)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await ChaosProxy.start((server.address() as { port: number }).port)
})

afterEach(async () => {
  for (const client of clients) client.destroy()
  clients = []
  await proxy.stop()
  server.close()
})

interface Client {
  readonly socket: Socket
  readonly got: () => string
  readonly error: () => NodeJS.ErrnoException | undefined
}

function client(): Client {
  const socket = connect(proxy.port, '127.0.0.1')
  clients.push(socket)
  let got = ''
  let error: NodeJS.ErrnoException | undefined
  socket.on('data', (chunk) => {
    got += chunk
  })
  socket.on('error', (reason) => {
    error = reason
  })
  return { socket, got: () => got, error: () => error }
}

test('passes both ways and counts', async () => {
  const { socket, got } = client()
  socket.write('hello')
  await until(() => got() === 'hello')
  expect(proxy.counters).toMatchObject({ accepted: 1, bytesToServer: 5, bytesToClient: 5 })
  expect(proxy.openConnections).toBe(1)
  const ended = once(socket, 'close')
  socket.end()
  await ended
  await until(() => proxy.openConnections === 0)
})

test('passes more than the buffers hold, whole and in order', async () => {
  const { socket, got } = client()
  const sent = Array.from({ length: 200_000 }, (_, index) => `${index},`).join('')
  socket.write(sent)
  await until(() => got().length >= sent.length)
  expect(got()).toBe(sent)
})

test('delays without changing the order', async () => {
  const { socket, got } = client()
  socket.write('a')
  await until(() => got() === 'a')
  proxy.delay(30)
  const before = performance.now()
  socket.write('b')
  await until(() => received === 'ab')
  proxy.delay(0)
  socket.write('c')
  await until(() => got() === 'abc')
  expect(performance.now() - before).toBeGreaterThanOrEqual(29)
})

test('stalls one direction: the server has the bytes, the client waits for the answer', async () => {
  const { socket, got } = client()
  proxy.stall('to-client')
  socket.write('x')
  await until(() => received === 'x')
  expect(got()).toBe('')
  proxy.pass()
  await until(() => got() === 'x')
})

test('stalls both directions', async () => {
  const { socket, got } = client()
  await until(() => proxy.openConnections === 1)
  proxy.stall()
  socket.write('lost')
  await until(() => proxy.heldBytes === 4)
  expect(received).toBe('')
  expect(proxy.counters.bytesToServer).toBe(0)
  proxy.pass()
  await until(() => got() === 'lost')
})

test('cut resets both ends and loses what was held back', async () => {
  const { socket, error } = client()
  await until(() => proxy.openConnections === 1)
  proxy.stall()
  socket.write('never')
  proxy.cut()
  await until(() => socket.closed)
  expect(error()?.code).toMatch(/ECONNRESET|EPIPE/)
  expect(proxy.openConnections).toBe(0)
  expect(proxy.counters.cut).toBe(1)
  proxy.pass()
  const next = client()
  next.socket.write('again')
  await until(() => next.got() === 'again')
  expect(received).toBe('again')
})

test('refuses new connections and lets the open ones be', async () => {
  const open = client()
  await until(() => proxy.openConnections === 1)
  proxy.refuse()
  const late = client()
  await until(() => late.socket.closed)
  expect(proxy.counters.refused).toBe(1)
  open.socket.write('still here')
  await until(() => open.got() === 'still here')
})

test('a server that is not there resets the client', async () => {
  const nowhere = await ChaosProxy.start(1)
  const socket = connect(nowhere.port, '127.0.0.1')
  socket.on('error', () => {})
  await until(() => socket.closed)
  await nowhere.stop()
})
