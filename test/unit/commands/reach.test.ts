/** How far a command reaches into a string: right before what a real server then has at the end of an empty key. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { reachOf } from '../../../src/commands/reach.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const reach = (words: readonly string[]): number => reachOf((words[0] as string).toLowerCase(), argViewOf(words))

describe('how far a string is filled', () => {
  it.each([
    ['SETRANGE k 0 v'],
    ['SETRANGE k 7000000 value'],
    ['SETBIT k 0 1'],
    ['SETBIT k 7 1'],
    ['SETBIT k 8 0'],
    ['SETBIT k 80000000 1'],
    ['BITFIELD k SET u8 0 1'],
    ['bitfield k set i5 #3 1'],
    ['BITFIELD k GET u8 800 INCRBY u16 #1000 1 SET u1 9 1'],
    ['BITFIELD k OVERFLOW SAT INCRBY i64 #2 1 OVERFLOW FAIL SET u63 1 1'],
  ])('%s', async (line) => {
    const [verb, ...args] = line.split(' ') as [string, ...string[]]
    const client = server.client()
    await client.del('k')
    await client.call(verb, ...args)
    const writtenBytes = (await client.strlen('k')) - reach([verb, ...args])
    expect(writtenBytes).toBeGreaterThan(0)
    expect(writtenBytes).toBeLessThanOrEqual(9)
  })

  it.each([
    ['SETRANGE k -1 v'],
    ['SETRANGE k many v'],
    ['SETBIT k x 1'],
    ['BITFIELD k SET u8'],
    ['BITFIELD k SET x 0 1'],
    ['BITFIELD k GET u8 9999999'],
    ['BITFIELD k SET u8 -1 1'],
    ['APPEND k v'],
  ])('is not told by %s', (line) => {
    expect(reach(line.split(' '))).toBe(0)
  })
})
