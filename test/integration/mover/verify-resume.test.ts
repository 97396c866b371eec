/** Verifications that were interrupted, that read only some keys, that keep to a rate, and that may not hold large values whole. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { VerifyReport } from '../../../src/control/schemas.ts'
import { Verification, type VerificationOptions } from '../../../src/mover/verify.ts'
import type { VerifyNotes } from '../../../src/mover/verify-checkpoint.ts'
import { connectClient } from '../../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const keyCount = 20_000
const defaults: VerificationOptions = { ttlToleranceMs: 1_000, rounds: 1, settleMs: 1 }
let servers: [RedisServer, RedisServer]
let source: Redis
let target: Redis
const children: ChildProcess[] = []

/** What a state file does, without one. */
class Notes implements VerifyNotes {
  readonly documents = new Map<string, string>()
  loadDocument = (name: string) => JSON.parse(this.documents.get(name) ?? 'null')
  saveDocument = (name: string, value: unknown) => void this.documents.set(name, JSON.stringify(value))
  removeDocument = (name: string) => void this.documents.delete(name)
}

async function fill(client: Redis): Promise<void> {
  const fill = client.pipeline()
  for (let n = 0; n < keyCount; n++) fill.set(`key:${n}`, `value ${n}`)
  await fill.exec()
}

const reads = async (client: Redis): Promise<number> =>
  Number(/cmdstat_getrange:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)

const verification = (options: Partial<VerificationOptions>) =>
  new Verification({ source, target, options: { ...defaults, ...options } })

async function open(args: string[] = []): Promise<void> {
  servers = [await startRedis({ args }), await startRedis({ args })]
  source = await connectClient(parseEndpoint(servers[0].url), 'test')
  target = await connectClient(parseEndpoint(servers[1].url), 'test')
}

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const client of [source, target]) client.disconnect()
  for (const server of servers) await server.stop()
})

describe('an interrupted verification', () => {
  beforeEach(async () => {
    await open()
    await fill(source)
    await fill(target)
  })

  /** Stops it when some thousand keys are compared. */
  async function interrupt(notes: Notes): Promise<number> {
    const stop = new AbortController()
    const run = verification({ notes, signal: stop.signal, keysPerSecondMax: 20_000 })
    const ended = expect(run.run()).rejects.toMatchObject({ code: 'interrupted' })
    await until(() => run.report().keysCompared >= 5_000)
    stop.abort()
    await ended
    return run.report().keysCompared
  }

  it('goes on where it was, with what it had found, and reads nothing twice but what was in flight', async () => {
    for (let n = 0; n < keyCount; n += 100) await target.set(`key:${n}`, 'other')
    await target.set('extra', '1')
    const notes = new Notes()
    const before = await interrupt(notes)
    await source.config('RESETSTAT')
    const report = await verification({ notes, resume: true }).run()
    expect(report.resumed).toMatch(/^after \d+ keys, in the source's database 0$/)
    expect(report).toMatchObject({ state: 'done', differences: keyCount / 100, extra: 1, missing: 0 })
    // Each key once, whatever was compared ahead of the place that was kept; the extra one, too.
    expect(report.keysCompared).toBe(keyCount + 1)
    const again = keyCount / 100 + 1
    expect(await reads(source)).toBeLessThanOrEqual(keyCount - before + 5_000 + again * 2)
    expect([...notes.documents.keys()]).toEqual([])
  })

  it('takes what was mended meanwhile for equal', async () => {
    for (let n = 0; n < keyCount; n += 100) await target.set(`key:${n}`, 'other')
    const notes = new Notes()
    await interrupt(notes)
    await fill(target)
    expect(await verification({ notes, resume: true }).run()).toMatchObject({ state: 'done', differences: 0 })
  })

  it('begins anew where a server was started anew, or nothing was interrupted, or it asks for something else', async () => {
    const notes = new Notes()
    expect((await verification({ notes, resume: true }).run()).resumed).toBe(
      'from the beginning: no verification was interrupted',
    )
    await interrupt(notes)
    const kept = notes.loadDocument('verification')
    const resumedWith = async (changed: object, options: Partial<VerificationOptions> = {}) => {
      notes.saveDocument('verification', { ...kept, terms: { ...kept.terms, ...changed } })
      const report = await verification({ notes, resume: true, ...options }).run()
      expect(report.keysCompared).toBe(keyCount)
      return report.resumed
    }
    const runIds = [kept.terms.runIds[0], 'f'.repeat(40)]
    expect(await resumedWith({ runIds })).toBe('from the beginning: the target was started anew, or is another server')
    expect(await resumedWith({}, { ttlToleranceMs: 5 })).toBe('from the beginning: the tolerance is another one')
    expect(await resumedWith({ addresses: ['a', 'b'] })).toBe('from the beginning: it was of other servers')
  })

  it('forgets the place unless it is asked to resume', async () => {
    const notes = new Notes()
    await interrupt(notes)
    const report = await verification({ notes }).run()
    expect([report.resumed, report.keysCompared, notes.documents.size]).toEqual([null, keyCount, 0])
  })

  it('goes on after kill -9 of the command line', async () => {
    const main = new URL('../../../src/cli/main.ts', import.meta.url).pathname
    const state = join(servers[0].dir, 'verify.sqlite')
    const line = ['verify', '--source', servers[0].url, '--target', servers[1].url, '--state', state, '--json']
    const start = (...more: string[]) => {
      const child = spawn(process.execPath, [main, ...line, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
      children.push(child)
      return child
    }
    await target.set('key:77', 'other')
    const killed = start('--keys-per-second', '4000')
    // The place is kept once per second.
    await until(async () => (await reads(source)) >= 9_000, { timeoutMs: 40_000 })
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    await source.config('RESETSTAT')
    const second = start('--resume')
    let text = ''
    second.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const [status] = await once(second, 'close')
    const report = JSON.parse(text) as VerifyReport
    expect(status).toBe(5)
    const before = Number(/^after (\d+) keys/.exec(report.resumed ?? '')?.[1])
    expect(before).toBeGreaterThanOrEqual(1_000)
    expect([report.differences, report.samples.map(({ key }) => key)]).toEqual([1, ['key:77']])
    // And the one that differs, looked at in each round and compared by its meaning.
    expect(await reads(source)).toBeLessThanOrEqual(keyCount - before + 10)
  }, 60_000)
})

describe('a sample', () => {
  beforeEach(async () => {
    await open()
    await fill(source)
    await fill(target)
  })

  it('of a share takes about that share, the same keys each time, from both sides', async () => {
    await target.mset(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`extra:${n}`, '1'])))
    const first = await verification({ samplePercent: 10 }).run()
    expect(first).toMatchObject({ scope: 'sample', missing: 0, differences: 0, keysScanned: keyCount * 2 + 5_000 })
    expect(Math.abs(first.keysCompared - first.extra - keyCount / 10)).toBeLessThan(keyCount / 50)
    expect(Math.abs(first.extra - 500)).toBeLessThan(150)
    const second = await verification({ samplePercent: 10 }).run()
    expect([second.keysCompared, second.extra]).toEqual([first.keysCompared, first.extra])
  })

  it('of a number of keys draws them from both sides without walking over all', async () => {
    await target.mset(Object.fromEntries(Array.from({ length: keyCount }, (_, n) => [`extra:${n}`, '1'])))
    const report = await verification({ sampleKeys: 2_000 }).run()
    expect(report.keysScanned).toBe(2_000)
    expect(report.extra).toBeGreaterThan(300)
    expect(report.extra).toBeLessThan(700)
    expect(await source.info('commandstats')).not.toContain('cmdstat_scan')
  })

  it('that wants more keys than there are ends', async () => {
    await Promise.all([source.flushall(), target.flushall()])
    await source.set('a', '1')
    expect(await verification({ sampleKeys: 2_000 }).run()).toMatchObject({ missing: 1, keysCompared: 1 })
  })
})

