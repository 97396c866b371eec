import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CopyOptions } from '../../../src/cli/local-work.ts'
import { copyRulesSchema } from '../../../src/config/copy-rules-schema.ts'
import { type CliSetting, runCli, startControl, type TestControl } from '../../support/cli.ts'
import { emptyReport, failedKey } from '../../support/fake-operations.ts'

const folder = mkdtempSync(join(tmpdir(), 'ferry-cli-'))
afterAll(() => rmSync(folder, { recursive: true }))

let control: TestControl
beforeEach(async () => {
  control = await startControl()
})
afterEach(() => control.close())

const ferry = (line: string, setting: CliSetting = {}) =>
  runCli(line.split(' '), { ...setting, env: { FERRY_CONTROL: control.address, ...setting.env } })

const documentOf = (stdout: string): unknown => {
  expect(stdout.endsWith('\n')).toBe(true)
  expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  return JSON.parse(stdout)
}

const ansi = String.fromCharCode(27)

describe('every command', () => {
  test.each([
    ['status', () => control.operations.status()],
    ['traffic', () => control.operations.traffic()],
    ['mover', () => control.operations.mover()],
    ['mover status', () => control.operations.mover()],
    ['errors', () => ({ total: 0, byClass: {}, items: [], nextCursor: null })],
    ['errors replay', () => ({ replayed: 0, settled: 0, failed: 0, waiting: 0 })],
  ])('%s --json is the API document, alone on stdout', async (line, expected) => {
    const { status, stdout, stderr } = await ferry(`${line} --json`)
    expect([status, stderr, documentOf(stdout)]).toEqual([0, '', expected()])
  })

  test.each([
    'serve',
    'demo',
    'status',
    'events',
    'start',
    'pause',
    'resume',
    'ramp',
    'cutover',
    'rollback',
    'complete',
    'traffic',
    'mover',
    'mover set',
    'verify',
    'errors',
    'errors export',
    'copy',
  ])('%s --help shows examples, and nothing is asked', async (line) => {
    const { status, stdout, stderr } = await runCli([...line.split(' '), '--help'], { env: { FERRY_CONTROL: '127.0.0.1:1' } })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('Examples:\n  $ ')
    expect(stdout).not.toContain(ansi)
  })

  test('colours on a terminal only, and not with NO_COLOR', async () => {
    expect((await ferry('status', { isTTY: true })).stdout).toContain(ansi)
    expect((await ferry('status')).stdout).not.toContain(ansi)
    expect((await ferry('status', { isTTY: true, env: { NO_COLOR: '1' } })).stdout).not.toContain(ansi)
    expect((await ferry('status', { env: { FORCE_COLOR: '1' } })).stdout).toContain(ansi)
  })
})

