/** `ferry copy` by rules, as a process of its own: when it does not begin, what it counts, and what SIGKILL leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isTemporaryKey, temporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

const cli = new URL('../../../src/cli/main.ts', import.meta.url).pathname

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 })

let source: RedisServer
let target: RedisServer

beforeEach(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
})
afterEach(() => Promise.all([source.stop(), target.stop()]))

interface Run {
  readonly status: number
  readonly report: Record<string, unknown>
  readonly said: string
}

const started = (flags: readonly string[]): ChildProcess =>
  spawn(process.execPath, [cli, 'copy', '--json', '--source', source.url, '--target', target.url, ...flags])

async function copy(...flags: string[]): Promise<Run> {
  const child = started(flags)
  const [[status], said] = await Promise.all([once(child, 'close'), text(child.stdout as NodeJS.ReadableStream)])
  return { status, report: JSON.parse(said), said }
}

const stateFile = (): string => join(source.dir, 'copy.sqlite')
const temporaryKeys = async (client = target.client()): Promise<Buffer[]> => (await client.keysBuffer('*')).filter(isTemporaryKey)

describe('a target that has keys', () => {
  it('is refused with their number in each database, and nothing is written; Ferry’s own temporary keys do not count', async () => {
    await source.client().mset({ a: 1, b: 2 })
    await target.client().set(temporaryKey(Buffer.from('x'), '0123456789ab', 1), 'left by another copy')
    await target.client().set('mine', 1)
    const other = target.client({ db: 3 })
    await other.mset({ x: 1, y: 2 })
    const { status, said } = await copy()
    expect(status).toBe(6)
    expect(said).toMatch(/the target is not empty \(database 0: 2 keys, e\.g\. \\"\w+\\"; database 3: 2 keys, e\.g\. \\"\w+\\"\)/)
    expect(said).toContain('--on-conflict skip')
    expect(await target.client().exists('a', 'b')).toBe(0)
    // Only the databases that are copied matter.
    await target.client().del('mine')
    expect(await copy('--database', '0')).toMatchObject({ status: 0, report: { keysCopied: 2 } })
    expect(await other.dbsize()).toBe(2)
  })

  it('is no hindrance to a further run of the copy that filled it; other rules need another state', async () => {
    await source.client().mset({ a: 1, b: 2 })
    const state = ['--state', stateFile()]
    expect(await copy(...state)).toMatchObject({ status: 0, report: { keysCopied: 2 } })
    await source.client().set('c', 3)
    expect(await copy(...state)).toMatchObject({ status: 0, report: { keysCopied: 3 } })
    const child = started([...state, '--on-conflict', 'skip', '--keys-per-second', '1'])
    await source.client().mset(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, n])))
    const watcher = target.client()
    await until(async () => (await watcher.info('commandstats')).includes('cmdstat_type:'), { what: 'it to ask' })
    child.kill('SIGKILL')
    await once(child, 'close')
    const { status, said } = await copy(...state, '--on-conflict', 'replace')
    expect([status, said]).toEqual([6, expect.stringContaining('a copy under way by other rules')])
    expect(await copy(...state, '--on-conflict', 'skip')).toMatchObject({ status: 0 })
    expect(await target.client().dbsize()).toBe(103)
  })

  it('keeps what it has where the rule says so, and the report says how many keys by which rule', async () => {
    await source.client().mset({ a: 's', b: 's', c: 's', 'tmp:1': 's' })
    await source.client().rpush('l', 's')
    await target.client().mset({ a: 't', extra: 't' })
    expect(await copy('--on-conflict', 'skip', '--exclude', 'tmp:*', '--type', 'string')).toMatchObject({
      status: 0,
      report: {
        account: { scanned: 5, copied: 2, skipped: 3, vanished: 0, exported: 0, waiting: 0 },
        skippedByRule: { pattern: 1, type: 1, 'on-conflict': 1 },
      },
    })
    expect(await target.client().mget('a', 'b', 'c', 'extra')).toEqual(['t', 's', 's', 't'])
    expect(await copy('--on-conflict', 'replace', '--include', 'a')).toMatchObject({ status: 0, report: { keysCopied: 1 } })
    expect(await target.client().mget('a', 'extra')).toEqual(['s', 't'])
    expect(await copy('--on-conflict', 'merge', '--sweep')).toMatchObject({ status: 2 })
    expect(await copy('--on-conflict', 'replace', '--sweep')).toMatchObject({ status: 0, report: { keysDeleted: 1 } })
    expect(await target.client().exists('extra')).toBe(0)
  })

  it('keeps its functions where keys are kept', async () => {
    const library = (name: string): string => `#!lua name=${name}\nredis.register_function('${name}', function() return 1 end)`
    await source.client().call('FUNCTION', 'LOAD', library('one'))
    await target.client().call('FUNCTION', 'LOAD', library('two'))
    await source.client().set('a', 1)
    expect((await copy('--on-conflict', 'merge')).status).toBe(0)
    const listed = JSON.stringify(await target.client().call('FUNCTION', 'LIST'))
    expect(listed).toContain('one')
    expect(listed).toContain('two')
  })
})

it('a user who may not ask what there is gets the words of the server, and the status of what cannot be reached', async () => {
  for (const server of [source, target])
    await server.client().call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '+@all', '-info')
  for (const side of ['source', 'target'] as const) {
    const { url } = side === 'source' ? source : target
    const { status, report } = await copy(`--${side}`, url.replace('://', '://narrow:secret@'))
    expect(report, side).toMatchObject({
      code: 'endpoint-unreachable',
      message: expect.stringMatching(`${side}.*NOPERM.*'info'`),
    })
    expect(status).toBe(4)
  }
})

describe('what cannot be merged', () => {
  it('is in the error queue with the reason, and both sides keep theirs', async () => {
    await source.client().xadd('x', '1-1', 'f', 's')
    await target.client().xadd('x', '1-1', 'f', 't')
    await source.client().set('m', 's')
    await target.client().rpush('m', 't')
    const errors = join(source.dir, 'failed.ndjson')
    const flags = ['--on-conflict', 'merge', '--errors', errors, '--state', stateFile()]
    const { status, report } = await copy(...flags)
    expect(status).toBe(8)
    expect(report).toMatchObject({ failedByClass: { conflict: 2 }, account: { scanned: 2, exported: 2, waiting: 0 } })
    expect(await target.client().lrange('m', 0, -1)).toEqual(['t'])
    expect(readFileSync(errors, 'utf8')).toContain('cannot be merged: both sides have a value of type stream')
    expect(readFileSync(errors, 'utf8')).toContain('cannot be merged: it is a string on the source and a list on the target')
    // Of the next run these two are all that there is.
    await target.client().del('m')
    expect(await copy(...flags)).toMatchObject({
      status: 8,
      report: { keysScanned: 0, keysCopied: 1, account: { scanned: 2, copied: 1, exported: 1, waiting: 0 } },
    })
    await target.client().del('x')
    expect(await copy(...flags)).toMatchObject({ status: 0, report: { account: { scanned: 1, copied: 1, exported: 0 } } })
    expect(await target.client().get('m')).toBe('s')
  })

  it('two names that would be one are not copied, whichever comes first', async () => {
    await source.client().mset({ 'a:1': 'a', 'b:1': 'b', 'a:2': 'a' })
    expect(await copy('--rename', 'a:=b:')).toMatchObject({
      status: 8,
      report: { failedByClass: { conflict: 2 }, keysCopied: 1 },
    })
    expect(await target.client().keys('*')).toEqual(['b:2'])
  })

  it('strings by age, where a server does not know it', async () => {
    await target.client().config('SET', 'maxmemory-policy', 'allkeys-lfu')
    const { status, said } = await copy('--on-conflict', 'merge')
    expect([status, said]).toEqual([6, expect.stringContaining('the target has maxmemory-policy allkeys-lfu')])
    expect((await copy('--on-conflict', 'merge', '--merge-strings', 'target')).status).toBe(0)
  })
})

describe('lists that are put together', () => {
  const lists = 150
  const long = 12_000

  const elements = (side: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${side}${n}`)

  async function fill(): Promise<void> {
    const [ofSource, ofTarget] = [source.client().pipeline(), target.client().pipeline()]
    for (let n = 0; n < lists; n++) {
      ofSource.rpush(`list:${n}`, ...elements('s', n % 10 === 0 ? long : 3))
      if (n % 2 === 0) ofTarget.rpush(`list:${n}`, 't')
    }
    await ofSource.exec()
    await ofTarget.exec()
  }

  /** Those that have anything but each element once. */
  async function wrongLists(): Promise<string[]> {
    const wrong: string[] = []
    const client = target.client()
    for (let n = 0; n < lists; n++) {
      const expected = [...(n % 2 === 0 ? ['t'] : []), ...elements('s', n % 10 === 0 ? long : 3)]
      const found = await client.lrange(`list:${n}`, 0, -1)
      if (found.join() !== expected.join()) wrong.push(`list:${n}: ${found.length} instead of ${expected.length}`)
    }
    return wrong
  }

  it('have every element once, although the copy was killed in the middle, twice, and gone on with', async () => {
    await fill()
    const flags = ['--on-conflict', 'merge', '--state', stateFile()]
    const watcher = target.client()
    for (const share of [0.3, 0.6]) {
      const child = started([...flags, '--keys-per-second', '100'])
      // Each list that was begun has a note beside it.
      await until(async () => (await temporaryKeys(watcher)).length > share * lists, { what: 'some lists to be begun' })
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    const { status, report } = await copy(...flags)
    expect([status, report.keysFailed]).toEqual([0, 0])
    expect(await wrongLists()).toEqual([])
    expect(await temporaryKeys()).toEqual([])
    // It is through: nothing is appended again, but where the state is another one.
    expect(await copy(...flags)).toMatchObject({ status: 0, report: { keysScanned: 0 } })
    expect(await wrongLists()).toEqual([])
    expect(await copy('--on-conflict', 'merge', '--include', 'list:1')).toMatchObject({ status: 0 })
    expect(await target.client().lrange('list:1', 0, -1)).toEqual(['s0', 's1', 's2', 's0', 's1', 's2'])
  })
})

describe.skipIf(engineMissing('redis-8.0'))('a value that is built up under a temporary name', () => {
  it('has that name in the slot of the name that it will have', async () => {
    await source.stop()
    source = await startRedis({ engine: 'redis-8.0' })
    await source.client().rpush('a:1', ...Array.from({ length: 3_000 }, (_, n) => n))
    await source.client().set('a:2', 'x'.repeat(200_000))
    const watcher = await WireClient.open(target.port)
    await watcher.ask('MONITOR')
    expect((await copy('--rename', 'a:=b:')).status).toBe(0)
    for (const name of ['b:1', 'b:2']) expect(watcher.received).toContain(`ferry:copy:{${name}}:`)
    expect(watcher.received).not.toContain('ferry:copy:{a:')
    watcher.close()
    expect((await target.client().keys('*')).sort()).toEqual(['b:1', 'b:2'])
  })
})
