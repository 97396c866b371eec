/** The healing over a copier that does what the test says: what is tried again, what ends in the queue, and what each scanned key counts as. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { Core } from '../../../src/dispatch/core.ts'
import { Journal } from '../../../src/dispatch/journal.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { OrderBoard } from '../../../src/dispatch/order-board.ts'
import { Traffic } from '../../../src/dispatch/traffic.ts'
import { limitDefaults } from '../../../src/limits.ts'
import type { Copier } from '../../../src/mover/copier.ts'
import { type CopyOutcome, nothingDone } from '../../../src/mover/copy-outcome.ts'
import { Healer } from '../../../src/mover/healer.ts'
import { Standstill } from '../../../src/mover/standstill.ts'
import { Counters } from '../../../src/observe/counters.ts'
import { EventLog } from '../../../src/observe/events.ts'
import { createLatencies } from '../../../src/observe/histograms.ts'
import { openStore, type Store } from '../../../src/state/store.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { until } from '../../support/wait.ts'

/** What becomes of one key of a batch: copied, gone, or the words of a refusal; `cut` ends the connection for the whole batch. */
type Fate = 'copied' | 'gone' | 'cut' | (string & {})

let store: Store
let core: Core
let standstill: Standstill
let healer: Healer
/** The batches that were tried, with more than one try of each at once counted. */
let batches: string[][]
let under: number
let fateOf: (key: string) => Fate
let healed: () => void

const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const denied = 'NOPERM No permissions to access a key'
const outOfMemory = "OOM command not allowed when used memory > 'maxmemory'."

async function copy(_db: number, keys: readonly Buffer[]): Promise<CopyOutcome> {
  const names = keys.map(String)
  batches.push(names)
  under++
  await new Promise((resolve) => setImmediate(resolve))
  under--
  const outcome = nothingDone()
  const fates = names.map(fateOf)
  if (fates.includes('cut')) return { ...outcome, unknown: [...keys], lost: 'target was lost: connection closed' }
  keys.forEach((key, i) => {
    const fate = fates[i] as Fate
    if (fate === 'copied') outcome.copied++
    else if (fate === 'gone') outcome.absent.push(key)
    else outcome.failed.push({ key, error: fate, side: 'target' })
  })
  return outcome
}

beforeEach(() => {
  store = openStore(':memory:')
  const board = new OrderBoard()
  const traffic = { phase: 'mirror', writePolicy: 'old-authoritative', readMode: 'old' } as const
  core = new Core({
    turn: new Turn(),
    board,
    journal: new Journal(board, store, 1_000),
    traffic: new Traffic({ ...traffic, readPercentage: 0, ratioBy: 'slot', tenants: [] }),
    counters: new Counters(allCommands.length),
    latencies: createLatencies(),
    events: new EventLog(),
    limits: limitDefaults,
  })
  standstill = new Standstill(core.events)
  batches = []
  under = 0
  healed = () => undefined
  const lanes = { lane: () => ({ up: true, side: 'source' }), orphaned: () => false } as unknown as Lanes
  healer = new Healer(core, lanes, { copy } as unknown as Copier, store, { standstill, healed: () => healed() })
})

afterEach(() => {
  healer.stop()
  store.close()
})

/** As the mover leaves keys behind. */
function owe(...names: string[]): void {
  core.journal.countFrom(null)
  core.journal.ledger.found(names.length)
  for (const name of names) {
    core.journal.mark(0, Buffer.from(name), 'source', 'left by the mover')
    core.journal.owe(0, Buffer.from(name))
  }
  healer.start()
}

const settled = (): Promise<boolean> => until(() => core.journal.size === 0, { what: 'the journal to be empty' })

it('a key that changed its type meanwhile is read again, and one that is refused for ever is given up with its story', async () => {
  let changes = 3
  fateOf = (key) =>
    key === 'for-ever' ? denied : key === 'once' && changes-- > 0 ? wrongType : key === 'gone' ? 'gone' : 'copied'
  owe('once', 'for-ever', 'gone', 'plain')
  await settled()
  expect(core.journal.ledger.counts()).toEqual({ scanned: 4, copied: 2, skipped: 0, vanished: 1, exported: 1, waiting: 0 })
  const [failed] = store.listFailed(0, 10).items
  expect(failed).toMatchObject({
    key: Buffer.from('for-ever'),
    failure: 'no-permission',
    attempts: 3,
    saidBy: 'target',
    error: denied,
  })
  expect((failed?.firstAt ?? 0) < (failed?.lastAt ?? 0)).toBe(true)
})

it('while a server takes nothing one key is tried from time to time, and none is given up', async () => {
  let full = true
  fateOf = () => (full ? outOfMemory : 'copied')
  const names = Array.from({ length: 300 }, (_, n) => `k${n}`)
  owe(...names)
  await until(() => standstill.reason !== null, { what: 'the standstill' })
  expect(standstill.reason).toContain('target: the server is at its memory limit')
  // Those that were under way when it began.
  const first = batches.length
  await until(() => batches.length >= first + 3, { what: 'trials' })
  expect(batches.slice(first).every((batch) => batch.length === 1 && batch[0] === batches[first]?.[0])).toBe(true)
  expect(core.journal.size).toBe(300)
  let told = false
  healed = () => {
    told = true
    // Not before anything was taken.
    expect(full).toBe(false)
  }
  full = false
  await settled()
  expect(standstill.reason).toBeNull()
  expect(told).toBe(true)
  expect(store.countFailed()).toBe(0)
  expect(core.journal.ledger.counts()).toMatchObject({ copied: 300, waiting: 0 })
  expect(core.events.since(0).map(({ message }) => message)).toEqual([
    'the mover waits: target: the server is at its memory limit and may evict nothing',
    'the mover goes on',
  ])
})

it('a key that ends the connection each time is found among others, tried alone, and given up; the others are copied', async () => {
  fateOf = (key) => (key === 'poison' ? 'cut' : 'copied')
  const alone: number[] = []
  const inner = fateOf
  fateOf = (key) => {
    if (key === 'poison') alone.push(under)
    return inner(key)
  }
  owe('a', 'poison', 'b')
  await settled()
  expect(store.listFailed(0, 10).items).toMatchObject([{ key: Buffer.from('poison'), failure: 'lost', attempts: 7 }])
  expect(batches.filter((batch) => batch.length === 1 && batch[0] === 'poison').length).toBeGreaterThanOrEqual(4)
  expect(alone.slice(-3)).toEqual([0, 0, 0])
  expect(core.journal.ledger.counts()).toMatchObject({ scanned: 3, copied: 2, exported: 1, waiting: 0 })
})

it('a key that is copied leaves the queue, whatever was told of it before', async () => {
  fateOf = () => denied
  owe('k')
  await settled()
  expect(store.countFailed()).toBe(1)
  fateOf = () => 'copied'
  core.journal.mark(0, Buffer.from('k'), 'source', 'written again')
  await settled()
  await until(() => store.countFailed() === 0, { what: 'the queue to be empty' })
})