describe('exit status and messages', () => {
  test.each([
    ['nonsense', 2],
    ['status --nonsense', 2],
    ['ramp', 2],
    ['ramp 120', 2],
    ['ramp many', 2],
    ['start yolo', 2],
    ['traffic --read-mode newest', 2],
    ['mover set', 2],
    ['verify --source redis://a', 2],
    ['verify --state f', 2],
    ['verify --source redis://a --target redis://b --resume', 2],
    ['verify --sample 1 --keys 5', 2],
    ['verify --sample 0', 2],
    ['verify --sample 101%', 2],
    ['verify --keys 5 --resume', 2],
    ['copy --target redis://b', 2],
    ['serve -c /no/such.yaml', 3],
    ['serve --source redis://a', 3],
    ['status --token-file /no/such', 3],
    ['status --control 127.0.0.1:1', 4],
    ['events --control 127.0.0.1:1', 4],
    ['ramp 5 --expected-phase cutover', 6],
  ])('%s: %d', async (line, expected) => {
    const human = await ferry(line)
    expect([human.status, human.stdout]).toEqual([expected, ''])
    expect(human.stderr).toMatch(/error/)
    const machine = await ferry(`${line} --json`)
    expect([machine.status, machine.stderr]).toEqual([expected, ''])
    expect(documentOf(machine.stdout)).toEqual({
      code: expect.any(String),
      message: expect.any(String),
      details: expect.any(Array),
    })
  })

  test('a blocked step lists what blocks it', async () => {
    control.operations.blockers = ['7 dirty keys', 'verification is too old']
    const { status, stderr } = await ferry('cutover')
    expect([status, stderr]).toEqual([
      6,
      expect.stringMatching(/blocked: .*\n {2}- 7 dirty keys\n {2}- verification is too old\n/),
    ])
    const dry = await ferry('cutover --dry-run')
    expect(dry).toMatchObject({ status: 6, stdout: expect.stringContaining('blocks 7 dirty keys') })
    control.operations.blockers = []
    expect(await ferry('cutover --dry-run')).toMatchObject({ status: 0, stdout: expect.stringContaining('could be done now') })
    expect(control.operations.document.phase).toBe('mirror')
  })

  test('tokens: from the environment or a file, and 6 without', async () => {
    await control.close()
    control = await startControl([{ token: 'token-for-reading', role: 'read' }])
    const file = join(folder, 'token')
    writeFileSync(file, 'token-for-reading\n')
    expect((await ferry('status --json')).status).toBe(6)
    expect((await ferry('status --json', { env: { FERRY_TOKEN: 'token-for-reading' } })).status).toBe(0)
    expect((await ferry('status --json', { env: { FERRY_TOKEN_FILE: file } })).status).toBe(0)
    expect((await ferry(`status --json --token-file ${file}`, { env: { FERRY_TOKEN: 'a wrong one' } })).status).toBe(0)
    const refused = await ferry('pause', { env: { FERRY_TOKEN: 'token-for-reading' } })
    expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining('forbidden: this needs the role operate')])
  })
})

describe('migration', () => {
  test('each step reaches the API with what was said', async () => {
    for (const line of [
      'start canary --reason why --expected-phase mirror',
      'start big-bang --on-conflict replace',
      'ramp 2.5',
      'pause',
      'resume',
      'cutover',
      'rollback --to observe',
      'complete',
    ]) {
      const { status, stdout } = await ferry(line)
      expect([status, stdout]).toEqual([0, expect.stringContaining(`${line.split(' ')[0]}: done`)])
    }
    expect(control.operations.calls).toEqual([
      ['start', { strategy: 'canary', reason: 'why', expectedPhase: 'mirror', onConflict: 'refuse' }],
      ['start', { strategy: 'big-bang', onConflict: 'replace' }],
      ['ramp', { percent: 2.5, onConflict: 'refuse' }],
      ['pause', {}],
      ['resume', {}],
      ['cutover', {}],
      ['rollback', { to: 'observe' }],
      ['complete', {}],
    ])
  })

  test('the mover is started with what becomes of keys that the target has', async () => {
    expect((await ferry('mover start')).status).toBe(0)
    expect((await ferry('mover start --on-conflict replace --reason leftovers')).status).toBe(0)
    expect((await ferry('mover start --on-conflict merge')).status).toBe(2)
    expect(control.operations.calls.filter(([name]) => name === 'moverStart')).toEqual([
      ['moverStart', { onConflict: 'refuse' }],
      ['moverStart', { onConflict: 'replace', reason: 'leftovers' }],
    ])
  })

  test('traffic and mover limits are set only where named', async () => {
    await ferry('traffic --read-mode ratio --percent 5 --tenants a,b --reason slowly')
    await ferry('mover set --keys-per-second 100 --batches-in-flight 2')
    await ferry('mover set --source-p99-ms 7.5 --client-p99-times 0 --bytes-per-second 1000000')
    await ferry('mover pause')
    expect(control.operations.calls).toEqual([
      ['setTraffic', { readMode: 'ratio', readPercentage: 5, tenants: ['a', 'b'], reason: 'slowly' }],
      ['setMover', { keysPerSecondMax: 100, batchesInFlight: 2 }],
      ['setMover', { sourceP99MsMax: 7.5, clientP99TimesMax: 0, bytesPerSecondMax: 1_000_000 }],
      ['mover', 'paused'],
    ])
  })
})

