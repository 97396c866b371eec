import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url, phase: 'mirror' })
})

afterAll(async () => {
  await ferry.dispose()
  await Promise.all([source.stop(), target.stop()])
})

it.each([
  ['GET', 'GET / HTTP/1.1\r\nHost: somewhere\r\n\r\nSET harm 1\r\n'],
  ['POST', 'POST / HTTP/1.1\r\nHost: somewhere\r\n\r\nSET harm 1\r\n'],
])('%s over HTTP: the client is cut off, nothing behind it runs, the lanes of the others stay', async (_, request) => {
  const before = await ferry.status()
  const socket = connect(ferry.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(request)
  socket.resume()
  await once(socket, 'close')
  expect(await source.client().get('harm')).toBeNull()
  expect(await target.client().get('harm')).toBeNull()
  const after = await ferry.status()
  expect(after.source.connections).toBe(before.source.connections)
  expect(after.target.connections).toBe(before.target.connections)
  expect(after.journal.resyncNeeded).toBeNull()
})
