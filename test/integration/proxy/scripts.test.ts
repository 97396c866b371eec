/**
 * Scripts and functions against real servers of every engine that is there: what a script writes ends up on both sides, declared or not;
 * a server that lacks a script is given it; libraries are on both sides; a script that does not end can be killed.
 */
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FerryEvent } from '../../../src/observe/events.ts'
import { ChaosProxy } from '../../support/chaos-proxy.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { engineNames, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { bulk, WireClient } from '../../support/wire-client.ts'

const shaOf = (source: string): string => createHash('sha1').update(source).digest('hex')
const noScript = /^-NOSCRIPT No matching script/
/** Writes a key that it makes of its argument: nobody can tell which from outside. */
const undeclared = "redis.call('SET', ARGV[1] .. ':made', ARGV[2]); return redis.call('INCR', ARGV[1] .. ':count')"

async function eventsOf(ferry: Ferry, message: RegExp): Promise<FerryEvent[]> {
  const bytes = await fetch(`${ferry.controlUrl}/v1/events?after=0&follow=false`).then((response) => response.text())
  return bytes
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as FerryEvent)
    .filter((event) => message.test(event.message))
}

describe.each(['PATH', ...engineNames()])('on %s', (engine) => {
  let source: RedisServer
  let target: RedisServer
  let ferry: Ferry
  let client: WireClient

  beforeAll(async () => {
    const options = engine === 'PATH' ? {} : { engine }
    ;[source, target] = await Promise.all([startRedis(options), startRedis(options)])
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    client = await WireClient.open(ferry.port)
  })

  afterAll(async () => {
    client?.close()
    await ferry?.dispose()
    await Promise.all([source?.stop(), target?.stop()])
  })

  async function untilEqual(): Promise<void> {
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
  }

  it('keys that a script does not declare are copied, and nothing else is in doubt', async () => {
    expect(await client.call('EVAL', undeclared, '0', 'u', 'one')).toBe(':1\r\n')
    expect(await client.call('EVALSHA', shaOf(undeclared), '1', 'other', 'u', 'two')).toBe(':2\r\n')
    await untilEqual()
    expect(await target.client().get('u:made')).toBe('two')
    expect((await ferry.status()).coveragePercent).toBe(100)
  })

  it('deletes, expiries and many keys at once are seen, too', async () => {
    await client.call('EVAL', "for i = 1, 500 do redis.call('RPUSH', ARGV[1] .. i, i) end return 1", '0', 'many')
    await untilEqual()
    expect(await target.client().exists('many1', 'many500')).toBe(2)
    const script =
      "for i = 1, 499 do redis.call('DEL', ARGV[1] .. i) end redis.call('PEXPIRE', ARGV[1] .. '500', 3600000) return 1"
    await client.call('EVAL', script, '0', 'many')
    await untilEqual()
    expect(await target.client().exists('many1', 'many2')).toBe(0)
    expect(await target.client().pttl('many500')).toBeGreaterThan(0)
  })

  it('a script that fails keeps what it wrote', async () => {
    expect(
      await client.call('EVAL', "redis.call('SET', ARGV[1], 'x') return redis.call('LPUSH', ARGV[1], 1)", '0', 'half'),
    ).toMatch(/^-/)
    await untilEqual()
    expect(await target.client().get('half')).toBe('x')
  })

  it('what no server announces puts everything in doubt, where a script that cannot be understood is told to do it', async () => {
    const [key, group] = ['unannounced', 'g']
    await client.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM')
    await client.call('XADD', key, '1-1', 'f', 'v')
    await client.call('XREADGROUP', 'GROUP', group, 'c', 'STREAMS', key, '>')
    await untilEqual()
    expect(await client.call('EVAL', 'return redis.call(unpack(ARGV))', '0', 'XACK', key, group, '1-1')).toBe(':1\r\n')
    const pending = async (server: RedisServer) => ((await server.client().xpending(key, group)) as unknown[])[0]
    await until(async () => (await pending(target)) === 0, { what: 'the group to be as on the source' })
    await untilEqual()
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
  })

  it('a script may change its database', async () => {
    await client.call('EVAL', "redis.call('SELECT', 3) return redis.call('SET', ARGV[1], 'far')", '0', 'elsewhere')
    await untilEqual()
    expect(await target.client({ db: 3 }).get('elsewhere')).toBe('far')
  })

  it('what is computed from such a key, before it is known, does not spread the difference', async () => {
    for (let i = 0; i < 20; i++) {
      const replies = await client.pipeline([
        `MSET from${i} old other${i} x`,
        `EVAL return{redis.call('SET','from'..ARGV[1],'new')} 0 ${i}`,
        `RENAME from${i} to${i}`,
      ])
      expect(replies).toEqual(['+OK\r\n', '*1\r\n+OK\r\n', '+OK\r\n'])
    }
    await untilEqual()
    expect(await target.client().get('to7')).toBe('new')
  })

  it('a declared key of another database is not taken for the one of this', async () => {
    await client.call('EVAL', "redis.call('SELECT', 2) return redis.call('SET', KEYS[1], 'two')", '1', 'same')
    await untilEqual()
    expect(await target.client({ db: 2 }).get('same')).toBe('two')
  })

  it('many clients run such scripts at once', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => WireClient.open(ferry.port)))
    const each = async (one: WireClient, name: string): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        await one.pipeline([`SET plain:${name}:${i} x`, `INCR shared`, `RENAME plain:${name}:${i} renamed:${name}:${i}`])
        await one.call('EVALSHA', shaOf(undeclared), '0', `${name}:${i % 4}`, `${i}`)
      }
    }
    await Promise.all(clients.map((one, i) => each(one, `c${i}`)))
    for (const one of clients) one.close()
    await untilEqual()
    expect((await ferry.status()).coveragePercent).toBe(100)
  })

  it('a function writes what it likes, and its library is on both sides', async () => {
    const code =
      "#!lua name=lib\nredis.register_function('put', function(keys, args) return redis.call('SET', args[1] .. ':f', args[2]) end)"
    expect(await client.call('FUNCTION', 'LOAD', code)).toBe(bulk('lib'))
    expect(await client.call('FCALL', 'put', '0', 'k', 'v')).toBe('+OK\r\n')
    await untilEqual()
    expect(await target.client().get('k:f')).toBe('v')
    expect(await target.client().call('FUNCTION', 'LIST')).toHaveLength(1)
    const payload = (await source.client().callBuffer('FUNCTION', 'DUMP')) as Buffer
    expect(await client.call('FUNCTION', 'FLUSH')).toBe('+OK\r\n')
    expect(await target.client().call('FUNCTION', 'LIST')).toHaveLength(0)
    expect(await client.call('FUNCTION', 'RESTORE', payload)).toBe('+OK\r\n')
    expect(await target.client().call('FUNCTION', 'LIST')).toHaveLength(1)
    expect(await client.call('FUNCTION', 'DELETE', 'lib')).toBe('+OK\r\n')
    expect(await target.client().call('FUNCTION', 'LIST')).toHaveLength(0)
  })

  it('SCRIPT LOAD, EXISTS and FLUSH mean what they mean on a server', async () => {
    const script = `return ARGV[1] -- ${engine}`
    const sha = shaOf(script)
    expect(await client.call('EVALSHA', sha, '0', 'x')).toMatch(noScript)
    expect(await client.call('SCRIPT', 'LOAD', script)).toBe(bulk(sha))
    expect(await client.ask(`SCRIPT EXISTS ${sha} ${'0'.repeat(40)}`)).toBe('*2\r\n:1\r\n:0\r\n')
    expect(await client.call('EVALSHA', sha, '0', 'x')).toBe(bulk('x'))
    expect(await client.call('EVALSHA_RO', sha, '0', 'x')).toBe(bulk('x'))
    expect(await client.call('EVAL_RO', "return redis.call('GET', KEYS[1])", '1', 'nothing')).toBe('$-1\r\n')
    expect(await client.ask('SCRIPT FLUSH')).toBe('+OK\r\n')
    expect(await client.call('EVALSHA', sha, '0', 'x')).toMatch(noScript)
  })

  it('a server that lost its scripts is given them again', async () => {
    expect(await client.call('EVAL', undeclared, '0', 'lost', 'a')).toBe(':1\r\n')
    await source.client().call('SCRIPT', 'FLUSH')
    expect(await client.call('EVALSHA', shaOf(undeclared), '0', 'lost', 'b')).toBe(':2\r\n')
    await untilEqual()
    expect(await target.client().get('lost:made')).toBe('b')
  })

  it('a script that does not end is killed from another connection', async () => {
    const busy = await WireClient.open(ferry.port)
    const admin = source.client()
    await admin.config('SET', 'busy-reply-threshold', '10').catch(() => admin.config('SET', 'lua-time-limit', '10'))
    busy.write(Buffer.from('*3\r\n$4\r\nEVAL\r\n$18\r\nwhile true do end \r\n$1\r\n0\r\n'))
    await until(async () => (await admin.ping().catch((error: Error) => error.message)).startsWith('BUSY'), {
      what: 'a busy server',
    })
    expect(await client.ask('SCRIPT KILL')).toBe('+OK\r\n')
    expect((await busy.take(1))[0]).toMatch(/^-.*(killed|kill)/i)
    expect(await client.ask('SCRIPT KILL')).toMatch(/^-NOTBUSY/)
    busy.close()
    await untilEqual()
  })

  it('what scripts write undeclared is reported once for each', async () => {
    const script = "return redis.call('SET', ARGV[1] .. ':x', 1)"
    for (let i = 0; i < 3; i++) await client.call('EVAL', script, '0', 'reported')
    await ferry.untilSettled()
    const events = await eventsOf(ferry, /a script writes keys that it does not declare/)
    expect(events.filter(({ data }) => data.script === shaOf(script))).toHaveLength(1)
    const declared = "return redis.call('SET', KEYS[1], 1)"
    await client.call('EVAL', declared, '1', 'declared')
    await untilEqual()
    const after = await eventsOf(ferry, /a script writes keys that it does not declare/)
    expect(after.filter(({ data }) => data.script === shaOf(declared))).toHaveLength(0)
  })

  it('the new authority has the scripts after a cut-over, and functions go there', async () => {
    const script = "return redis.call('SET', ARGV[1] .. ':cut', ARGV[2])"
    const reader = 'return 7'
    expect(await client.call('EVAL_RO', reader, '0')).toBe(':7\r\n')
    await client.call('EVAL', script, '0', 'a', '1')
    await ferry.untilSettled()
    await ferry.step('cutover')
    expect(await client.call('EVALSHA', shaOf(script), '0', 'a', '2')).toBe('+OK\r\n')
    expect(await client.call('EVALSHA_RO', shaOf(reader), '0')).toBe(':7\r\n')
    await untilEqual()
    expect(await source.client().get('a:cut')).toBe('2')
  })
})

