import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FormerConnections } from '../../../src/dispatch/former-connections.ts'
import { Intents } from '../../../src/dispatch/intents.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import type { Side } from '../../../src/routing/modes.ts'
import { IntentLog } from '../../../src/state/intent-log.ts'
import { openStore, type Store } from '../../../src/state/store.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const mebibyte = 1024 * 1024
/** The age of a segment, the time it is kept after it was settled, and some ticks. */
const settledMs = 2_500

class FakeLanes {
  readonly former = new FormerConnections()
  readonly runIds: Partial<Record<Side, string>> = {}
  opened: (lane: Lane) => void = () => undefined
  /** Whether both sides answer. */
  answering = true
  #waiting: (() => void)[] = []

  expectRun(side: Side, runId: string): void {
    this.runIds[side] = runId
  }

  whenAnswered(_side: Side, done: () => void): void {
    if (this.answering) done()
    else this.#waiting.push(done)
  }

  answer(): void {
    this.answering = true
    for (const done of this.#waiting.splice(0)) done()
  }
}

let folder: string
let base: string
let store: Store
let sides: FakeSides
let lanes: FakeLanes
let intents: Intents

beforeEach(() => {
  vi.useFakeTimers()
  folder = mkdtempSync(join(tmpdir(), 'ferry-intents-'))
  base = join(folder, 'state.intents')
  store = openStore(':memory:')
  start()
  intents.recover(true)
})
afterEach(() => {
  intents.stop()
  store.close()
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

/** A process on this state; the one before it does nothing any more. */
function start(bytesMax?: number, notes = true): void {
  vi.clearAllTimers()
  sides = new FakeSides()
  lanes = new FakeLanes()
  intents = new Intents(sides.core, lanes as unknown as Lanes, store, { file: new IntentLog(base), base }, notes, bytesMax)
}

/** The process dies; what the next one says about it, and the keys that it finds in doubt with the side that decides. */
function died(): { problem: string | null; keys: string[] } {
  start()
  const problem = intents.recover(false)
  const keys = sides.core.journal.take(1_000, 0).concat(sides.core.journal.take(1_000, 0), sides.core.journal.take(1_000, 0))
  return { problem, keys: keys.map(({ db, key, from }) => `${db} ${key} ${from}`) }
}

/** The end of a turn in which something is sent. */
function endOfTurn(): void {
  sides.core.turn.schedule({ flush: () => undefined })
  vi.advanceTimersByTime(0)
  vi.runOnlyPendingTimers()
}

function run(db: number, ...lines: string[]): void {
  const buf = Buffer.concat(lines.map((line) => encodeCommand(line.split(' '))))
  intents.run(buf, 0, buf.length, db, lines.length)
}

const noteKey = (key: string, db = 0): void => intents.keys([{ db, key: Buffer.from(key) }])
const files = (): number => readdirSync(folder).length

describe('after a crash', () => {
  it('the keys of all that was about to be sent are in doubt, and no others', () => {
    run(0, 'INCR a', 'SET b 1')
    run(3, 'RENAME c d')
    noteKey('e')
    sides.core.journal.mark(1, Buffer.from('f'), 'target', 'why')
    endOfTurn()
    expect(died()).toEqual({ problem: null, keys: expect.arrayContaining(['0 a source', '0 b source', '0 e source']) })
    expect(sides.core.journal.size).toBe(6)
    expect(sides.core.journal.truthOf(3, Buffer.from('d'))).toBe('source')
    expect(sides.core.journal.truthOf(1, Buffer.from('f'))).toBe('target')
  })

  it('is found what was noted before the turn handed anything to a socket', () => {
    run(0, 'INCR a')
    let inTime = false
    sides.core.turn.schedule({
      flush: () => {
        const next = new FakeSides()
        const file = new IntentLog(join(folder, 'elsewhere'))
        new Intents(next.core, new FakeLanes() as unknown as Lanes, store, { file, base }).recover(false)
        inTime = next.truthOf('a') === 'source'
      },
    })
    vi.runOnlyPendingTimers()
    expect(inTime).toBe(true)
  })

  it('the last word about a key counts', () => {
    sides.core.journal.mark(0, Buffer.from('a'), 'target', 'why')
    noteKey('a')
    noteKey('b')
    sides.core.journal.mark(0, Buffer.from('b'), 'target', 'why')
    endOfTurn()
    expect(died().keys).toEqual(['0 a target', '0 b target'])
  })

  it('large values are not in the log, only their keys', () => {
    const before = intents.bytes
    run(0, `SET a ${'x'.repeat(4_000)}`, `SET b ${'x'.repeat(4_000)}`)
    endOfTurn()
    expect(intents.bytes - before).toBeLessThan(100)
    expect(died().keys).toEqual(['0 a source', '0 b source'])
  })

  it('everything is in doubt after what could have changed anything', () => {
    noteKey('a')
    intents.doubt('flushall was under way')
    endOfTurn()
    expect(died().problem).toBe('flushall was under way')
    run(0, 'FLUSHALL')
    endOfTurn()
    expect(died().problem).toBe('flushall was under way')
    run(0, 'NOSUCHCOMMAND a')
    endOfTurn()
    expect(died().problem).toMatch(/was under way/)
  })

  it('the last word about a key counts, whatever put everything in doubt before it', () => {
    sides.core.journal.mark(0, Buffer.from('a'), 'target', 'why')
    intents.doubt('a command that Ferry does not know')
    noteKey('b')
    run(0, 'NOSUCHCOMMAND', 'SET c 1')
    for (const key of ['a', 'd']) sides.core.journal.mark(0, Buffer.from(key), key === 'a' ? 'source' : 'target', 'why')
    endOfTurn()
    const { problem, keys } = died()
    expect(problem).toMatch(/under way|does not know/)
    expect(keys.sort()).toEqual(['0 a source', '0 b source', '0 c source', '0 d target'])
  })

  it('the side that has become the authority decides about what was noted before', () => {
    noteKey('a')
    run(0, 'INCR b')
    for (const listener of sides.core.flipListeners) listener.flipped('target')
    endOfTurn()
    expect(died().keys.sort()).toEqual(['0 a target', '0 b target'])
  })

  it('everything is in doubt where the log is gone, or the machine was started anew', () => {
    for (const file of readdirSync(folder)) rmSync(join(folder, file))
    expect(died().problem).toBe('there is no intent log')
    store.saveDocument('intents', { ...(store.loadDocument('intents') as object), machine: 'another start' })
    expect(died().problem).toBe('the machine was started anew')
    // And stays so until it is settled.
    expect(died().problem).toBe('the machine was started anew')
    expect(died().keys).toEqual([])
  })

  it('the servers are told which connections to cut off, and are the same ones still', () => {
    const lane = { side: 'target', clientId: 17, runId: 'abc', ended: false, orphaned: false } as Lane
    lanes.opened(lane)
    endOfTurn()
    vi.advanceTimersByTime(5_000)
    expect(died().problem).toBeNull()
    expect(lanes.former.open).toEqual([{ side: 'target', clientId: 17, runId: 'abc' }])
    expect(lanes.runIds).toEqual({ target: 'abc' })
    // One that dies before it has done so leaves it to the next.
    died()
    expect(lanes.former.open).toEqual([{ side: 'target', clientId: 17, runId: 'abc' }])
  })

  it('nothing is in doubt that was settled', () => {
    noteKey('a')
    endOfTurn()
    vi.advanceTimersByTime(settledMs)
    expect(files()).toBe(1)
    expect(died()).toEqual({ problem: null, keys: [] })
  })

  it('nothing is relied on where nothing was noted on purpose', () => {
    start(undefined, false)
    intents.recover(true)
    noteKey('a')
    run(0, 'INCR b')
    endOfTurn()
    expect(died()).toEqual({ problem: null, keys: [] })
  })
})

describe('a segment is kept', () => {
  it('while a ticket is open that was taken before it ended', () => {
    const ticket = sides.core.board.reserve([5])
    noteKey('a')
    endOfTurn()
    vi.advanceTimersByTime(10_000)
    const later = sides.core.board.reserve([6])
    expect(files()).toBe(2)
    sides.core.board.finish(ticket)
    vi.advanceTimersByTime(settledMs)
    expect(files()).toBe(1)
    sides.core.board.finish(later)
  })

  it('until both sides have answered, and the journal is saved', () => {
    lanes.answering = false
    noteKey('a')
    endOfTurn()
    vi.advanceTimersByTime(10_000)
    expect(files()).toBe(2)
    let savedWith = -1
    intents.saveDoubts = () => {
      savedWith = files()
    }
    lanes.answer()
    vi.advanceTimersByTime(settledMs)
    expect(savedWith).toBe(2)
    expect(files()).toBe(1)
  })
})

describe('the log', () => {
  it('is there only while writes go to both sides', () => {
    sides.core.traffic.apply({ ...sides.core.traffic.wish, phase: 'complete' })
    noteKey('a')
    vi.advanceTimersByTime(200)
    expect(files()).toBe(0)
    sides.core.traffic.apply({ ...sides.core.traffic.wish, phase: 'mirror' })
    noteKey('b')
    endOfTurn()
    expect(files()).toBe(1)
    expect(died().keys).toEqual(['0 b source'])
  })

  it('means no doubt where the writes to both sides begin with nothing to note', () => {
    for (const phase of ['complete', 'mirror'] as const) {
      sides.core.traffic.apply({ ...sides.core.traffic.wish, phase })
      vi.advanceTimersByTime(200)
    }
    expect(intents.segments).toBe(1)
    expect(died()).toEqual({ problem: null, keys: [] })
  })

  it('is gone after a stop in order', () => {
    noteKey('a')
    intents.stop()
    expect(files()).toBe(0)
    noteKey('b')
    expect(files()).toBe(0)
  })

  it('does not grow while nothing is sent', () => {
    vi.advanceTimersByTime(60_000)
    expect(files()).toBe(1)
    expect(intents.bytes).toBeLessThan(200)
  })

  it('gives its notes up at its limit, says so, and takes notes again when that is settled', () => {
    start(16 * mebibyte)
    intents.recover(true)
    lanes.answering = false
    const value = 'x'.repeat(400)
    const events = () => sides.core.events.since(0).filter(({ reason }) => reason?.includes('limit') === true)
    for (let i = 0; i < 60_000 && events().length === 0; i++) {
      run(0, `SET key:${i} ${value}`)
      if (i % 100 === 0) endOfTurn()
      expect(intents.bytes).toBeLessThanOrEqual(20 * mebibyte)
    }
    expect(events()).toHaveLength(1)
    expect(intents.bytes).toBeLessThan(1_000)
    noteKey('a')
    endOfTurn()
    expect(intents.bytes).toBeLessThan(1_000)
    lanes.answer()
    vi.advanceTimersByTime(settledMs)
    noteKey('b')
    endOfTurn()
    expect(died()).toEqual({ problem: null, keys: ['0 b source'] })
  })

  it('means doubt about everything from its limit on until then', () => {
    start(8 * mebibyte)
    intents.recover(true)
    lanes.answering = false
    for (let i = 0; i < 12_000; i++) run(0, `SET key:${i} ${'x'.repeat(400)}`)
    endOfTurn()
    vi.advanceTimersByTime(5_000)
    noteKey('a')
    endOfTurn()
    expect(died().problem).toMatch(/holds its limit/)
  })

  it('that cannot be written costs no write, and is not relied on', () => {
    rmSync(folder, { recursive: true })
    noteKey('a')
    endOfTurn()
    vi.advanceTimersByTime(3_000)
    expect(sides.core.events.since(0)).toMatchObject([{ message: expect.stringMatching(/cannot be written/) }])
    expect(store.loadDocument('intents')).toBeNull()
    expect(died().problem).toBe('there is no intent log')
  })
})
