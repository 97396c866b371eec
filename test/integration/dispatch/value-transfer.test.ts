/** Which way a value goes is found out by trying: with a side that refuses payloads, of one kind or all, now and after a new start. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAbsent, type Payload, TransferLost } from '../../../src/dispatch/key-transfer.ts'
import { PayloadRoute } from '../../../src/dispatch/typed/payload-route.ts'
import { temporaryKeyMs } from '../../../src/dispatch/typed/staging.ts'
import { isTemporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { readTyped } from '../../../src/dispatch/typed/typed-read.ts'
import { discardValues, readValues, writeValues } from '../../../src/dispatch/value-transfer.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { bulk, type FakeRedis, infoReply, startFakeRedis } from '../../support/fake-redis.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const versionRefusal = '-ERR DUMP payload version or checksum are wrong\r\n'
const formatRefusal = '-ERR Bad data format\r\n'
const key = (name: string): Buffer => Buffer.from(name)
const going = (): boolean => false

let source: RedisServer
let from: Lane
const lanes: Lane[] = []
const fakes: FakeRedis[] = []
const servers: RedisServer[] = []

async function laneUp(port: number): Promise<Lane> {
  const { lane, up } = laneTo(port)
  lanes.push(lane)
  lane.connect()
  await up()
  return lane
}

beforeEach(async () => {
  source = await startRedis()
  servers.push(source)
  from = await laneUp(source.port)
})
afterEach(async () => {
  for (const lane of lanes.splice(0)) lane.close()
  for (const fake of fakes.splice(0)) fake.stop()
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

/** Takes every command; `restore` answers RESTORE by the first byte of its payload. */
async function fakeTarget(restore: (kind: number) => string, start = { runId: 'first' }): Promise<{ to: Lane; fake: FakeRedis }> {
  let inBlock = 0
  const fake = await startFakeRedis((command) => {
    const [verb = ''] = command.split(' ', 1)
    if (verb === 'INFO') return infoReply(start.runId)
    if (/^(AUTH|CLIENT|TIME|PING)$/.test(verb)) return undefined
    if (verb === 'RESTORE') return restore(command.split(' ').slice(3).join(' ').charCodeAt(0))
    if (verb === 'MULTI') inBlock = 0
    if (verb === 'EXEC') return `*${inBlock}\r\n${':1\r\n'.repeat(inBlock)}`
    inBlock++
    return '+OK\r\n'
  })
  fakes.push(fake)
  return { to: await laneUp(fake.port), fake }
}

/** What the writing side was asked to do to these keys, without the payloads. */
const verbsOf = (fake: FakeRedis): string[] =>
  fake.connections.flatMap(({ commands }) => commands.map((command) => command.split(' ', 1)[0] as string))

async function copy(to: Lane, ...names: string[]): Promise<(string | null)[]> {
  return writeValues(from, to, 0, await readValues(from, to, 0, names.map(key), going))
}

async function dumpsOf(server: RedisServer): Promise<number> {
  return Number(/cmdstat_dump:calls=(\d+)/.exec(await server.client().info('commandstats'))?.[1] ?? 0)
}

describe('a side that refuses every payload', () => {
  it('gets the same batch by type, and from then on is not asked, nor is the other one for payloads', async () => {
    await source.client().multi().set('a', '1').rpush('l', 'x', 'y').set('b', '2', 'PXAT', 4_102_444_800_000).exec()
    const { to, fake } = await fakeTarget(() => versionRefusal)
    expect(await copy(to, 'a', 'l', 'none', 'b')).toEqual([null, null, null, null])
    expect(verbsOf(fake)).toEqual([
      'RESTORE',
      'UNLINK',
      'RESTORE',
      'UNLINK',
      'SET',
      'MULTI',
      'UNLINK',
      'RPUSH',
      'EXEC',
      'SET',
      'UNLINK',
    ])
    expect(fake.connections[0]?.commands).toContain('SET b 2 PXAT 4102444800000')
    const asked = await dumpsOf(source)
    expect(asked).toBe(4)
    expect(await copy(to, 'a', 'none')).toEqual([null, null])
    expect(verbsOf(fake).slice(11)).toEqual(['SET', 'UNLINK'])
    expect(await dumpsOf(source)).toBe(asked)
  })

  it('is asked again after it was started anew', async () => {
    await source.client().set('a', '1')
    const start = { runId: 'first' }
    let answer = versionRefusal
    const { to, fake } = await fakeTarget(() => answer, start)
    expect(await copy(to, 'a')).toEqual([null])
    start.runId = 'second'
    answer = '+OK\r\n'
    fake.connections[0]?.cut()
    await until(() => to.up && to.runId === 'second', { what: 'the lane to be back' })
    expect(await copy(to, 'a')).toEqual([null])
    expect(fake.connections.at(-1)?.commands.map((command) => command.split(' ', 1)[0])).toEqual(['RESTORE', 'UNLINK', 'RESTORE'])
  })
})