describe('beside the ordinary', () => {
  let source: RedisServer
  let target: RedisServer
  let ferry: Ferry | null = null
  let client: WireClient | null = null

  beforeEach(async () => {
    ;[source, target] = await Promise.all([startRedis(), startRedis()])
  })

  afterEach(async () => {
    client?.close()
    await ferry?.dispose()
    ferry = null
    await Promise.all([source?.stop(), target?.stop()])
  })

  it('functions that were there before are copied, and those that only the target has are removed', async () => {
    const library = (name: string) => `#!lua name=${name}\nredis.register_function('${name}f', function() return 1 end)`
    await source.client().call('FUNCTION', 'LOAD', library('mine'))
    await target.client().call('FUNCTION', 'LOAD', library('stray'))
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    expect(await target.client().call('FCALL', 'minef', '0')).toBe(1)
    await expect(target.client().call('FCALL', 'strayf', '0')).rejects.toThrow(/not found/i)
    expect(await eventsOf(ferry, /functions were copied/)).toHaveLength(1)
  })

  it('a follower that refuses a library stands in the way of the cut-over until it has it', async () => {
    const admin = target.client()
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    client = await WireClient.open(ferry.port)
    const code = "#!lua name=lib\nredis.register_function('one', function() return 1 end)"
    await admin.call('ACL', 'SETUSER', 'default', '-function')
    expect(await client.call('FUNCTION', 'LOAD', code)).toBe(bulk('lib'))
    expect(await client.call('FCALL', 'one', '0')).toBe(':1\r\n')
    const told = await ferry.untilStatus('the blocker', ({ blockers }) =>
      blockers.some((text) => text.startsWith('functions may not')),
    )
    expect(told.blockers.join()).toMatch(/NOPERM/)
    await expect(ferry.step('cutover')).rejects.toThrow(/blocked/)
    await admin.call('ACL', 'SETUSER', 'default', '+function')
    await ferry.untilStatus('the library to be copied', ({ blockers }) => blockers.length === 0)
    expect(await admin.call('FCALL', 'one', '0')).toBe(1)
  })

  it('scripts that the configuration names run on both sides, with a source that one side lacks', async () => {
    const script = "return redis.call('INCR', KEYS[1])"
    ferry = await Ferry.start({ source: source.url, target: target.url, scripts: { rerun: [shaOf(script)] } })
    await ferry.backfill()
    client = await WireClient.open(ferry.port)
    await client.call('SCRIPT', 'LOAD', script)
    await target.client().call('SCRIPT', 'FLUSH')
    for (let i = 1; i <= 3; i++) expect(await client.call('EVALSHA', shaOf(script), '1', 'n')).toBe(`:${i}\r\n`)
    const status = await ferry.untilSettled()
    expect(await target.client().get('n')).toBe('3')
    expect(status.divergencesTotal).toBeLessThanOrEqual(1)
    const stats = String(await target.client().info('commandstats'))
    expect(stats).toMatch(/cmdstat_evalsha:calls=[3-9]/)
  })

  it('a client reads what its script wrote, whichever side answers its reads', async () => {
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    await ferry.traffic({ readMode: 'new' })
    client = await WireClient.open(ferry.port)
    for (let i = 0; i < 50; i++) {
      const [, value] = await client.pipeline([`EVAL return{redis.call('SET','r'..ARGV[1],${i})} 0 x`, 'GET rx'])
      expect(value).toBe(bulk(`${i}`))
    }
    await ferry.untilSettled()
  })

  it('a script whose connection is cut is not forgotten', async () => {
    const toSource = await ChaosProxy.start(source.port)
    try {
      ferry = await Ferry.start({ source: toSource.url, target: target.url })
      await ferry.backfill()
      client = await WireClient.open(ferry.port)
      await client.call('EVAL', undeclared, '0', 'cut', '0')
      await source.client().call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES')
      for (let i = 0; i < 20; i++) {
        client.write(Buffer.from(`*5\r\n$7\r\nEVALSHA\r\n$40\r\n${shaOf(undeclared)}\r\n$1\r\n0\r\n$3\r\ncut\r\n$1\r\n1\r\n`))
        if (i === 10) await source.client().call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES')
      }
      await client.take(20)
      await ferry.untilSettled()
      expect(await differencesOf(source, target)).toEqual([])
    } finally {
      await toSource.stop()
    }
  })

  it('where a server does not let its changes be followed, scripts without keys put everything in doubt, and status says so', async () => {
    await source.client().call('ACL', 'SETUSER', 'default', '-client|tracking')
    ferry = await Ferry.start({ source: source.url, target: target.url })
    await ferry.backfill()
    client = await WireClient.open(ferry.port)
    expect(await client.call('EVAL', undeclared, '0', 'blind', '1')).toBe(':1\r\n')
    expect((await ferry.status()).blockers.join()).toMatch(/keys that scripts do not declare are not seen \(NOPERM/)
    expect(await eventsOf(ferry, /the whole data set has to be copied again/)).not.toHaveLength(0)
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
  })
})
