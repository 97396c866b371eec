import { expect, test } from 'vitest'
import { EventLog, type FerryEvent } from '../../../src/observe/events.ts'

const idsOf = (events: readonly FerryEvent[]): number[] => events.map(({ id }) => id)

test('a reader gets what it missed, then what comes, until it leaves', () => {
  const log = new EventLog({ nowMs: () => 0 })
  log.record('phase', 'one')
  log.record('phase', 'two', { reason: 'because', data: { keys: 3 } })
  const seen: FerryEvent[] = []
  const leave = log.follow(1, (event) => seen.push(event))
  log.record('mover', 'three')
  leave()
  log.record('mover', 'four')
  expect(seen).toEqual([
    { id: 2, at: '1970-01-01T00:00:00.000Z', kind: 'phase', message: 'two', reason: 'because', data: { keys: 3 } },
    { id: 3, at: '1970-01-01T00:00:00.000Z', kind: 'mover', message: 'three', reason: null, data: {} },
  ])
})

test('no more than the limit is given, however many there were', () => {
  const log = new EventLog({ kept: 3 })
  for (let index = 1; index <= 20; index += 1) {
    log.record('k', `event ${index}`)
    expect(idsOf(log.since(0))).toEqual([index - 2, index - 1, index].filter((id) => id > 0))
  }
})

test('ids go on after a restart, and an id from a life that is forgotten gives everything', () => {
  const sunk: FerryEvent[] = []
  const first = new EventLog()
  first.record('k', 'before')
  first.record('k', 'before too')
  const log = new EventLog({ restored: first.since(0), sink: (event) => sunk.push(event) })
  expect(log.record('k', 'after').id).toBe(3)
  expect(idsOf(sunk)).toEqual([3])
  expect(idsOf(log.since(0))).toEqual([1, 2, 3])
  expect(idsOf(log.since(999))).toEqual([1, 2, 3])
  expect(log.since(3)).toEqual([])
})

test('a reader may leave while it is being told', () => {
  const log = new EventLog()
  const seen: number[] = []
  const leave = log.follow(0, ({ id }) => {
    seen.push(id)
    leave()
  })
  log.follow(0, ({ id }) => seen.push(id * 10))
  log.record('k', 'one')
  log.record('k', 'two')
  expect(seen).toEqual([1, 10, 20])
})
