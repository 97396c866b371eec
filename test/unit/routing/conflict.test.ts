import { expect, it } from 'vitest'
import { isNewer, mergeOf } from '../../../src/routing/conflict.ts'
import { failureClassOf } from '../../../src/routing/copy-failure.ts'

it.each([
  ['string', 'none', 'newer', 'create'],
  ['stream', 'none', 'newer', 'create'],
  ['hash', 'none', 'source', 'create'],
  ['list', 'none', 'newer', 'append'],
  ['list', 'list', 'newer', 'append'],
  ['hash', 'hash', 'newer', 'add'],
  ['set', 'set', 'newer', 'add'],
  ['zset', 'zset', 'newer', 'add'],
  ['string', 'string', 'newer', 'compare'],
  ['string', 'string', 'source', 'replace'],
  ['string', 'string', 'target', 'keep'],
  ['stream', 'stream', 'source', 'leave'],
  ['ReJSON-RL', 'ReJSON-RL', 'source', 'leave'],
  ['list', 'hash', 'source', 'leave'],
  ['string', 'list', 'source', 'leave'],
] as const)('%s onto %s, strings by %s: %s', (source, target, strings, how) => {
  const merge = mergeOf(source, target, strings)
  expect(merge.how).toBe(how)
  if (merge.how !== 'leave') return
  expect(merge.why).toContain(source)
  expect(failureClassOf(merge.why)).toBe('conflict')
})

it('what was used as long ago as the other is not newer', () => {
  expect([isNewer(2, 4), isNewer(3, 4), isNewer(4, 4), isNewer(6, 4)]).toEqual([true, false, false, false])
})
