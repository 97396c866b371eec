import { expect, test } from 'vitest'
import {
  anyKey,
  concatenated,
  firstOf,
  interleaved,
  keyspace,
  leastOf,
  leastPairs,
  type Merge,
  mergeReplies,
  sameOrAll,
  sumOf,
} from '../../../src/routing/merge-nodes.ts'

const merged = (merge: Merge, ...replies: string[]): string =>
  String(
    mergeReplies(
      replies.map((reply) => Buffer.from(reply)),
      merge,
    ),
  )
const info = (text: string): string => `$${text.length}\r\n${text}\r\n`

test.each<[string, Merge, string[], string]>([
  ['sums', sumOf, [':1\r\n', ':0\r\n', ':41\r\n'], ':42\r\n'],
  ['the least', leastOf, [':3\r\n', ':1\r\n', ':2\r\n'], ':1\r\n'],
  ['the least of pairs', leastPairs, ['*2\r\n:1\r\n:0\r\n', '*2\r\n:0\r\n:5\r\n'], '*2\r\n:0\r\n:0\r\n'],
  [
    'one after the other',
    concatenated,
    ['*1\r\n$1\r\na\r\n', '*0\r\n', '*2\r\n$1\r\nb\r\n:1\r\n'],
    '*3\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n',
  ],
  ['a key of whoever has one', anyKey, ['$-1\r\n', '$1\r\na\r\n', '_\r\n'], '$1\r\na\r\n'],
  ['no key', anyKey, ['$-1\r\n', '$-1\r\n'], '$-1\r\n'],
  ['the first', firstOf, ['+OK\r\n', '+OK\r\n'], '+OK\r\n'],
  [
    'places',
    interleaved([[1], [0, 2]]),
    ['*1\r\n$1\r\nb\r\n', '*2\r\n$1\r\na\r\n$-1\r\n'],
    '*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n',
  ],
  ['the same in another order', sameOrAll, ['*2\r\n:1\r\n:2\r\n', '*2\r\n:2\r\n:1\r\n'], '*2\r\n:1\r\n:2\r\n'],
  ['what is not the same everywhere', sameOrAll, ['*1\r\n:1\r\n', '*0\r\n'], '*1\r\n:1\r\n'],
  ['what is not the same everywhere, twice', sameOrAll, ['*1\r\n:1\r\n', '*1\r\n:2\r\n'], '*2\r\n:1\r\n:2\r\n'],
  ['an error of one', sumOf, [':1\r\n', '-NOPERM no\r\n', ':1\r\n'], '-NOPERM no\r\n'],
  [
    'what does not fit together',
    sumOf,
    [':1\r\n', '+OK\r\n'],
    '-ERR FERRY unsupported: the servers of the cluster answered in ways that do not fit together\r\n',
  ],
])('%s', (_, merge, replies, expected) => {
  expect(merged(merge, ...replies)).toBe(expected)
})

test('key counts by database', () => {
  const replies = [
    info('# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=10,subexpiry=0\r\n'),
    info('# Keyspace\r\n'),
    info('# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=30\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n'),
  ]
  expect(merged(keyspace, ...replies)).toBe(
    info('# Keyspace\r\ndb0:keys=5,expires=2,avg_ttl=30\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n'),
  )
})
