/**
 * SIGKILL at random moments of a copy, again and again: as `ferry copy` with a state file, and as the backfill of `ferry serve` with a
 * client that writes all the time.
 *
 * Each start goes on from the checkpoint; what is copied over all of them is no more than there is, and for each kill the batches that were
 * under way and the pages they came from. In the end source and target are equal. A checkpoint of another server, or of an earlier start of
 * it, is not used: cursors are one server's own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Random } from '../../../src/demo/random.ts'
import { moverDefaults } from '../../../src/limits.ts'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { unthrottled } from '../../support/unthrottled.ts'
import { until } from '../../support/wait.ts'
import { WireClient } from '../../support/wire-client.ts'

const keys = 40_000
const kills = 3
const keysPerSecond = 20_000
/** SCAN gives a few more than it is asked for. */
const pageKeys = moverDefaults.batchKeys * 1.2
const twiceAtMost = (moverDefaults.batchesInFlight + 2) * pageKeys
const cli = new URL('../../../src/cli/main.ts', import.meta.url).pathname

const seed = Number(process.env.FERRY_SEED ?? Date.now() % 1_000_000)
const random = new Random(seed)
let source: RedisServer
let target: RedisServer
let dir: string
let ferry: Ferry | null = null

beforeEach(async () => {
  console.log(`FERRY_SEED=${seed}`)
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  dir = await mkdtemp(join(tmpdir(), 'ferry-killed-'))
  await fill(source)
})

afterEach(async () => {
  await ferry?.dispose()
  ferry = null
  await Promise.all([source.stop(), target.stop()])
  await rm(dir, { recursive: true, force: true })
})

async function fill(server: RedisServer): Promise<void> {
  await server
    .client()
    .eval(
      "for i=1,tonumber(ARGV[1]) do if i%10==0 then redis.call('HSET','key:'..i,'f',i) else redis.call('SET','key:'..i,i) end end",
      0,
      keys,
    )
}

/** Keys that were written to the target by a copy, whichever process made it. */
async function copies(): Promise<number> {
  const stats = await target.client().info('commandstats')
  return ['restore', 'set'].reduce(
    (sum, verb) => sum + Number(new RegExp(`cmdstat_${verb}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
    0,
  )
}

const copyArgs = (): string[] => [
  'copy',
  '--source',
  source.url,
  '--target',
  target.url,
  '--state',
  join(dir, 'copy.sqlite'),
  '--keys-per-second',
  String(keysPerSecond),
  '--json',
]

/** A process that was killed may leave a temporary name behind, which ends by itself. */
const differences = async (): Promise<string[]> =>
  (await differencesOf(source, target)).filter((line) => !line.includes(' ferry:copy:{'))

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  readonly output: { stdout: string; stderr: string }
}

function startCopy(): Run {
  const child = spawn(process.execPath, [cli, ...copyArgs()], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk
  })
  return { child, ended: new Promise((resolve) => child.once('close', resolve)), output }
}

/** A while after it has begun to copy. */
async function untilUnderWay(): Promise<void> {
  const before = await copies()
  await until(async () => (await copies()) > before + 200, { timeoutMs: 20_000, intervalMs: 5, what: 'the copy to be under way' })
  await sleep(random.between(0, 600))
}

describe('a copy that is killed', () => {
  it('by `ferry copy` goes on where it was', { timeout: 90_000 }, async () => {
    for (let kill = 0; kill < kills; kill++) {
      const run = startCopy()
      await untilUnderWay()
      run.child.kill('SIGKILL')
      await run.ended
      if (kill > 0) expect(run.output.stderr).toContain('the mover goes on from its checkpoint')
    }
    const last = startCopy()
    expect(await last.ended, last.output.stderr).toBe(0)
    expect(last.output.stderr).toContain('the mover goes on from its checkpoint')
    const report = JSON.parse(last.output.stdout.trim().split('\n').at(-1) as string) as {
      account: { waiting: number }
      keysFailed: number
    }
    expect(report).toMatchObject({ keysFailed: 0, account: { waiting: 0 } })
    expect(await differences()).toEqual([])
    const twice = (await copies()) - keys
    console.log(`copied twice: ${twice} keys in ${kills} kills`)
    expect(twice).toBeGreaterThanOrEqual(0)
    expect(twice).toBeLessThanOrEqual(kills * twiceAtMost)
  })

  it('does not go on with a cursor of a server that was started anew', { timeout: 90_000 }, async () => {
    const run = startCopy()
    await untilUnderWay()
    run.child.kill('SIGKILL')
    await run.ended
    const { port } = source
    await source.stop()
    source = await startRedis({ port })
    await fill(source)
    const last = startCopy()
    expect(await last.ended, last.output.stderr).toBe(0)
    expect(last.output.stderr).toContain('the mover begins anew')
    expect(last.output.stderr).not.toContain('goes on from its checkpoint')
    expect(await differences()).toEqual([])
  })

  it('ends when the source is started anew under it; the next one begins anew', { timeout: 90_000 }, async () => {
    const run = startCopy()
    await untilUnderWay()
    const { port } = source
    await source.stop()
    source = await startRedis({ port })
    await fill(source)
    expect(await run.ended, run.output.stderr).toBe(6)
    expect(run.output.stdout).toContain('the source was restarted')
    const next = startCopy()
    expect(await next.ended, next.output.stderr).toBe(0)
    expect(next.output.stderr).toContain('the mover begins anew')
    expect(await differences()).toEqual([])
  })

  it('by `ferry serve` goes on where it was, and keeps what was written meanwhile', { timeout: 90_000 }, async () => {
    ferry = await Ferry.start({
      source: source.url,
      target: target.url,
      mover: { ...unthrottled, keysPerSecondMax: keysPerSecond },
    })
    let written = 0
    await ferry.post('/v1/mover/start')
    for (let kill = 0; kill < kills; kill++) {
      const writing = writeUntilClosed(ferry.port)
      await untilUnderWay()
      await ferry.kill9()
      written += await writing
      await ferry.restart()
      const { mover, journal } = await ferry.status()
      expect(journal.resyncNeeded).toBeNull()
      expect(mover.state).toMatch(/running|done/)
    }
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100, 40_000)
    await ferry.untilSettled()
    expect(await differences()).toEqual([])
    const twice = (await copies()) - keys
    console.log(`copied twice: ${twice} keys in ${kills} kills, with ${written} writes`)
    // A write that meets a copy, or was under way at a kill, has its key copied once more.
    expect(written).toBeGreaterThan(0)
    expect(twice).toBeLessThanOrEqual(kills * twiceAtMost + written)
    expect(ferry.log).toContain('the mover goes on from its checkpoint')
  })
})

/** Increments keys until the connection goes; how many were answered. */
async function writeUntilClosed(port: number): Promise<number> {
  const client = await WireClient.open(port)
  let count = 0
  try {
    for (; ; count++) {
      const n = random.below(keys - 1) + 1
      await client.ask(n % 10 === 0 ? `HINCRBY key:${n} f 1` : `INCR key:${n}`)
      await sleep(1)
    }
  } catch {
    return count
  }
}