describe('a side that refuses one kind', () => {
  it('gets that one by type, and the others as payloads', async () => {
    await source.client().multi().set('a', '1').rpush('l', 'x').exec()
    const { to, fake } = await fakeTarget((kind) => (kind === 0 ? '+OK\r\n' : formatRefusal))
    expect(await copy(to, 'a', 'l')).toEqual([null, null])
    expect(verbsOf(fake).slice(4).sort()).toEqual(['EXEC', 'MULTI', 'RESTORE', 'RPUSH', 'UNLINK'])
    expect(await copy(to, 'l', 'a')).toEqual([null, null])
    expect(verbsOf(fake).filter((verb) => verb === 'RESTORE')).toHaveLength(4)
  })

  it('against all experience: the key is told, and goes by type the next time', async () => {
    await source.client().set('a', '1')
    let answer = '+OK\r\n'
    const { to } = await fakeTarget(() => answer)
    expect(await copy(to, 'a')).toEqual([null])
    answer = formatRefusal
    expect(await copy(to, 'a')).toEqual(['ERR Bad data format'])
    expect(await copy(to, 'a')).toEqual([null])
  })

  it('a large payload is not sent twice to find out', async () => {
    await source.client().set('a', randomBytes(1 << 20))
    const { to, fake } = await fakeTarget(() => versionRefusal)
    expect(await copy(to, 'a')).toEqual(['ERR DUMP payload version or checksum are wrong'])
    expect(verbsOf(fake)).toEqual(['RESTORE'])
    expect(await copy(to, 'a')).toEqual([null])
    expect(verbsOf(fake).filter((verb) => verb === 'RESTORE')).toHaveLength(1)
  })

  it('a refusal for any other reason teaches nothing', async () => {
    await source.client().set('a', '1')
    let answer = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    const { to, fake } = await fakeTarget(() => answer)
    expect(await copy(to, 'a')).toEqual([expect.stringMatching(/^OOM/)])
    answer = '+OK\r\n'
    expect(await copy(to, 'a')).toEqual([null])
    expect(verbsOf(fake)).not.toContain('SET')
  })
})

describe('values of modules', () => {
  const moduleSource = async (type: string): Promise<Lane> => {
    const fake = await startFakeRedis((command) => {
      if (command.startsWith('DUMP')) return bulk('\u0007payload')
      if (command.startsWith('PEXPIRETIME')) return ':-1\r\n'
      return command.startsWith('TYPE') ? `+${type}\r\n` : undefined
    })
    fakes.push(fake)
    return laneUp(fake.port)
  }

  it('go as payloads, and the reason is told where one is refused', async () => {
    const [modules, { to, fake }] = [await moduleSource('tree'), await fakeTarget(() => formatRefusal)]
    for (let n = 0; n < 2; n++)
      expect(await writeValues(modules, to, 0, await readValues(modules, to, 0, [key('m')], going))).toEqual([
        'the source does not have the module of this value, or in another version: ERR Bad data format',
      ])
    expect(verbsOf(fake)).toEqual(['RESTORE', 'RESTORE'])
  })

  it('cannot go where no payload is taken, and the reason is told', async () => {
    const [modules, { to }] = [await moduleSource('tree'), await fakeTarget(() => versionRefusal)]
    const passage = {
      from: modules,
      to,
      db: 0,
      route: new PayloadRoute(modules, to),
      stopped: going,
      windows: null,
      placeOf: (key: Buffer) => key,
    }
    passage.route.learn(Buffer.from([0]), 'ERR DUMP payload version or checksum are wrong')
    expect(await writeValues(modules, to, 0, await readTyped(passage, [key('m')]))).toEqual([
      'values of type tree can only be copied by DUMP, which the source does not take: ERR DUMP payload version or checksum are wrong',
    ])
  })
})

