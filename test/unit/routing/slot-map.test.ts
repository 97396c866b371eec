import { describe, expect, test } from 'vitest'
import { changeBetween, parseSlotMap, redirectionOf, slotsInTransit } from '../../../src/routing/slot-map.ts'

type Node = [string | null, number, string]
const a: Node = ['10.0.0.1', 7000, 'aa']
const b: Node = ['10.0.0.2', 7001, 'bb']
const c: Node = ['10.0.0.3', 7002, 'cc']
const map = (...ranges: [number, number, ...Node[]][]) => parseSlotMap(ranges, 'asked')

describe('a slot map', () => {
  test('knows who serves each slot', () => {
    const slots = map([5461, 16_383, b, c], [0, 5459, a])
    expect([0, 5459, 5460, 5461, 16_383].map((slot) => slots.ownerOf(slot)?.id)).toEqual(['aa', 'aa', undefined, 'bb', 'bb'])
    expect(slots.owners.map(({ id }) => id)).toEqual(['aa', 'bb'])
    expect(slots.ownerOf(6000)?.replicas.map(({ id }) => id)).toEqual(['cc'])
    expect(slots.uncovered).toBe(5460)
  })

  test.each([[null], [''], ['?']])('finds a server that calls itself %o where it was asked', (host) => {
    const [owner] = map([0, 16_383, [host, 7000, 'aa']]).owners
    expect(owner).toMatchObject({ host: 'asked', port: 7000 })
  })

  test.each([[null], ['OK'], [[[0, 1]]], [[[0, 1, 'x']]]])('is not made of %j', (reply) => {
    expect(() => parseSlotMap(reply, 'asked')).toThrow()
  })

  test('with one slot in other hands is the same in all others', () => {
    const before = map([0, 100, a], [101, 16_383, b])
    const owner = before.owners[1]
    if (owner === undefined) throw new Error('two owners')
    const after = before.with(7, owner)
    expect([6, 7, 8].map((slot) => after.ownerOf(slot)?.id)).toEqual(['aa', 'bb', 'aa'])
    expect(before.ownerOf(7)?.id).toBe('aa')
    expect(changeBetween(before, after)).toEqual({ moved: [7], failedOver: false })
    const unknown = before.with(8, { id: 'dd', host: 'h', port: 1, replicas: [] })
    expect(unknown.ownerOf(8)?.host).toBe('h')
    expect(unknown.ownerOf(9)?.id).toBe('aa')
  })
})

describe('the change between two maps', () => {
  test('is a failover where a replica took over, and none where slots went to another primary', () => {
    const before = map([0, 9, a, c], [10, 16_383, b])
    expect(changeBetween(before, map([0, 9, c, a], [10, 16_383, b])).failedOver).toBe(true)
    expect(changeBetween(before, map([0, 9, c], [10, 16_383, b]))).toMatchObject({
      failedOver: true,
      moved: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    })
    expect(changeBetween(before, map([0, 8, a, c], [9, 16_383, b]))).toEqual({ failedOver: false, moved: [9] })
    expect(changeBetween(before, before)).toEqual({ failedOver: false, moved: [] })
  })
})

test('slots in transit are told by either end', () => {
  const nodes =
    'aa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [93->-bb] [77-<-cc]\nbb 10.0.0.2:7001@17001 master - 0 0 2 connected\n'
  expect(slotsInTransit(nodes)).toEqual([93, 77])
  expect(slotsInTransit('')).toEqual([])
})

test.each([
  ['-MOVED 3999 127.0.0.1:6381\r\n', { kind: 'moved', slot: 3999, host: '127.0.0.1', port: 6381 }],
  ['-ASK 3999 host.name:6381\r\n', { kind: 'ask', slot: 3999, host: 'host.name', port: 6381 }],
  ['-MOVED 1 :6381\r\n', { kind: 'moved', slot: 1, host: '', port: 6381 }],
  ['-MOVED 1 ?:6381\r\n', { kind: 'moved', slot: 1, host: '', port: 6381 }],
  ['-MOVED 1 2001:db8::1:6381\r\n', { kind: 'moved', slot: 1, host: '2001:db8::1', port: 6381 }],
  ['-MOVED\r\n', null],
  ['-ERR MOVED 1 a:1\r\n', null],
])('%j leads to %j', (error, expected) => {
  expect(redirectionOf(error)).toEqual(expected)
})
