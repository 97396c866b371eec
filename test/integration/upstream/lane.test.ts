import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contextOf } from '../../../src/upstream/lane.ts'
import { type LaneFixture, laneTo } from '../../support/lane-fixture.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

let server: RedisServer
const fixtures: LaneFixture[] = []

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  for (const { lane } of fixtures) lane.close()
  await server?.stop()
})

async function connected(): Promise<LaneFixture> {
  const fixture = laneTo(server.port)
  fixtures.push(fixture)
  fixture.lane.connect()
  await fixture.up()
  return fixture
}

describe('a lane to a real server', () => {
  it('greets, and learns what the server is', async () => {
    const { lane } = await connected()
    expect(lane.admitted).toBe(true)
    expect(lane.server.version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(Math.abs(lane.clockOffsetMs)).toBeLessThan(50)
  })

  it('goes through a unix socket, too', async () => {
    const fixture = laneTo(`unix://${server.socketPath}`)
    fixtures.push(fixture)
    fixture.lane.connect()
    await fixture.up()
    const waiter = fixture.ask('a', 'ECHO hello')
    await until(() => waiter.ended)
    expect(waiter.text).toBe('$5\r\nhello\r\n')
  })

  it('carries ten thousand commands of many askers in order', async () => {
    const { ask, lane } = await connected()
    const waiters = Array.from({ length: 2_000 }, (_, n) => ask(`${n}`, ...Array.from({ length: 5 }, () => 'INCR counter')))
    await until(() => waiters.at(-1)?.ended)
    expect(waiters.map(({ text }) => text).join('')).toBe(Array.from({ length: 10_000 }, (_, n) => `:${n + 1}\r\n`).join(''))
    expect(lane.inFlight).toBe(0)
  })

  it('carries a value of many megabytes both ways', async () => {
    const { lane, ask } = await connected()
    const value = Buffer.alloc(8 * 2 ** 20, 'abcdefg')
    await server.client().set('large', value)
    const waiter = ask('large', 'GET large')
    await until(() => waiter.ended)
    expect(waiter.text.length).toBe(value.length + `$${value.length}\r\n\r\n`.length)
    expect(lane.up).toBe(true)
  })

  it('gives the same sum for the same replies on two lanes', async () => {
    const [one, two] = [await connected(), await connected()]
    const commands = ['SET sum v', 'GET sum', 'INCR sum', 'LPUSH sum x', 'GET large', 'PING']
    const waiters = [one.ask('one', ...commands), two.ask('two', ...commands)]
    await until(() => waiters.every(({ ended }) => ended))
    expect(waiters.map(({ errors }) => errors)).toEqual([2, 2])
    expect(waiters[0]?.sum).toBe(waiters[1]?.sum)
  })

  it('switches protocol and database for those who need it', async () => {
    const { lane, ask } = await connected()
    const answers: [number, string, string][] = [
      [contextOf(2, 0), 'HSET h f v', ':1\r\n'],
      [contextOf(3, 0), 'HGETALL h', '%1\r\n$1\r\nf\r\n$1\r\nv\r\n'],
      [contextOf(3, 1), 'HGETALL h', '%0\r\n'],
      [contextOf(2, 1), 'HGETALL h', '*0\r\n'],
      [contextOf(2, 0), 'HGETALL h', '*2\r\n$1\r\nf\r\n$1\r\nv\r\n'],
    ]
    const waiters = answers.map(([context, command]) => {
      lane.prepare(context)
      return ask(command, command)
    })
    await until(() => waiters.at(-1)?.ended)
    expect(waiters.map(({ text }) => text)).toEqual(answers.map(([, , reply]) => reply))
  })

  it('comes back after it was killed, and kills what was before it', async () => {
    const { lane, ask, log, up } = await connected()
    const blocked = ask('blocked', 'BLPOP nothing 0')
    const client = server.client()
    const idsOf = async (): Promise<string[]> =>
      String(await client.client('LIST'))
        .split('\n')
        .filter((line) => line.includes('cmd=blpop'))
        .map((line) => /id=(\d+)/.exec(line)?.[1] ?? '')
    const [id] = await until(async () => ((await idsOf()).length > 0 ? idsOf() : undefined))
    await client.client('KILL', 'ID', Number(id))
    await until(() => log.includes('blocked lost 1'))
    expect(blocked.ended).toBe(false)
    await up()
    // This time the lane gives the connection up by itself; the server must not go on with it.
    ask('again', 'BLPOP nothing 0')
    await until(async () => (await idsOf()).length === 1)
    lane.fail(new Error('given up'))
    await up()
    expect(await idsOf()).toEqual([])
  })
})