describe('status', () => {
  test('for people', async () => {
    const { stdout } = await ferry('status')
    expect(stdout).toContain('Ferry 0.1.0  mirror, running (canary), authority source, up 1 min 1 s')
    expect(stdout).toContain('[######------------------------] 20 % from the target, by slot')
    expect(stdout).toContain(
      '[###############---------------] 50.0 %, running (copy), 500 of 1,000 keys, 64.0 kB, 250 keys/s, 32.0 kB/s, 2 s left, 1 in the error queue',
    )
    expect(stdout).toContain('7 dirty keys')
  })

  test('why the mover is slow', async () => {
    const { mover } = control.operations.document
    Object.assign(mover, { throttle: 'source p99 8.2 ms > 5 ms', speedPercent: 25 })
    expect((await ferry('status')).stdout).toContain(', throttled: source p99 8.2 ms > 5 ms')
    expect((await ferry('mover')).stdout).toContain('sourceP99MsMax 100, ')
    Object.assign(mover, { throttle: null, speedPercent: 100 })
  })

  /** Runs a watch until `done` says so of what it has printed. */
  async function watch(line: string, done: (stdout: string) => boolean, setting: CliSetting = {}) {
    const stop = new AbortController()
    let seen = ''
    return ferry(line, {
      ...setting,
      signal: stop.signal,
      onStdout: (text) => {
        seen += text
        setting.onStdout?.(seen)
        if (done(seen)) stop.abort()
      },
    })
  }

  test('--watch off a terminal: one line per change, and a signal ends it well', async () => {
    let reads = 0
    const original = control.operations.status
    control.operations.status = () => {
      reads += 1
      if (reads === 4) control.operations.document.traffic.readPercentage = 40
      if (reads === 7) control.operations.document.phase = 'cutover'
      return original()
    }
    const { status, stdout } = await watch('status --watch --interval 0.01', (text) => text.includes('cutover'))
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => /phase=(\w+) .*reads=ratio:(\d+)%/.exec(line)?.slice(1))).toEqual([
      ['mirror', '20'],
      ['mirror', '40'],
      ['cutover', '40'],
    ])
  })

  test('--watch on a terminal draws in place; with --json one document per line', async () => {
    const live = await watch('status --watch --interval 0.01', (text) => text.split('Ferry 0.1.0').length > 3, { isTTY: true })
    expect(live.stdout).toContain(`${ansi}[14F${ansi}[J`)
    const lines = await watch('status --watch --json --interval 0.01', (text) => text.split('\n').length > 3)
    for (const line of lines.stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ phase: 'mirror' })
  })

  test('--watch tells when Ferry goes away', async () => {
    let closed = false
    const watched = await watch('status --watch --interval 0.01', () => false, {
      onStdout: () => {
        if (!closed) void control.close()
        closed = true
      },
    })
    expect(watched.status).toBe(4)
    control = await startControl()
  })
})

describe('events', () => {
  test('those kept, one per line, and the end of a stream that was to go on is an error', async () => {
    control.operations.log.record('phase', 'first', { reason: 'because', data: { keys: 3 } })
    control.operations.log.record('mover', 'second')
    expect((await ferry('events --no-follow')).stdout).toBe(
      '2026-01-01T00:00:00.000Z #1 phase first (because) keys=3\n2026-01-01T00:00:00.000Z #2 mover second\n',
    )
    const { stdout } = await ferry('events --no-follow --json --after 1')
    expect(documentOf(stdout)).toMatchObject({ id: 2, message: 'second' })
    const ended = await ferry('events --json', { onStdout: () => void control.close() })
    expect(ended.status).toBe(4)
    control = await startControl()
  })

  test('what comes is told as it comes, until a signal', async () => {
    const stop = new AbortController()
    control.operations.log.record('phase', 'first')
    const { status, stdout } = await ferry('events', {
      signal: stop.signal,
      onStdout: (text) => {
        if (text.includes('first')) control.operations.log.record('phase', 'later')
        else stop.abort()
      },
    })
    expect([
      status,
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ').at(-1)),
    ]).toEqual([0, ['first', 'later']])
  })
})

