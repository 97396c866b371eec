/** Each rewrite against its original, on real servers: the same reply, the same state. Originals run in database 0, rewrites in 1. */
import fc from 'fast-check'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { lookup, resolveSub } from '../../../src/commands/lookup.ts'
import { type Rewritten, rewrite } from '../../../src/commands/rewrite.ts'
import { Kind } from '../../../src/commands/spec.ts'
import { commandLine, firstLines } from '../../support/command-lines.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

const templates = [
  'set <key> <value> ex <seconds>',
  'set <key> <value> px <millis> nx',
  'set <string> <value> xx get ex <seconds>',
  'set <key> <value> keepttl',
  'set <key> <value> exat <instantSeconds>',
  'set <key> <value>',
  'setex <key> <seconds> <value>',
  'psetex <key> <millis> <value>',
  'expire <key> <seconds>',
  'expire <key> <seconds> nx',
  'expire <key> <seconds> gt',
  'pexpire <key> <millis> lt',
  'pexpire <key> <millis> xx',
  'getex <string>',
  'getex <string> ex <seconds>',
  'getex <string> px <millis>',
  'getex <string> persist',
  'copy <key> <key>',
  'copy <key> <key> replace',
  'bitfield <string> get u8 <offset>',
  'bitfield <string> incrby i5 <offset> <number> get u8 0',
  'bitfield <string> overflow fail set u4 <offset> 15 incrby u4 <offset> 1',
  'sort <list> alpha',
  'sort <set> by nosort get #',
  'georadius g1 15 37 500 km asc',
  'georadiusbymember g1 a 500 km withdist',
  'xadd <stream> <id> f <value>',
  'xadd <stream> maxlen 1 <id> f <value>',
  'xadd <stream> nomkstream minid = <id> <id> f <value>',
  'xtrim <stream> maxlen 1',
  'xtrim <stream> minid <id>',
  'xgroup create <stream> g2 <id>',
  'xgroup create <stream> g2 0 mkstream',
  'xgroup setid <stream> g1 <id>',
  'pfcount <hll>',
  'pfcount <hll> <hll>',
  'zunionstore <key> 2 <zset> <set>',
  'zinterstore <key> 2 <zset> <zset> aggregate max',
  'zunionstore <key> 1 <zset> weights 0.5',
]
const hashFieldTemplates = [
  'hexpire <hash> <seconds> fields 2 a b',
  'hexpire <hash> <seconds> gt fields 1 c',
  'hpexpire <hash> <millis> nx fields 3 a zz c',
  'hsetex <hash> fields 1 a <value>',
  'hsetex <hash> ex <seconds> fields 2 a <value> n <value>',
  'hsetex <hash> fnx px <millis> fields 1 n <value>',
  'hsetex <hash> keepttl fields 1 a <value>',
  'hgetex <hash> fields 2 a zz',
  'hgetex <hash> ex <seconds> fields 2 a b',
  'hgetex <hash> persist fields 1 a',
]
const msetexTemplates = ['msetex 2 <key> <value> <key> <value> ex <seconds>', 'msetex 1 <key> <value> xx px <millis>']

type State = Map<string, { content: string; expiresAtMs: number; fields: Map<string, number> }>

const runAll = async (client: Redis, lines: readonly string[]) => {
  for (const line of lines) await client.call(...(line.split(' ') as [string, ...string[]]))
}

async function run(client: Redis, words: readonly (string | Buffer)[]): Promise<unknown> {
  const [name, ...rest] = words
  try {
    return await client.callBuffer(String(name), ...rest)
  } catch (error) {
    return String(error)
  }
}

/**
 * The payload, where it holds the value and no more: a stream has delivery times, a hash may have field lifetimes, and SORT leaves a
 * sorted set in another encoding.
 */
async function contentOf(client: Redis, key: string, type: string, fields: readonly string[]): Promise<string> {
  if (type === 'stream') return JSON.stringify([await client.xrange(key, '-', '+'), await client.xinfo('GROUPS', key)])
  if (type === 'zset') return JSON.stringify(await client.call('ZRANGE', key, '0', '-1', 'WITHSCORES'))
  if (fields.length > 0) return JSON.stringify(await client.hmget(key, ...fields))
  return (await client.dumpBuffer(key)).toString('latin1')
}

