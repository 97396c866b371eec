import clusterKeySlot from 'cluster-key-slot'
import { expect, test } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { lookup } from '../../../src/commands/lookup.ts'
import { crossesSlots, Route, routeOf, slotsOfKeys } from '../../../src/routing/cluster-route.ts'

const specOf = (name: string) => lookup(Buffer.from(name), 0, name.length)
const route = (line: string): number => {
  const words = line.split(' ')
  return routeOf(specOf(words[0] ?? ''), argViewOf(words))
}
const slot = (key: string): number => clusterKeySlot(key)

test.each([
  ['GET key', slot('key')],
  ['SET {tag}key value', slot('tag')],
  ['MSET {t}a 1 {t}b 2', slot('t')],
  ['RENAME {t}a {t}b', slot('t')],
  ['EVAL script 2 {t}a {t}b c', slot('t')],
  ['XREAD COUNT 1 STREAMS {t}a {t}b 0 0', slot('t')],
  ['SPUBLISH channel word', slot('channel')],
  ['DEL a b', Route.split],
  ['MSET a 1 b 2', Route.split],
  ['MGET a b', Route.split],
  ['EXISTS a a', slot('a')],
  ['RENAME a b', Route.crossing],
  ['SUNIONSTORE a b', Route.crossing],
  ['MSETNX a 1 b 2', Route.crossing],
  ['EVAL script 2 a b', Route.crossing],
  ['EVAL script 0', Route.home],
  ['PING', Route.home],
  ['PUBLISH channel word', Route.home],
  ['GET', Route.home],
  ['FLUSHALL', Route.every],
  ['DBSIZE', Route.every],
  ['KEYS *', Route.every],
  ['INFO keyspace', Route.every],
  ['INFO', Route.home],
])('%s goes to %i', (line, expected) => {
  expect(route(line)).toBe(expected)
})

test('the keys of a command that is split go each to its slot, in the order of the command', () => {
  const args = argViewOf(['mset', 'a', '1', 'b', '2', '{a}', '3'])
  expect([...slotsOfKeys(specOf('mset'), args)]).toEqual([
    [slot('a'), [1, 5]],
    [slot('b'), [3]],
  ])
})

test('only what cannot be split crosses slots', () => {
  const keys = (...names: string[]) => names.map((name) => ({ key: Buffer.from(name) }))
  expect(crossesSlots(specOf('rename'), keys('a', 'b'))).toBe(true)
  expect(crossesSlots(specOf('rename'), keys('{t}a', '{t}b'))).toBe(false)
  expect(crossesSlots(specOf('del'), keys('a', 'b'))).toBe(false)
  expect(crossesSlots(specOf('get'), keys('a'))).toBe(false)
})
