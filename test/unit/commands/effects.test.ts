import { expect, test } from 'vitest'
import { argBytes } from '../../../src/commands/arg-view.ts'
import { effectOf, tellsEffect } from '../../../src/commands/effects.ts'
import type { Reply } from '../../../src/resp/decode.ts'
import { Found, RequestScanner } from '../../../src/resp/request-scanner.ts'

const words = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word))

/** The effect in words, as a person would type it. */
function effect(line: string, reply: Reply): string {
  const argv = words(line)
  const found = effectOf(String(argv[0]).toLowerCase(), argv, reply)
  if (found.how !== 'frame') return found.how
  const scanner = new RequestScanner({ bulkBytes: 1024, argumentsMax: 100, inlineBytes: 1024 })
  scanner.reset(found.frame, 0, found.frame.length)
  expect(scanner.next()).toBe(Found.frame)
  const typed = Array.from({ length: scanner.argc }, (_, i) => String(argBytes(scanner, i))).join(' ')
  return `${typed} → ${JSON.stringify(String(found.expected))}`
}

test.each<[line: string, reply: Reply, wanted: string]>([
  ['SPOP s', Buffer.from('a'), 'SREM s a → ":1\\r\\n"'],
  ['SPOP s 3', [Buffer.from('a'), Buffer.from('b')], 'SREM s a b → ":2\\r\\n"'],
  ['SPOP s', null, 'none'],
  ['SPOP s 3', [], 'none'],
  ['SPOP s', { error: 'WRONGTYPE' }, 'none'],
  ['SPOP s', 5, 'copy'],
  ['INCRBYFLOAT f 0.5', Buffer.from('1.5'), 'SET f 1.5 KEEPTTL → "+OK\\r\\n"'],
  ['INCRBYFLOAT f x', { error: 'ERR value is not a valid float' }, 'none'],
  ['XADD s * a 1', Buffer.from('5-0'), 'XADD s 5-0 a 1 → "$3\\r\\n5-0\\r\\n"'],
  ['XADD s 5-* a 1', Buffer.from('5-3'), 'XADD s 5-3 a 1 → "$3\\r\\n5-3\\r\\n"'],
  ['XADD s NOMKSTREAM MAXLEN = 10 * a 1', Buffer.from('5-0'), 'XADD s NOMKSTREAM MAXLEN = 10 5-0 a 1 → "$3\\r\\n5-0\\r\\n"'],
  ['XADD s MAXLEN 10 * a *', Buffer.from('5-0'), 'XADD s MAXLEN 10 5-0 a * → "$3\\r\\n5-0\\r\\n"'],
  ['XADD s NOMKSTREAM * a 1', null, 'none'],
  ['HINCRBYFLOAT h f 1', Buffer.from('1'), 'copy'],
])('%s answered %j: %s', (line, reply, wanted) => {
  expect(effect(line, reply)).toBe(wanted)
})

test('a trimming by rule of thumb tells nothing: two servers cut in different places', () => {
  expect(tellsEffect('xadd', words('XADD s MAXLEN ~ 10 * a 1'))).toBe(false)
  expect(tellsEffect('xadd', words('XADD s MINID ~ 5-0 LIMIT 10 * a 1'))).toBe(false)
  expect(tellsEffect('xadd', words('XADD s KEEPREF * a 1'))).toBe(false)
  expect(tellsEffect('xadd', words('XADD s * a 1'))).toBe(true)
})

test('names and members are bytes, not text', () => {
  const member = Buffer.from([0, 255, 13, 10])
  const found = effectOf('spop', [Buffer.from('spop'), Buffer.from([1, 2, 254])], member)
  expect(found).toMatchObject({ how: 'frame' })
  if (found.how === 'frame') expect(found.frame.includes(member)).toBe(true)
})