describe('by type', () => {
  let target: RedisServer
  let to: Lane
  const list = Array.from({ length: 2_500 }, (_, n) => String(n))

  beforeEach(async () => {
    target = await startRedis()
    servers.push(target)
    to = await laneUp(target.port)
    await source.client().rpush('l', ...list)
  })

  const read = (names: readonly string[], stopped = going, reading = from): Promise<Payload[]> =>
    readTyped(
      { from: reading, to, db: 0, route: new PayloadRoute(reading, to), stopped, windows: null, placeOf: (key) => key },
      names.map(key),
    )
  const temporary = async (): Promise<Buffer[]> => (await target.client().keysBuffer('*')).filter(isTemporaryKey)

  it('a long value that is refused leaves the old one as it was, and nothing else', async () => {
    await target.client().set('l', 'old')
    const payloads = await read(['l'])
    expect(await temporary()).toHaveLength(1)
    await target.client().call('ACL', 'SETUSER', 'default', '-rename')
    expect(await writeValues(from, to, 0, payloads)).toEqual([expect.stringMatching(/^NOPERM/)])
    await target.client().call('ACL', 'SETUSER', 'default', '+rename', '-rpush')
    expect(await writeValues(from, to, 0, await read(['l']))).toEqual([expect.stringMatching(/^NOPERM/)])
    expect(await target.client().get('l')).toBe('old')
    expect(await temporary()).toEqual([])
  })

  it('a long value on its way has an end of its own, and can be let go of', async () => {
    const payloads = await read(['l'])
    const [name] = await temporary()
    expect(await target.client().pttl(name as Buffer)).toBeGreaterThan(temporaryKeyMs / 2)
    expect(await target.client().pttl(name as Buffer)).toBeLessThanOrEqual(temporaryKeyMs)
    await discardValues(to, 0, payloads)
    expect(await temporary()).toEqual([])
  })

  it('is not read to the end once nobody wants it', async () => {
    const payloads = await read(['l'], () => true)
    const [name] = await temporary()
    expect(await target.client().llen(name as Buffer)).toBe(1_000)
    await discardValues(to, 0, payloads)
  })

  it('takes the place of another type, with its expiry and without', async () => {
    const [a, b] = [source.client(), target.client()]
    await a.multi().hset('h', 'f', 'v').pexpire('l', 100_000).exec()
    await b.multi().set('l', 'old').rpush('h', 'old').pexpire('h', 1_000).set('gone', 'old').exec()
    expect(await writeValues(from, to, 0, await read(['l', 'h', 'gone']))).toEqual([null, null, null])
    expect(await b.lrange('l', 0, -1)).toEqual(list)
    expect(await b.pexpiretime('l')).toBe(await a.pexpiretime('l'))
    expect([await b.hgetall('h'), await b.pttl('h'), await b.exists('gone')]).toEqual([{ f: 'v' }, -1, 0])
  })

  it('a connection that goes while a long value is on its way is told when it is to be written', async () => {
    const payloads = await read(['l'])
    to.fail(new Error('cut by the test'))
    await expect(writeValues(from, to, 0, payloads)).rejects.toThrow(TransferLost)
  })

  it('a key that went while it was read is gone, not empty', async () => {
    const fake = await startFakeRedis((command) => {
      if (command.startsWith('TYPE')) return '+string\r\n'
      if (command.startsWith('PEXPIRETIME')) return ':-1\r\n'
      if (command.startsWith('GETRANGE')) return bulk('')
      return command.startsWith('EXISTS') ? `:${command === 'EXISTS empty' ? 1 : 0}\r\n` : undefined
    })
    fakes.push(fake)
    const payloads = await read(['gone', 'empty'], going, await laneUp(fake.port))
    expect(payloads.map(isAbsent)).toEqual([true, false])
  })

  it('an error is that of its own key', async () => {
    await source.client().call('ACL', 'SETUSER', 'reader', 'on', '>pw', '+@all', '~l')
    const { lane, up } = laneTo(source.port, { username: 'reader', password: 'pw' })
    lanes.push(lane)
    lane.connect()
    await up()
    await source.client().set('secret', '1')
    const payloads = await read(['secret', 'l'], going, lane)
    expect(payloads.map(({ error }) => error?.slice(0, 6) ?? null)).toEqual(['NOPERM', null])
    expect(await writeValues(lane, to, 0, payloads)).toEqual([expect.stringMatching(/^NOPERM/), null])
    expect(await target.client().keys('*')).toEqual(['l'])
  })
})
