/** Keys that a server does not take: what stops all of them is waited for, what stops one of them ends in the error queue, and nothing is dropped. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import type { ErrorsPage, FailedKey, MoverStatus, ReplayAnswer } from '../../../src/control/schemas.ts'
import { type StandAlone, standAlone } from '../../../src/mover/stand-alone.ts'
import { slotCount } from '../../../src/routing/slot.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { type CopyLine, CopyProcess } from '../../support/copy-process.ts'
import { differencesOf, Ferry, type FerrySettings } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'

const cli = new URL('../../../src/cli/main.ts', import.meta.url).pathname

let source: RedisServer
let target: RedisServer
let ferry: Ferry
let alone: StandAlone | undefined

afterEach(async () => {
  await alone?.stop()
  alone = undefined
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function servers(sourceEngine?: string): Promise<void> {
  const engine = sourceEngine === undefined ? {} : { engine: sourceEngine }
  ;[source, target] = await Promise.all([startRedis(engine), startRedis()])
}

async function serve(settings: Partial<FerrySettings> = {}): Promise<void> {
  ferry = await Ferry.start({ source: source.url, target: target.url, ...settings })
}

const mover = async (): Promise<MoverStatus> => (await ferry.status()).mover
const queue = async (query = ''): Promise<ErrorsPage> => (await ferry.get(`/v1/errors${query}`)) as ErrorsPage
const patched = (body: object): Promise<unknown> =>
  fetch(`${ferry.controlUrl}/v1/errors`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).then((answer) => answer.json())
const waits = (job: StandAlone['job'], words: string): Promise<string> =>
  until(() => (job.snapshot().throttle?.includes(words) ? job.snapshot().throttle : null), { what: `a wait for ${words}` })

/** Without a proxy, in this process. */
async function copyAlone(
  targetUrl = target.url,
  state: string | null = null,
): Promise<StandAlone & { through: () => Promise<void> }> {
  alone = await standAlone({ source: parseEndpoint(source.url), target: parseEndpoint(targetUrl) }, state)
  const { job, settled } = alone
  const done = job.start({ from: 0, below: slotCount }, false)
  return {
    ...alone,
    through: async () => {
      expect(await done).toBe(true)
      await settled(AbortSignal.timeout(10_000))
    },
  }
}

async function fill(server: RedisServer, keys: number, bytes: number): Promise<void> {
  const pipeline = server.client().pipeline()
  for (let n = 0; n < keys; n++) pipeline.set(`key:${n}`, 'x'.repeat(bytes))
  await pipeline.exec()
}

/** Every key that was scanned has ended somewhere, and nothing else has. */
function addedUp({ account }: Pick<MoverStatus, 'account'>): MoverStatus['account'] {
  const { scanned, copied, skipped, vanished, exported, waiting } = account
  expect(waiting).toBe(0)
  expect(copied + skipped + vanished + exported).toBe(scanned)
  return account
}

/** A user of the target that may touch some keys only. */
async function onlySomeKeys(pattern: string): Promise<FerrySettings['target']> {
  await target.client().call('ACL', 'SETUSER', 'ferry', 'on', '>secret', pattern, '+@all', '&*')
  return { url: target.url, username: 'ferry', password: 'secret' }
}

