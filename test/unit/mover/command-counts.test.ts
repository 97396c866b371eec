import { expect, test } from 'vitest'
import { type CommandCounts, commandCounts } from '../../../src/mover/command-counts.ts'

const info = (...commands: string[]): string =>
  ['# Commandstats', 'cmdstat_get:calls=9,usec=1', ...commands.map((one) => `cmdstat_${one},usec=5,rejected_calls=0`)].join(
    '\r\n',
  )

const changedBy = (before: string[], after: string[]): string[] => {
  const [a, b] = [commandCounts(info(...before)), commandCounts(info(...after))]
  return (Object.keys(a) as (keyof CommandCounts)[]).filter((name) => a[name] !== b[name])
}

test.each([
  ['flushall:calls=1', ['flush']],
  ['flushdb:calls=1', ['flush']],
  ['swapdb:calls=1', ['swap']],
  ['xack:calls=1', ['groups']],
  ['xreadgroup:calls=1', ['groups']],
  ['xsetid:calls=1', ['groups']],
  ['xgroup|destroy:calls=1', ['groups', 'group']],
  ['xgroup:calls=1', ['groups', 'group']],
  ['function|load:calls=1', ['functions']],
  ['set:calls=1', []],
])('%s is told apart', (command, changed) => {
  expect(changedBy([], [command])).toEqual(changed)
})

test('another call is a change, another order of the lines is none', () => {
  expect(changedBy(['swapdb:calls=1', 'xack:calls=1'], ['swapdb:calls=2', 'xack:calls=1'])).toEqual(['swap'])
  expect(changedBy(['xack:calls=1', 'xclaim:calls=2'], ['xclaim:calls=2', 'xack:calls=1'])).toEqual([])
})

test('the same calls that took another time are no change', () => {
  const [a, b] = ['usec=5', 'usec=6'].map((usec) => commandCounts(`cmdstat_swapdb:calls=1,${usec}`))
  expect(a).toEqual(b)
})
