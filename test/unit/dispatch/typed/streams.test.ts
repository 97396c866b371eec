import { describe, expect, it } from 'vitest'
import {
  addConsumers,
  addEntry,
  addGroup,
  claim,
  close,
  consumersOf,
  factsOf,
  type Group,
  groupsOf,
  open,
  type Pending,
  pendingOf,
  removeStandIns,
} from '../../../../src/dispatch/typed/streams.ts'
import { written } from '../../../support/written.ts'

const key = Buffer.from('k')
const bytes = (text: string): Buffer => Buffer.from(text)
const pending = (id: string, consumer = 'c', deliveredAtMs = 5, deliveries = 1): Pending => ({
  id,
  consumer: bytes(consumer),
  deliveredAtMs,
  deliveries,
})
const group = (name: string, entriesRead: number | null): Group => ({
  name: bytes(name),
  lastId: '9-0',
  entriesRead,
  consumers: [bytes('c'), bytes('d')],
})

describe('what is known of a stream', () => {
  it('is what XINFO tells', () => {
    const info = ['length', 2, 'last-generated-id', bytes('9-1'), 'max-deleted-entry-id', bytes('3-0'), 'entries-added', 7]
    const told = info.map((word) => (typeof word === 'string' ? bytes(word) : word))
    expect(factsOf(told)).toEqual({ length: 2, firstId: null, lastId: '9-1', entriesAdded: 7, maxDeletedId: '3-0' })
    expect(factsOf([...told, bytes('first-entry'), [bytes('8-1'), [bytes('f'), bytes('v')]]]).firstId).toBe('8-1')
    expect(factsOf(told.slice(0, 4))).toMatchObject({ entriesAdded: null, maxDeletedId: null })
  })
  it('groups may not know how much they have read', () => {
    const row = (read: number | null) => [
      bytes('name'),
      bytes('g'),
      bytes('last-delivered-id'),
      bytes('4-0'),
      bytes('entries-read'),
      read,
    ]
    expect(groupsOf([row(3), row(null)])).toEqual([
      { name: bytes('g'), lastId: '4-0', entriesRead: 3 },
      { name: bytes('g'), lastId: '4-0', entriesRead: null },
    ])
    expect(consumersOf([[bytes('name'), bytes('c'), bytes('pending'), 1]])).toEqual([bytes('c')])
  })
  it('a delivery is as long ago as the server says by its own clock', () => {
    expect(pendingOf([[bytes('1-0'), bytes('c'), 250, 3]], [bytes('1700000000'), bytes('500999')])).toEqual([
      pending('1-0', 'c', 1_700_000_000_250, 3),
    ])
  })
})

describe('the commands that make a stream', () => {
  it('begin with an empty one', () => {
    expect(written((out) => open(out, key))).toEqual(['XGROUP CREATE k ferry 0 MKSTREAM', 'XGROUP DESTROY k ferry'])
    expect(written((out) => addEntry(out, key, { id: '1-2', fields: [bytes('f'), bytes('v')] }))).toEqual(['XADD k 1-2 f v'])
  })
  it('claim together what was delivered together', () => {
    const all = [pending('1-0'), pending('2-0'), pending('3-0', 'd'), pending('4-0', 'd', 6), pending('5-0', 'd', 6, 2)]
    expect(written((out) => claim(out, key, bytes('g'), all))).toEqual([
      'XCLAIM k g c 0 1-0 2-0 TIME 5 RETRYCOUNT 1 FORCE JUSTID',
      'XCLAIM k g d 0 3-0 TIME 5 RETRYCOUNT 1 FORCE JUSTID',
      'XCLAIM k g d 0 4-0 TIME 6 RETRYCOUNT 1 FORCE JUSTID',
      'XCLAIM k g d 0 5-0 TIME 6 RETRYCOUNT 2 FORCE JUSTID',
    ])
    const many = Array.from({ length: 1_001 }, (_, n) => pending(`${n + 1}-0`))
    expect(written((out) => claim(out, key, bytes('g'), many))).toHaveLength(2)
  })
  it('make a group with all of its consumers', () => {
    const made = written((out) => {
      addGroup(out, key, group('g', 1))
      addConsumers(out, key, group('g', 1))
    })
    expect(made).toEqual(['XGROUP CREATE k g 9-0', 'XGROUP CREATECONSUMER k g c', 'XGROUP CREATECONSUMER k g d'])
  })
  it('remove what only stood in for an entry, by trimming where it is older than all of them', () => {
    const removed = (firstId: string | null, ...ids: string[]) => written((out) => removeStandIns(out, key, ids, firstId))
    expect(removed('2-0', '1-0', '3-0', '10-0')).toEqual(['XTRIM k MINID 2-0', 'XDEL k 3-0 10-0'])
    expect(removed('2-0', '3-0')).toEqual(['XDEL k 3-0'])
    expect(removed(null, '1-0', '3-0')).toEqual(['XTRIM k MAXLEN 0'])
  })
  it('end with the counters', () => {
    const facts = { length: 2, firstId: '4-0', lastId: '9-1', entriesAdded: 7, maxDeletedId: '3-0' }
    expect(written((out) => close(out, key, facts, [group('g', 4), group('h', null)]))).toEqual([
      'XSETID k 9-1 ENTRIESADDED 7 MAXDELETEDID 3-0',
      'XGROUP SETID k g 9-0 ENTRIESREAD 4',
      'XGROUP SETID k h 9-0',
    ])
  })
})