describe('verify', () => {
  test('equal sides: 0', async () => {
    const { status, stdout } = await ferry('verify')
    expect([status, stdout.split('\n')[0]]).toEqual([0, 'compared 1,000 keys in 1 s: 0 differences'])
  })

  test('differences: 5 and what they are; repaired: 0', async () => {
    const sample = { db: 0, keyBase64: 'YQ==', key: 'a:1', type: 'hash', kind: 'missing' as const, detail: 'only on the source' }
    const found = { missing: 2, extra: 0, type: 0, value: 1, ttl: 1 }
    control.operations.verdict = {
      differences: 1,
      missing: 2,
      ttlDifferences: 1,
      types: [{ type: 'hash', keysCompared: 12, found }],
      patterns: [{ pattern: 'a:*', type: 'hash', found, examples: ['a:1', 'a:2'] }],
      patternKeysLeftOut: 3,
      samples: [sample],
    }
    const different = await ferry('verify --rounds 2')
    expect(different.status).toBe(5)
    expect(different.stdout).toMatch(
      /4 differences\n.*2 missing on the target.*\nkind +type +db +key +detail\nmissing +hash +0 +a:1 +only on the source\n/s,
    )
    expect(different.stdout).toMatch(/\ntype +compared +missing +extra +other type +value +TTL\nhash +12 +2 +0 +0 +1 +1\n/)
    expect(different.stdout).toMatch(/\na:\* +hash +2 +0 +0 +1 +1 +a:1 a:2\nand 3 keys of other patterns\n/)
    expect((await ferry('verify --json')).status).toBe(5)
    control.operations.verdict = { ...control.operations.verdict, repaired: 4 }
    expect((await ferry('verify --repair')).status).toBe(0)
    expect(control.operations.calls).toEqual([
      ['verify', { rounds: 2 }],
      ['verify', {}],
      ['verify', { repair: true }],
    ])
  })

  test('a comparison that failed: 1', async () => {
    control.operations.verdict = { state: 'failed', error: 'target went away' }
    expect(await ferry('verify')).toMatchObject({ status: 1, stderr: expect.stringContaining('target went away') })
  })

  test('how much, how fast, and from where', async () => {
    expect((await ferry('verify --sample 1.5% --keys-per-second 20000 --settle-ms 50')).status).toBe(0)
    expect((await ferry('verify --keys 500')).status).toBe(0)
    expect((await ferry('verify --resume')).status).toBe(0)
    expect(control.operations.calls).toEqual([
      ['verify', { samplePercent: 1.5, keysPerSecondMax: 20_000, settleMs: 50 }],
      ['verify', { sampleKeys: 500 }],
      ['verify', { resume: true }],
    ])
  })

  test('both addresses: without a running Ferry', async () => {
    const asked: object[] = []
    const verify = async (options: object) => {
      asked.push(options)
      return { ...emptyReport('1'), extra: 1 }
    }
    const line = 'verify --source redis://a --target redis://b --repair --state f --resume --sample 10'
    const { status, stdout } = await ferry(line, { work: { verify } })
    expect([status, stdout.split('\n')[0]]).toEqual([5, 'compared 1,000 keys in 1 s: 1 differences'])
    expect(asked).toMatchObject([
      {
        source: 'redis://a',
        target: 'redis://b',
        repair: true,
        state: 'f',
        resume: true,
        samplePercent: 10,
        rounds: undefined,
        databases: 'same',
      },
    ])
  })
})

