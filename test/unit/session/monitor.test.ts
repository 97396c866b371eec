import { expect, it } from 'vitest'
import { type MonitoredCommand, monitoredBytesMax, monitorLine } from '../../../src/session/monitor.ts'

const command = (...words: string[]): MonitoredCommand => ({
  argc: words.length,
  argument: (i) => Buffer.from(words[i] ?? '', 'latin1'),
})
const line = (name: string, ...words: string[]): string =>
  monitorLine(1_700_000_000_007, 3, '127.0.0.1:5', name, command(...words))

it('is a line in a server’s own form', () => {
  expect(line('set', 'SET', 'k', '')).toBe('+1700000000.007000 [3 127.0.0.1:5] "SET" "k" ""\r\n')
  expect(line('set', 'a"b\\c\r\n\t\x07\b\x00\x7f\xff ~!')).toContain('"a\\"b\\\\c\\r\\n\\t\\a\\b\\x00\\x7f\\xff ~!"')
})

it('leaves passwords out', () => {
  expect(line('auth', 'AUTH', 'name', 'secret')).toContain('] "AUTH" "(redacted)" "(redacted)"\r\n')
  expect(line('hello', 'HELLO', '3', 'SETNAME', 'auth1', 'auth', 'name', 'secret', 'SETNAME', 'x')).toContain(
    '"SETNAME" "auth1" "auth" "(redacted)" "(redacted)" "SETNAME" "x"\r\n',
  )
})

it('cuts an argument at its limit and no earlier', () => {
  expect(line('echo', 'x'.repeat(monitoredBytesMax))).toContain(`"${'x'.repeat(monitoredBytesMax)}"\r\n`)
  expect(line('echo', 'x'.repeat(monitoredBytesMax + 1), 'y')).toContain('x"... (1 more bytes) "y"\r\n')
})