describe('what stops every key', () => {
  it('a target without memory is waited for, with the reason in status, and the copy goes on once there is some', async () => {
    await servers()
    await fill(source, 6_000, 1_000)
    const admin = target.client()
    const { used } = /used_memory:(?<used>\d+)/.exec(await admin.info('memory'))?.groups ?? {}
    await admin.config('SET', 'maxmemory', String(Number(used) + 1_000_000))
    const { job, store, through } = await copyAlone()
    const reason = await waits(job, 'target: the server is at its memory limit')
    expect(reason).toContain('OOM command not allowed')
    // It waits for as long as it takes, and fills neither journal nor queue meanwhile.
    const scanned = (): number => job.snapshot().account.scanned
    const standsStill = async (): Promise<boolean> => {
      const [before, trials] = [scanned(), await admin.info('errorstats')]
      await until(async () => (await admin.info('errorstats')) !== trials, { what: 'another trial' })
      return scanned() === before
    }
    await until(standsStill, { what: 'the scan to stand still' })
    expect(store.countFailed()).toBe(0)
    expect(scanned()).toBeLessThan(6_000)
    await admin.config('SET', 'maxmemory', '0')
    await through()
    expect(job.snapshot().throttle).toBeNull()
    expect(addedUp(job.snapshot())).toMatchObject({ scanned: 6_000, copied: 6_000 })
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('a target that is a replica for a while is waited for', async () => {
    await servers()
    await fill(source, 500, 10)
    await target.client().replicaof('127.0.0.1', 1)
    const { job, through } = await copyAlone()
    expect(await waits(job, 'target: the server takes no writes')).toContain('READONLY')
    await target.client().replicaof('NO', 'ONE')
    await through()
    expect(addedUp(job.snapshot())).toMatchObject({ copied: 500, exported: 0 })
    expect(await differencesOf(source, target)).toEqual([])
  })
})

describe('what stops one key', () => {
  const denied = Buffer.from([0x62, 0xff, 0x00, 0x0a])

  async function copyWithDenied(): Promise<void> {
    await servers()
    const client = source.client()
    for (const key of ['a1', 'a2', 'a3', 'b1']) await client.set(key, key)
    await client.hset('b2', 'f', 'v')
    await client.pexpire('b2', 600_000)
    await client.set(denied, 'binary')
    await serve({ target: await onlySomeKeys('~a*'), errorQueue: { payloadBytesMax: 10_000 } })
    await ferry.backfill()
    await ferry.untilStatus('the queue to fill', ({ journal }) => journal.failed === 3 && journal.dirtyKeys === 0)
  }

  it('is in the queue with all that is known of it, the sum is right, and it is replayed from the side that a person names', async () => {
    await copyWithDenied()
    expect(addedUp(await mover())).toMatchObject({ scanned: 6, copied: 3, exported: 3 })
    const { items, byClass } = await queue('?payload=true')
    expect(byClass).toEqual({ 'no-permission': 3 })
    const one = (name: string): FailedKey => items.find(({ key }) => key === name) as FailedKey
    expect(one('b2')).toMatchObject({ type: 'hash', class: 'no-permission', saidBy: 'target', state: 'open', attempts: 3 })
    expect(one('b2').ttlMs).toBeGreaterThan(500_000)
    expect(one('b2').sizeBytes).toBeGreaterThan(10)
    expect(one('b2').error).toMatch(/^NOPERM/)
    expect(one('b2').firstAt < one('b2').lastAt).toBe(true)
    const binary = items.find(({ keyBase64 }) => keyBase64 === denied.toString('base64')) as FailedKey
    await target.client().restore('back', 0, Buffer.from(binary.payloadBase64 as string, 'base64'))
    expect(await target.client().get('back')).toBe('binary')
    await target.client().del('back')

    // Replayed from the side that a person names.
    await target.client().call('ACL', 'SETUSER', 'ferry', '~b*')
    await target.client().set('b1', 'the better one')
    expect(await patched({ filter: { pattern: 'b1' }, from: 'target' })).toEqual({ changed: 1 })
    expect(await ferry.post('/v1/errors/replay', { waitMs: 5_000 })).toMatchObject({ replayed: 3, settled: 3 })
    expect(addedUp(await mover())).toMatchObject({ scanned: 6, copied: 6, exported: 0 })
    expect(await source.client().get('b1')).toBe('the better one')
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('gone meanwhile, it counts as that once it is replayed', async () => {
    await copyWithDenied()
    await source.client().del('b1')
    expect(await ferry.post('/v1/errors/replay', { waitMs: 1, filter: { pattern: 'b1' } })).toMatchObject({ replayed: 1 })
    // It is refused as before: Ferry may not even delete it there.
    await ferry.untilStatus('the key to be refused again', ({ journal }) => journal.dirtyKeys === 0)
    expect(addedUp(await mover())).toMatchObject({ scanned: 6, copied: 3, exported: 3 })
    await target.client().call('ACL', 'SETUSER', 'ferry', '~b*')
    expect(await ferry.post('/v1/errors/replay', { waitMs: 5_000, filter: { pattern: 'b1' } })).toMatchObject({ settled: 1 })
    expect(addedUp(await mover())).toMatchObject({ scanned: 6, copied: 3, vanished: 1, exported: 2 })
  })

  it('is counted once where the copy was stopped in the middle and gone on with', async () => {
    await servers()
    await fill(source, 3_000, 10)
    await source.client().set('denied', 'v')
    await onlySomeKeys('~key:*')
    const url = target.url.replace('//', '//ferry:secret@')
    const state = join(source.dir, 'state.sqlite')
    const first = await copyAlone(url, state)
    first.job.setLimits({ keysPerSecondMax: 3_000 })
    await until(() => first.job.snapshot().account.copied > 500, { what: 'some keys to be copied' })
    first.job.stop(true)
    await first.stop()
    const second = await copyAlone(url, state)
    await second.through()
    const account = addedUp(second.job.snapshot())
    expect(account.scanned).toBeGreaterThanOrEqual(3_000)
    expect(second.store.countFailed()).toBe(1)
    expect(await target.client().dbsize()).toBe(3_000)
  })

  it('survives SIGKILL; skipped it blocks nothing, replayed it fails anew or is settled', async () => {
    await copyWithDenied()
    await ferry.kill9()
    await ferry.restart()
    expect((await queue()).total).toBe(3)
    const replay = (body: object): Promise<ReplayAnswer> =>
      ferry.post('/v1/errors/replay', { waitMs: 5_000, ...body }) as Promise<ReplayAnswer>
    expect(await patched({ filter: { pattern: 'b1' }, state: 'skipped', note: 'not needed' })).toEqual({ changed: 1 })
    expect((await ferry.status()).journal.failed).toBe(2)
    // This process has scanned nothing.
    const { account } = await mover()
    expect(account.scanned).toBe(0)
    expect(await replay({})).toEqual({ replayed: 2, settled: 0, failed: 2, waiting: 0 })
    expect((await queue('?state=open')).items.map(({ attempts }) => attempts)).toEqual([6, 6])
    await target.client().call('ACL', 'SETUSER', 'ferry', '~b*')
    const { keyBase64 } = (await queue('?pattern=b2')).items[0] as FailedKey
    expect(await replay({ filter: { keyBase64 } })).toEqual({ replayed: 1, settled: 1, failed: 0, waiting: 0 })
    expect(await replay({ filter: { state: 'skipped' } })).toMatchObject({ replayed: 1, settled: 1 })
    expect(await replay({})).toMatchObject({ replayed: 1, settled: 1 })
    expect((await queue()).total).toBe(0)
    expect((await mover()).account).toEqual(account)
    expect(await differencesOf(source, target)).toEqual([])
  })
})

it('what went wrong is told for as long as it matters', async () => {
  await servers()
  await fill(source, 3_000, 10)
  const { job, through } = await copyAlone()
  job.setLimits({ keysPerSecondMax: 1_000, batchKeys: 50 })
  await until(() => job.snapshot().account.copied > 0, { what: 'the first keys to be copied' })
  const killer = target.client()
  const killing = setInterval(
    () => void killer.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => undefined),
    20,
  )
  try {
    const said = await until(() => job.snapshot().lastError, { what: 'the loss to be told', intervalMs: 1 })
    expect(said).toMatch(/target (was lost|is not reachable)/)
  } finally {
    clearInterval(killing)
  }
  await until(() => job.snapshot().lastError === null, { what: 'it to be taken back' })
  job.setLimits({ keysPerSecondMax: 0, batchKeys: 512 })
  await through()
  expect(job.snapshot().lastError).toBeNull()
  expect(addedUp(job.snapshot())).toMatchObject({ copied: 3_000 })
})

describe('ferry copy', () => {
  it('tells what became of every key, writes down what failed, and tries that again on the same state', async () => {
    ;[source, target] = await Promise.all([startRedis(), startRedis({ args: ['--proto-max-bulk-len', '1mb'] })])
    await fill(source, 100, 10)
    await source.client().set('big', randomBytes(2 << 20))
    const { dir } = source
    const copy = async (...more: string[]): Promise<{ status: number; report: Record<string, unknown> }> => {
      const sides = ['--source', source.url, '--target', target.url, '--state', join(dir, 'copy.sqlite')]
      const child = spawn(process.execPath, [cli, 'copy', '--json', ...sides, ...more])
      const [[status], report] = await Promise.all([once(child, 'close'), text(child.stdout)])
      return { status, report: JSON.parse(report.trimEnd().split('\n').at(-1) as string) }
    }
    const errors = join(dir, 'failed.ndjson')
    expect(await copy('--errors', errors)).toMatchObject({
      status: 8,
      report: {
        keysFailed: 1,
        failedByClass: { 'too-large': 1 },
        account: { scanned: 101, copied: 100, skipped: 0, vanished: 0, exported: 1, waiting: 0 },
      },
    })
    expect(JSON.parse(readFileSync(errors, 'utf8'))).toMatchObject({ key: 'big', class: 'too-large', saidBy: 'target' })
    await target.client().config('SET', 'proto-max-bulk-len', '512mb')
    expect(await copy()).toMatchObject({ status: 0, report: { keysFailed: 0, account: { scanned: 101, copied: 101 } } })
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('that is stopped while the target takes nothing says that it is unfinished, and goes on from there', async () => {
    await servers()
    await fill(source, 30, 100_000)
    await target.client().config('SET', 'maxmemory', '2mb')
    const args = ['--source', source.url, '--target', target.url, '--state', join(source.dir, 'copy.sqlite')]
    const first = new CopyProcess(args)
    await first.next('everything to be scanned', ({ keysScanned, waiting }) => keysScanned === 30 && (waiting ?? 0) > 0)
    first.signal('SIGTERM')
    expect(await first.end()).toMatchObject({ status: 7, last: { code: 'interrupted' } })
    await target.client().config('SET', 'maxmemory', '0')
    const { status, last } = await new CopyProcess(args).end()
    expect(status).toBe(0)
    // The page that was under way is scanned again, and what had come of it counts once more.
    const account = addedUp(last as unknown as MoverStatus)
    expect(account.copied).toBeGreaterThanOrEqual(30)
    expect(account.exported).toBe(0)
    expect(await differencesOf(source, target)).toEqual([])
  })
})

describe('ferry copy that nobody attends to', () => {
  const flags = (...more: string[]): string[] => [
    '--source',
    source.url,
    '--target',
    target.url,
    '--standstill-seconds',
    '1',
    ...more,
  ]

  /** Of a copy that gave up waiting. */
  async function endOf(args: readonly string[]): Promise<{ report: CopyLine; last: CopyLine; lines: readonly CopyLine[] }> {
    const copy = new CopyProcess(args)
    const { status, last } = await copy.end()
    expect([status, last?.code]).toEqual([7, 'interrupted'])
    return { report: copy.lines.at(-2) as CopyLine, last: last as CopyLine, lines: copy.lines }
  }

  it('ends after so long without memory: it says why, counts every key, and goes on the next time', async () => {
    ;[source, target] = await Promise.all([startRedis(), startRedis({ args: ['--proto-max-bulk-len', '1mb'] })])
    await fill(source, 30, 100_000)
    await source.client().set('big', randomBytes(2 << 20))
    await target.client().config('SET', 'maxmemory', '2mb')
    const errors = join(source.dir, 'failed.ndjson')
    const args = flags('--state', join(source.dir, 'copy.sqlite'), '--errors', errors)
    const { report, last, lines } = await endOf(args)
    expect(last.message).toMatch(
      /^the copy was at a standstill for 1 s: target redis:\/\/127\.0\.0\.1:\d+\/0: the server is at its memory limit and may evict nothing \(OOM /,
    )
    expect(last.details).toEqual([expect.stringMatching(/^Free memory/), expect.stringContaining(`--state ${source.dir}`)])
    expect(report).toMatchObject({ kind: 'report', keysFailed: 0 })
    const { scanned, copied, skipped, vanished, exported, waiting } = report.account as MoverStatus['account']
    expect(copied + skipped + vanished + exported + waiting).toBe(scanned)
    expect([scanned, waiting > 0]).toEqual([31, true])
    // Meanwhile each line said so.
    expect(lines.some(({ standstill }) => JSON.stringify(standstill).includes('memory limit'))).toBe(true)
    expect(readFileSync(errors, 'utf8')).toBe('')
    await target.client().config('SET', 'maxmemory', '0')
    await target.client().config('SET', 'proto-max-bulk-len', '512mb')
    const next = await new CopyProcess(args).end()
    expect(next.status).toBe(0)
    expect(addedUp(next.last as unknown as MoverStatus).copied).toBeGreaterThanOrEqual(31)
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('ends as well where the source does not let it scan, or the target does not let it write', async () => {
    await servers()
    await fill(source, 30, 10)
    for (const [side, command] of [
      ['source', 'scan'],
      ['target', 'restore'],
    ] as const) {
      const server = side === 'source' ? source : target
      await server.client().call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '+@all', `-${command}`)
      const { last } = await endOf(flags(`--${side}`, server.url.replace('://', '://narrow:secret@')))
      expect(last.message).toMatch(new RegExp(`${side} redis://.*the user may not run the commands.*NOPERM.*${command}`))
      expect(String(last.details)).toContain('Give the user SCAN')
    }
    expect(await target.client().dbsize()).toBe(0)
  })

  it('ends where a server is gone for so long, also while it follows', async () => {
    await servers()
    await fill(source, 30, 10)
    const copy = new CopyProcess(flags('--live'))
    await copy.caughtUp()
    await target.stop()
    expect(await copy.end()).toMatchObject({
      status: 7,
      last: { code: 'interrupted', message: expect.stringMatching(/target redis:.*cannot be reached \(.+\)/) },
    })
  })

  it('waits on where that is wished', async () => {
    await servers()
    await fill(source, 30, 10)
    await target.client().replicaof('127.0.0.1', 1)
    const copy = new CopyProcess([...flags(), '--standstill-seconds', '0'])
    await copy.next(
      'it to have waited for longer than a second',
      ({ standstill }) => Number((standstill as { seconds?: number } | null)?.seconds) >= 2,
    )
    await target.client().replicaof('NO', 'ONE')
    expect(await copy.end()).toMatchObject({ status: 0, last: { keysCopied: 30 } })
  })
})

describe.skipIf(engineMissing('redis-8.0'))('a value that the target cannot hold', () => {
  it('is told from one that a server refuses for the moment', async () => {
    await servers('redis-8.0')
    await source.client().hset('h', 'f', 'v')
    await source.client().call('HPEXPIRE', 'h', 600_000, 'FIELDS', 1, 'f')
    await source.client().set('s', 'v')
    const { job, store, through } = await copyAlone()
    await through()
    expect(store.listFailed(0, 10).items).toMatchObject([
      { key: Buffer.from('h'), failure: 'unsupported-value', type: 'hash', saidBy: 'target' },
    ])
    expect(addedUp(job.snapshot())).toMatchObject({ scanned: 2, copied: 1, exported: 1 })
  })
})
