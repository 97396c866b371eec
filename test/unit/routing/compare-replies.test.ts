import { describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { sameReply } from '../../../src/routing/compare-replies.ts'

function same(command: string, left: string, right: string): boolean {
  const spec = allCommands.find(({ name }) => name === command)
  if (spec === undefined) throw new Error(`no command ${command}`)
  return sameReply(spec, Buffer.from(left), Buffer.from(right))
}

describe('the same', () => {
  it.each([
    ['get', '$1\r\na\r\n', '$1\r\na\r\n'],
    ['get', '$-1\r\n', '_\r\n'],
    ['lrange', '*-1\r\n', '_\r\n'],
    ['mget', '*2\r\n$-1\r\n$1\r\na\r\n', '*2\r\n_\r\n$1\r\na\r\n'],
    ['get', '-WRONGTYPE one wording\r\n', '-WRONGTYPE another\r\n'],
    ['get', '-ERR one\r\n', '!7\r\nERR two\r\n'],
    ['smembers', '*2\r\n$1\r\na\r\n$1\r\nb\r\n', '~2\r\n$1\r\nb\r\n$1\r\na\r\n'],
    ['hgetall', '*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n', '%2\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n'],
    ['zscore', '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['zscore', '$20\r\n0.300000000000000040\r\n', '$19\r\n0.30000000000000004\r\n'],
    ['zrange', '*2\r\n$1\r\na\r\n$1\r\n1\r\n', '*2\r\n$1\r\na\r\n,1.0\r\n'],
    ['sismember', ':1\r\n', '#t\r\n'],
    ['ttl', ':100\r\n', ':101\r\n'],
    ['pttl', ':100000\r\n', ':99000\r\n'],
    ['hpttl', '*2\r\n:-1\r\n:5000\r\n', '*2\r\n:-1\r\n:5900\r\n'],
    ['hgetall', '*0\r\n', '%0\r\n'],
    ['object|idletime', ':1\r\n', ':900\r\n'],
    ['srandmember', '$1\r\na\r\n', '$1\r\nb\r\n'],
    ['strlen', ':9007199254740993\r\n', ':9007199254740993\r\n'],
  ])('%s: %j and %j', (command, left, right) => {
    expect(same(command, left, right)).toBe(true)
    expect(same(command, right, left)).toBe(true)
  })
})

describe('different', () => {
  it.each([
    ['get', '$1\r\na\r\n', '$1\r\nb\r\n'],
    ['get', '$1\r\n1\r\n', '$3\r\n1.0\r\n'],
    ['get', '$0\r\n\r\n', '$-1\r\n'],
    ['get', '-WRONGTYPE x\r\n', '-ERR x\r\n'],
    ['get', '-ERR x\r\n', '$5\r\nERR x\r\n'],
    ['lrange', '*2\r\n$1\r\na\r\n$1\r\nb\r\n', '*2\r\n$1\r\nb\r\n$1\r\na\r\n'],
    ['lrange', '*0\r\n', '*-1\r\n'],
    // The same bytes in a row, cut at another place.
    ['mget', '*2\r\n$2\r\nab\r\n$1\r\nc\r\n', '*2\r\n$1\r\na\r\n$2\r\nbc\r\n'],
    ['smembers', '*2\r\n$1\r\na\r\n$1\r\na\r\n', '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['smembers', '*1\r\n$1\r\na\r\n', '*2\r\n$1\r\na\r\n$1\r\na\r\n'],
    // The same elements, but not the same pairs.
    ['hgetall', '*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n', '*4\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n1\r\n'],
    ['zscore', '$3\r\n1.5\r\n', '$3\r\n1.6\r\n'],
    ['ttl', ':100\r\n', ':102\r\n'],
    ['ttl', ':-1\r\n', ':0\r\n'],
    ['ttl', ':-2\r\n', ':-1\r\n'],
    ['pttl', ':100000\r\n', ':98999\r\n'],
    ['hpttl', '*1\r\n:5000\r\n', '*2\r\n:5000\r\n:5000\r\n'],
    ['strlen', ':9007199254740993\r\n', ':9007199254740992\r\n'],
    ['xrange', '*1\r\n*2\r\n$3\r\n1-1\r\n*0\r\n', '*1\r\n*2\r\n$3\r\n1-2\r\n*0\r\n'],
  ])('%s: %j and %j', (command, left, right) => {
    expect(same(command, left, right)).toBe(false)
    expect(same(command, right, left)).toBe(false)
  })
})
