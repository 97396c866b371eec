/** What the copy says is the matter, over batches that are lost and others that go through. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Core } from '../../../src/dispatch/core.ts'
import { Journal } from '../../../src/dispatch/journal.ts'
import { OrderBoard } from '../../../src/dispatch/order-board.ts'
import { BatchAccount } from '../../../src/mover/batch-account.ts'
import { type CopyOutcome, nothingDone } from '../../../src/mover/copy-outcome.ts'
import { Progress } from '../../../src/mover/progress.ts'
import { Standstill } from '../../../src/mover/standstill.ts'
import { Counters } from '../../../src/observe/counters.ts'
import { EventLog } from '../../../src/observe/events.ts'
import { openStore, type Store } from '../../../src/state/store.ts'

const keys = [Buffer.from('a'), Buffer.from('b')]
const lost = 'target was lost: connection closed'

let store: Store
let progress: Progress
let account: BatchAccount

beforeEach(() => {
  store = openStore(':memory:')
  progress = new Progress()
  const journal = new Journal(new OrderBoard(), store, 100)
  const core = { journal, counters: new Counters(1) } as unknown as Core
  account = new BatchAccount(core, store, new Standstill(new EventLog()), progress)
})
afterEach(() => store.close())

const enter = (outcome: Partial<CopyOutcome>): void =>
  account.enter(0, keys, 'source', { ...nothingDone(), ...outcome }, false, 0)

it('a batch that was lost is the matter until another goes through', () => {
  enter({ unknown: keys, lost })
  expect(progress.lastError).toBe(lost)
  // Nobody was asked for these.
  enter({ busy: keys })
  expect(progress.lastError).toBe(lost)
  enter({ copied: 2 })
  expect(progress.lastError).toBeNull()
  expect(progress.keysCopied).toBe(2)
})

it('or until the healing has copied keys', () => {
  enter({ unknown: keys, lost })
  account.wentThrough()
  expect(progress.lastError).toBeNull()
})