async function fieldTimes(client: Redis, key: string, names: readonly string[]): Promise<Map<string, number>> {
  const reply = names.length > 0 ? await run(client, ['hpexpiretime', key, 'fields', String(names.length), ...names]) : []
  return new Map(names.map((name, i) => [name, Array.isArray(reply) ? Number(reply[i]) : -1]))
}

async function stateOf(client: Redis): Promise<State> {
  const state: State = new Map()
  for (const key of (await client.keys('*')).sort()) {
    const type = await client.type(key)
    const names = type === 'hash' ? (await client.hkeys(key)).sort() : []
    state.set(key, {
      content: await contentOf(client, key, type, names),
      expiresAtMs: await client.pexpiretime(key),
      fields: await fieldTimes(client, key, names),
    })
  }
  return state
}

function expectSame(one: State, other: State, toleranceMs: number): void {
  expect([...other.keys()]).toEqual([...one.keys()])
  for (const [key, expected] of one) {
    const actual = other.get(key)
    expect(actual?.content, key).toBe(expected.content)
    expect(Math.abs((actual?.expiresAtMs ?? Number.NaN) - expected.expiresAtMs), `${key} expires`).toBeLessThanOrEqual(
      toleranceMs,
    )
    expect([...(actual?.fields.keys() ?? [])]).toEqual([...expected.fields.keys()])
    for (const [field, at] of expected.fields) {
      expect(Math.abs((actual?.fields.get(field) ?? Number.NaN) - at), `${key} ${field} expires`).toBeLessThanOrEqual(toleranceMs)
    }
  }
}

function verdictOf(words: readonly string[], nowMs: number): Rewritten {
  const args = argViewOf(words)
  const named = lookup(args.buf, 0, (words[0] as string).length)
  const spec =
    named.kind === Kind.Container ? resolveSub(named, args.buf, args.offsets[2] as number, args.offsets[3] as number) : named
  expect(spec.kind).toBe(Kind.WriteByArguments)
  return rewrite(spec, args, nowMs)
}

const engines = [
  { engine: undefined, lines: templates },
  { engine: 'redis-8.0', lines: [...templates, ...hashFieldTemplates] },
  { engine: 'valkey-9.1', lines: [...templates, ...hashFieldTemplates, ...msetexTemplates] },
]

describe.each(engines)('rewrites on $engine', ({ engine, lines }) => {
  describe.skipIf(engine !== undefined && engineMissing(engine))('against their originals', () => {
    let server: RedisServer
    let original: Redis
    let rewritten: Redis
    beforeAll(async () => {
      server = await startRedis(engine === undefined ? {} : { engine })
      original = server.client()
      rewritten = server.client({ db: 1 })
    })
    afterAll(() => server.stop())

    const check = async (words: string[], seen: Map<string, number>) => {
      await original.flushall()
      await Promise.all([runAll(original, firstLines), runAll(rewritten, firstLines)])
      const nowMs = Date.now()
      const verdict = verdictOf(words, nowMs)
      seen.set(verdict.how, (seen.get(verdict.how) ?? 0) + 1)
      if (verdict.how === 'copy') return
      const expected = await run(original, words)
      if (verdict.how !== 'read') expect(await run(rewritten, verdict.how === 'frames' ? verdict.argv : words)).toEqual(expected)
      const toleranceMs = 5 + Date.now() - nowMs
      expectSame(await stateOf(original), await stateOf(rewritten), toleranceMs)
    }

    it('give the same reply and the same state', async () => {
      const seen = new Map<string, number>()
      const property = fc.asyncProperty(commandLine(lines), (words) => check(words, seen))
      await fc.assert(property, { numRuns: 400 })
      for (const how of ['plain', 'frames', 'read']) expect(seen.get(how), how).toBeGreaterThan(20)
    })

    it('carry a payload with a lifetime', async () => {
      const payload = await (async () => {
        await original.set('made', 'payload')
        return original.dumpBuffer('made')
      })()
      await original.flushall()
      const args = argViewOf(['RESTORE', 'k', '20000', payload])
      const nowMs = Date.now()
      const verdict = rewrite(lookup(args.buf, 0, 7), args, nowMs)
      expect(verdict.how).toBe('frames')
      if (verdict.how !== 'frames') return
      expect(await run(original, ['RESTORE', 'k', '20000', payload])).toEqual(await run(rewritten, verdict.argv))
      expectSame(await stateOf(original), await stateOf(rewritten), 5 + Date.now() - nowMs)
    })
  })
})
