import { describe, expect, test } from 'vitest'
import { copyLine, copyView } from '../../../src/cli/copy-view.ts'
import { moverDefaults } from '../../../src/limits.ts'
import type { CopyProgress } from '../../../src/mover/copy-view.ts'

const mover: CopyProgress['mover'] = {
  state: 'running',
  pass: 'copy',
  keysTotal: 5_000,
  keysScanned: 1_250,
  keysCopied: 1_200,
  keysDeleted: 0,
  keysRetried: 0,
  keysFailed: 0,
  bytesCopied: 123_456,
  keysPerSecond: 25_000,
  bytesPerSecond: 1_600_000,
  etaSeconds: 75,
  startedAt: null,
  throttle: null,
  speedPercent: 100,
  lastError: null,
  account: { scanned: 1_250, copied: 1_200, skipped: 0, vanished: 0, exported: 0, waiting: 50 },
  limits: { ...moverDefaults },
}
const now: CopyProgress = { phase: 'copy', mover, waiting: 50, standstill: null, live: null }
const following: CopyProgress = { ...now, phase: 'follow', waiting: 3, live: { changes: 12_345, passes: 1 } }

test('a pass has a bar, its rate and how long it will take', () => {
  expect(copyLine(now)).toBe(
    'copy [#####---------------] 25 %, 1 min 15 s left, 25,000 keys/s, 1,250 of 5,000 keys, 1.6 MB/s, 50 waiting',
  )
})

test('what slows it down, and what failed, is told', () => {
  const account = { ...mover.account, exported: 2 }
  const slow = { ...mover, account, throttle: 'throttled: source p99 8 ms > 5 ms', lastError: 'target was lost' }
  expect(copyLine({ ...now, mover: slow })).toMatch(/50 waiting, 2 failed, throttled: source p99 8 ms > 5 ms, target was lost$/)
})

test('where nothing goes on, why comes before all that has no meaning then', () => {
  const standstill = { reason: 'target redis://b: the server takes no writes (READONLY)', advice: 'Wait.', seconds: 95 }
  const words = 'at a standstill for 1 min 35 s: target redis://b: the server takes no writes (READONLY)'
  expect(copyLine({ ...now, standstill })).toBe(`copy 25 %, ${words}`)
  expect(copyLine({ ...following, standstill })).toBe(`following, ${words}`)
})

test('whoever follows says how far behind it is', () => {
  expect(copyLine(following)).toBe('following, 12,345 changes so far, 3 waiting')
})

describe('where it goes', () => {
  const shown = (tty: boolean, json: boolean, env: Record<string, string> = {}) => {
    const written = { stdout: '', stderr: '' }
    const stream = (name: 'stdout' | 'stderr') => ({
      isTTY: tty,
      columns: 60,
      write: (text: string) => {
        written[name] += text
      },
    })
    const io = { stdout: stream('stdout'), stderr: stream('stderr'), env, signal: new AbortController().signal }
    const view = copyView(io, json)
    view.progress(now)
    view.note('waits')
    view.progress(following)
    view.end()
    return { ...written, everyMs: view.everyMs }
  }

  test('on a terminal it is one line, no wider than that, and gone at the end', () => {
    const { stdout, stderr } = shown(true, false)
    expect(stdout).toBe('')
    expect(stderr.split('\r\x1b[2K').slice(1)).toEqual([
      copyLine(now).slice(0, 59),
      'waits\n',
      'following, 12,345 changes so far, 3 waiting',
      '',
    ])
  })

  test.each([
    ['elsewhere', shown(false, false)],
    ['on a dumb terminal', shown(true, false, { TERM: 'dumb' })],
  ])('%s it is whole lines without control characters, every few seconds', (_, { stdout, stderr, everyMs }) => {
    expect(stdout).toBe('')
    expect(stderr).toBe(`${copyLine(now)}\nwaits\n${copyLine(following)}\n`)
    expect(everyMs).toBeGreaterThanOrEqual(1_000)
  })

  test('with --json it is a document per line, and talk goes elsewhere', () => {
    const { stdout, stderr } = shown(true, true)
    const documents = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(documents).toMatchObject([
      { kind: 'progress', phase: 'copy', waiting: 50, live: null, keysScanned: 1_250, etaSeconds: 75 },
      { kind: 'progress', phase: 'follow', waiting: 3, live: { changes: 12_345, passes: 1 } },
    ])
    expect(stderr).toBe('waits\n')
  })
})