describe('errors', () => {
  test('a table with the way to the next page, an export, a replay of some', async () => {
    control.operations.failed.push(failedKey(1), failedKey(2), failedKey(3))
    const { stdout } = await ferry('errors list --limit 2')
    expect(stdout).toMatch(
      /^id +db +key .*\n1 +0 +key:1 .*OOM command not allowed\n2 .*\n3 target-out-of-memory: Free memory.*\n3 keys in all\nmore: ferry errors list --cursor 2\n$/,
    )
    const exported = await ferry('errors export')
    expect(
      exported.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(control.operations.failed)
    const file = join(folder, 'failed.ndjson')
    expect(await ferry(`errors export --file ${file}`)).toMatchObject({ status: 0, stdout: '' })
    expect(readFileSync(file, 'utf8')).toBe(exported.stdout)
    expect(await ferry('errors replay 1 3')).toMatchObject({
      status: 1,
      stdout: '2 keys were tried again: 1 are settled, 1 failed anew\n',
    })
    expect(control.operations.calls).toEqual([['replayErrors', { ids: [1, 3], waitMs: 10_000 }]])
  })

  test('a filter means the same to all of them; what is meant has to be said before it is edited', async () => {
    control.operations.failed.push(failedKey(1))
    const options = '--class too-large --pattern a* --key-base64 /wA= --database 3 --only-state open --older-than 5'
    const filter = { class: 'too-large', pattern: 'a*', keyBase64: '/wA=', db: 3, state: 'open', olderThanSeconds: 5 }
    expect((await ferry(`errors list ${options}`)).stdout).toBe('no key has failed\n')
    expect((await ferry(`errors export --payload ${options}`)).stdout).toBe('')
    await ferry(`errors replay --wait 0 ${options}`)
    await ferry(`errors edit --skip enough ${options}`)
    await ferry('errors edit --all --reopen --from target')
    expect(control.operations.calls).toEqual([
      ['errors', { ...filter, withPayload: false }],
      ['errors', { ...filter, withPayload: true }],
      ['replayErrors', { filter, waitMs: 0 }],
      ['editErrors', { filter, state: 'skipped', note: 'enough' }],
      ['editErrors', { filter: {}, state: 'open', from: 'target' }],
    ])
    expect(await ferry('errors edit --reopen')).toMatchObject({ status: 2, stderr: expect.stringContaining('--all') })
    expect(await ferry('errors edit 1')).toMatchObject({ status: 2, stderr: expect.stringContaining('expected a state') })
  })
})

describe('what is done without a running Ferry', () => {
  test('copy passes its options on and gives its exit status', async () => {
    const asked: unknown[] = []
    const copy = async (options: unknown) => asked.push(options) + 6
    const env = { SOURCE_REDIS_URL: 'redis://a' }
    expect(
      (
        await ferry('copy --target redis://b --sweep --keys-per-second 5 --state c.sqlite --databases fold --json', {
          work: { copy },
          env,
        })
      ).status,
    ).toBe(7)
    expect(asked).toEqual([
      {
        source: 'redis://a',
        target: 'redis://b',
        endpoints: null,
        rules: copyRulesSchema.parse({}),
        json: true,
        limits: { keysPerSecondMax: 5 },
        payloadBytesMax: 0,
        standstillSeconds: 300,
        sweep: true,
        state: 'c.sqlite',
        databases: 'fold',
        carryAccess: 'none',
        errors: null,
        live: null,
        fromRdb: null,
      },
    ])
  })

  test.each([
    ['--live', { live: { notice: 'tracking', maySet: false, quietMs: null } }],
    [
      '--live notifications --set-notifications --until-quiet 50',
      { live: { notice: 'notifications', maySet: true, quietMs: 50 } },
    ],
    ['--carry-access frequency', { carryAccess: 'frequency' }],
    ['--standstill-seconds 0', { standstillSeconds: 0 }],
    ['--errors e --payload-bytes-max 100', { errors: 'e', payloadBytesMax: 100 }],
    [
      '--bytes-per-second 9 --batch-keys 8 --target-memory-percent 70.5',
      {
        limits: { bytesPerSecondMax: 9, batchKeys: 8, targetMemoryPercentMax: 70.5 },
      },
    ],
    ['--from-rdb d.rdb --rdb-server s', { source: '', fromRdb: { file: 'd.rdb', program: 's' } }],
  ])('copy %s', async (flags, wanted) => {
    const asked: unknown[] = []
    const copy = async (options: unknown) => asked.push(options) - 1
    const env = { SOURCE_REDIS_URL: 'redis://a' }
    expect((await ferry(`copy --target redis://b ${flags}`, { work: { copy }, env })).status).toBe(0)
    expect(asked).toMatchObject([wanted])
  })

  test.each([
    '--live telepathy',
    '--carry-access both',
    '--set-notifications --live',
    '--until-quiet 5',
    '--rdb-server s',
    '--from-rdb f --source redis://a',
    '--from-rdb f --live',
  ])('copy %s makes no sense', async (flags) => {
    expect(await ferry(`copy --target redis://b ${flags}`, { env: { SOURCE_REDIS_URL: 'redis://a' } })).toMatchObject({
      status: 2,
    })
  })

  test('what copy does with keys comes from flags, and from a file where no flag says so', async () => {
    const file = join(folder, 'copy.yaml')
    writeFileSync(
      file,
      JSON.stringify({
        source: { url: 'redis://a', username: 'ferry', password: 'secret' },
        target: { url: 'redis://b', databases: { 0: 0, 3: 1 } },
        mover: { carryAccess: 'idle', batchKeys: 64, keysPerSecondMax: 9, sourceP99MsMax: 5 },
        errorQueue: { payloadBytesMax: 77 },
        copy: { onConflict: 'skip', filter: { include: ['x:*'], ttlMsMin: 5 }, rename: [{ from: 'x:', to: 'y:' }] },
      }),
    )
    const asked: CopyOptions[] = []
    const copy = async (options: CopyOptions) => asked.push(options) - 1
    const flags =
      '--keys-per-second 8 --on-conflict merge --merge-strings source --include a* --include b* --type hash --database 0 --database 3'
    expect((await ferry(`copy -c ${file} --target redis://c ${flags} --expiry with`, { work: { copy } })).status).toBe(0)
    expect(asked[0]?.endpoints).toMatchObject({ source: { username: 'ferry', password: 'secret' }, target: { host: 'c' } })
    expect(asked[0]).toMatchObject({ carryAccess: 'idle', databases: { 0: 0, 3: 1 }, payloadBytesMax: 77 })
    expect(asked[0]?.limits).toEqual({ keysPerSecondMax: 8, batchKeys: 64 })
    expect(asked[0]?.rules).toEqual({
      onConflict: 'merge',
      merge: { strings: 'source' },
      filter: {
        include: ['a*', 'b*'],
        exclude: [],
        types: ['hash'],
        databases: [0, 3],
        sizeBytesMin: 0,
        sizeBytesMax: 0,
        ttlMsMin: 5,
        ttlMsMax: 0,
        expiry: 'with',
      },
      rename: [{ from: 'x:', to: 'y:' }],
    })
    const sides = '--source redis://a --target redis://b'
    for (const wrong of ['--rename x', '--rename =x', '--on-conflict overwrite', '--size-bytes-min 5 --size-bytes-max 4'])
      expect((await ferry(`copy ${sides} ${wrong}`)).status, wrong).toBe(2)
    expect(await ferry(`copy ${sides} --rename a=b --rename a=c`)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('expected each prefix once'),
    })
  })

  test('demo too', async () => {
    const asked: unknown[] = []
    const demo = async (options: unknown) => asked.push(options) - 1
    expect((await ferry('demo --keys 2000 --seconds 1 --break-hold', { work: { demo } })).status).toBe(0)
    expect(asked).toEqual([{ json: false, keys: 2000, seconds: 1, breakHold: true }])
  })

  test('serve says where it listens, stays until a signal, and stops in order', async () => {
    const stop = new AbortController()
    const told: string[] = []
    const serve = async (config: { phase: string; source: { url: string } }) => {
      told.push(`${config.phase} ${config.source.url}`)
      return { listening: ['127.0.0.1:7379'], stop: async () => void told.push('stopped') }
    }
    const { status, stdout } = await ferry('serve --source redis://a --target redis://b --phase mirror --read-mode old', {
      work: { serve },
      signal: stop.signal,
      env: { FERRY_CONTROL: '127.0.0.1:7000' },
      onStdout: () => stop.abort(),
    })
    expect([status, stdout]).toEqual([0, 'ferry listens on 127.0.0.1:7379, control at http://127.0.0.1:7000\n'])
    expect(told).toEqual(['mirror redis://a', 'stopped'])
  })
})