describe('limits', () => {
  it('keeps to its rate', async () => {
    await open()
    await fill(source)
    const startedMs = performance.now()
    const report = await verification({ keysPerSecondMax: 20_000 }).run()
    expect(report.missing).toBe(keyCount)
    // Twenty thousand keys of one side: a second, less the first batch and what may be saved up.
    expect(performance.now() - startedMs).toBeGreaterThan(800)
  })

  it('never makes a server hold a large value, or many, in one piece', async () => {
    // A server cuts off whom it would owe more than this at a time.
    const limit = 24 << 20
    await open(['--client-output-buffer-limit', 'normal', String(limit), '0', '0', '--proto-max-bulk-len', '1gb'])
    const kilobyte = 'k'.repeat(1_000)
    for (const client of [source, target]) {
      await client.set('string', Buffer.alloc(60 << 20, 'x'))
      for (let n = 0; n < 30; n++) {
        const fields = Array.from({ length: 1_000 }, (_, i) => `${n * 1_000 + i}`)
        await client
          .pipeline()
          .hset('hash', ...fields.flatMap((f) => [f, kilobyte]))
          .rpush('list', ...fields.map((f) => f + kilobyte))
          .exec()
      }
      const many = client.pipeline()
      for (let n = 0; n < 60; n++) many.set(`many:${n}`, Buffer.alloc(900_000, n)).rpush(`lists:${n}`, Buffer.alloc(500_000, n))
      await many.exec()
    }
    // Small on one side, large on the other.
    await source.set('grown', 'x')
    await target.set('grown', Buffer.alloc(50 << 20, 'x'))
    const memory = process.memoryUsage().rss
    const report = await verification({}).run()
    expect(report.samples.map(({ key, kind }) => `${kind} ${key}`)).toEqual(['value grown'])
    expect(process.memoryUsage().rss - memory).toBeLessThan(250 << 20)
  }, 60_000)
})
