import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { slotOf } from '../../../src/routing/slot.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let server: RedisServer

beforeAll(async () => {
  server = await startRedis({ args: ['--cluster-enabled', 'yes'] })
})
afterAll(() => server?.stop())

it('a server finds the same slot for keys full of braces', async () => {
  const piece = fc.oneof(fc.constantFrom('{', '}', '{}', '{{', 'user'), fc.string({ maxLength: 2 }))
  const key = fc.array(piece, { maxLength: 7 }).map((pieces) => Buffer.from(pieces.join('')))
  const keys = [...fc.sample(key, 3_000), Buffer.from([0xff, 0, 0x7b, 0x80, 0x7d]), Buffer.alloc(0)]
  const client = server.client()
  const slots = await Promise.all(keys.map((one) => client.callBuffer('CLUSTER', ['KEYSLOT', one])))
  for (const [i, one] of keys.entries())
    expect(slotOf(one, 0, one.length), JSON.stringify(one.toString('latin1'))).toBe(Number(slots[i]))
})
