import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeyRename } from '../../../src/routing/key-rename.ts'
import { holds } from '../../support/property.ts'

const named = (rules: Record<string, string>): KeyRename =>
  new KeyRename(Object.entries(rules).map(([from, to]) => ({ from, to })))

it.each([
  [{ 'a:': 'b:' }, 'a:1', 'b:1'],
  [{ 'a:': 'b:' }, 'b:1', 'b:1'],
  [{ 'a:': 'b:' }, 'xa:1', 'xa:1'],
  [{ 'a:': '' }, 'a:1', '1'],
  [{ 'a:': '' }, 'a:', ''],
  [{ 'a:': 'x:', 'a:b:': 'y:' }, 'a:b:1', 'y:1'],
  [{ 'a:b:': 'y:', 'a:': 'x:' }, 'a:b', 'x:b'],
  [{ 'a:': 'b:', 'b:': 'a:' }, 'a:1', 'b:1'],
])('%j: %s is called %s', (rules, from, to) => {
  expect(String(named(rules).nameOf(Buffer.from(from)))).toBe(to)
})

it('takes names as bytes', () => {
  expect(named({ a: 'ü' }).nameOf(Buffer.from([0x61, 0xff, 0x00]))).toEqual(Buffer.from([0xc3, 0xbc, 0xff, 0x00]))
})

it.each([
  [{}, 'a', []],
  [{ 'a:': 'b:' }, 'a:1', ['b:1']],
  [{ 'a:': 'b:' }, 'b:1', ['a:1']],
  [{ 'a:': 'b:' }, 'c:1', []],
  [{ 'a:': 'b:', 'b:': 'a:' }, 'a:1', []],
  [{ 'a:': 'x:', 'c:': 'x:' }, 'a:1', ['x:1', 'c:1']],
  [{ 'a:': 'x:', 'a:b:': 'y:' }, 'x:b:1', []],
])('%j: %s meets %j', (rules, key, rivals) => {
  expect(named(rules).rivalsOf(Buffer.from(key)).map(String)).toEqual(rivals)
})

it('two names arrive as one exactly where each is a rival of the other', () => {
  const part = fc.string({ unit: fc.constantFrom('a', 'b', ':'), maxLength: 3 })
  const rules = fc.uniqueArray(fc.record({ from: part.filter((text) => text !== ''), to: part }), {
    selector: ({ from }) => from,
    maxLength: 4,
  })
  const key = fc.string({ unit: fc.constantFrom('a', 'b', ':'), maxLength: 5 }).map((text) => Buffer.from(text))
  holds(
    fc.property(rules, key, key, (given, one, other) => {
      const rename = new KeyRename(given)
      const meet = !one.equals(other) && rename.nameOf(one).equals(rename.nameOf(other))
      expect(rename.rivalsOf(one).some((rival) => rival.equals(other))).toBe(meet)
      expect(rename.rivalsOf(other).some((rival) => rival.equals(one))).toBe(meet)
    }),
    2_000,
  )
})
