/** What people use: ioredis in both protocols, and redis-cli. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { fillEveryType } from '../../support/every-type.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
const clients: Redis[] = []

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
  await ferry.backfill()
})

afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

function connect(protocol: 2 | 3): Redis {
  const client = new Redis({ port: ferry.port, protocol, maxRetriesPerRequest: 0, connectionName: 'tests' })
  clients.push(client)
  return client
}

async function equal(): Promise<void> {
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}

describe.each([2, 3] as const)('ioredis, RESP%i', (protocol) => {
  it('writes every type through Ferry, and both sides hold the same', async () => {
    const client = connect(protocol)
    await client.flushall()
    await fillEveryType(client)
    await equal()
    expect(await target.client().dbsize()).toBe(await source.client().dbsize())
    expect(await target.client().dbsize()).toBeGreaterThan(1_500)
  })

  it('reads them back: scans, pipelines, transactions, scripts', async () => {
    const client = connect(protocol)
    await client.hset('user', { name: 'Ada', born: '1815' })
    expect(await client.hgetall('user')).toMatchObject({ name: 'Ada', born: '1815' })
    expect(await client.multi().incr('visits').get('visits').exec()).toEqual([
      [null, 1],
      [null, '1'],
    ])
    client.defineCommand('addTwice', { numberOfKeys: 1, lua: "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])" })
    const scripted = client as unknown as { addTwice(key: string): Promise<number> }
    expect([await scripted.addTwice('visits'), await scripted.addTwice('visits')]).toEqual([3, 5])
    const seen = new Set<string>()
    for await (const page of client.scanStream({ count: 100 })) for (const key of page as string[]) seen.add(key)
    expect(seen.size).toBe(await client.dbsize())
    const long = client.pipeline()
    for (let n = 0; n < 2_000; n++) long.set(`p:${n}`, n).get(`p:${n}`)
    const replies = await long.exec()
    expect(replies?.[3_999]).toEqual([null, '1999'])
    await client.del('visits', 'user')
    await equal()
  })
})

describe('redis-cli', () => {
  const run = promisify(execFile)
  const cli = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-p', `${ferry.port}`, ...args], { timeout: 10_000 })).stdout.trim()

  it('sends a command from its arguments, in either protocol and any database', async () => {
    expect(await cli('-n', '2', 'SET', 'cli', 'two words')).toBe('OK')
    expect(await cli('-3', '-n', '2', 'GET', 'cli')).toBe('two words')
    expect(await cli('HGETALL', 'nothing')).toBe('')
    expect(await target.client({ db: 2 }).get('cli')).toBe('two words')
  })

  it('holds a session: its own state stays from line to line', async () => {
    const session = spawn('redis-cli', ['-p', `${ferry.port}`], { stdio: ['pipe', 'pipe', 'inherit'] })
    let out = ''
    session.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    session.stdin.end(
      'SELECT 3\nSET s 1\nMULTI\nINCR s\nINCR s\nEXEC\nGET s\nHELLO 3\nCLIENT GETNAME\nSELECT 0\nEXISTS s\nQUIT\n',
    )
    await once(session, 'close')
    expect(
      out
        .split('\n')
        .filter((line) => /^(OK|QUEUED|\d+|.*proto.*)$/.test(line))
        .slice(0, 8),
    ).toEqual(['OK', 'OK', 'OK', 'QUEUED', 'QUEUED', '2', '3', '3'])
    expect(await target.client({ db: 3 }).get('s')).toBe('3')
  })

  it('pipes a file of commands in, and counts no error', async () => {
    const pipe = spawn('redis-cli', ['-p', `${ferry.port}`, '--pipe'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let out = ''
    pipe.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    pipe.stdin.end(Array.from({ length: 5_000 }, (_, n) => `SET pipe:${n} ${n}\r\n`).join(''))
    await once(pipe, 'close')
    expect(out).toContain('errors: 0, replies: 5000')
    await equal()
  })
})
