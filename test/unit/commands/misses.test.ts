import { describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { isMiss, missingElements, missRule } from '../../../src/commands/misses.ts'
import { type CommandSpec, Kind } from '../../../src/commands/spec.ts'

const specOf = (name: string) => allCommands.find((spec) => spec.name === name) as CommandSpec
const miss = (name: string, reply: string) => isMiss(specOf(name), Buffer.from(reply))
const missing = (name: string, reply: string) => missingElements(specOf(name), Buffer.from(reply))

describe('miss table', () => {
  it.each([
    ['get', '$-1\r\n'],
    ['get', '_\r\n'],
    ['hgetall', '*0\r\n'],
    ['hgetall', '%0\r\n'],
    ['smembers', '~0\r\n'],
    ['getrange', '$0\r\n\r\n'],
    ['exists', ':0\r\n'],
    ['ttl', ':-2\r\n'],
    ['type', '+none\r\n'],
    ['zrank', '*-1\r\n'],
    ['sscan', '*2\r\n$1\r\n0\r\n*0\r\n'],
    ['xinfo|stream', '-ERR no such key\r\n'],
    ['mget', '*2\r\n$1\r\na\r\n$-1\r\n'],
    ['hpttl', '*1\r\n:-2\r\n'],
  ])('%s with %j is a miss', (name, reply) => expect(miss(name, reply)).toBe(true))

  it.each([
    ['get', '$0\r\n\r\n'],
    ['get', '$4\r\n$-1\r\r\n'],
    ['get', '-WRONGTYPE Operation against a key\r\n'],
    ['ttl', ':-1\r\n'],
    ['ttl', ':0\r\n'],
    ['llen', ':01\r\n'],
    ['exists', ':1\r\n'],
    ['sscan', '*2\r\n$2\r\n10\r\n*0\r\n'],
    ['mget', '*2\r\n$3\r\n$-1\r\n$1\r\nb\r\n'],
    ['hpttl', '*2\r\n:-1\r\n:200\r\n'],
    ['dbsize', ':0\r\n'],
    ['eval_ro', '$-1\r\n'],
  ])('%s with %j is none', (name, reply) => expect(miss(name, reply)).toBe(false))

  it('finds the elements that are missing, past values that look like it', () => {
    expect(missing('mget', '*4\r\n$-1\r\n$5\r\n$-1\r\n\r\n_\r\n$0\r\n\r\n')).toEqual([0, 2])
    expect(missing('geopos', '*3\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n*-1\r\n*2\r\n,1.5\r\n,2\r\n')).toEqual([1])
    expect(missing('smismember', '*3\r\n:1\r\n:0\r\n:0\r\n')).toEqual([1, 2])
    expect(missing('mget', '-ERR no\r\n')).toEqual([])
    expect(missing('get', '$-1\r\n')).toEqual([])
  })

  it('judges every read that has keys, but for those named here', () => {
    // What a script says about a missing key is its own affair.
    const unjudged = ['eval_ro', 'evalsha_ro', 'fcall_ro']
    const reads = allCommands.filter((spec) => spec.kind === Kind.ReadPlain || spec.kind === Kind.ReadMovable)
    expect(reads.length).toBeGreaterThan(70)
    expect(reads.filter((spec) => !missRule(spec)).map((spec) => spec.name)).toEqual(unjudged)
  })

  it('marks those that mix several keys into one answer', () => {
    const readsManyKeys = (spec: CommandSpec) => spec.lastKey < 0 || spec.lastKey > spec.firstKey || spec.movable
    const mixing = allCommands.filter((spec) => missRule(spec) && readsManyKeys(spec) && !missRule(spec)?.perElement)
    const alone = mixing.filter((spec) => !missRule(spec)?.combines).map((spec) => spec.name)
    // One key each, and the one that a stored result would go to.
    expect(alone).toEqual(['georadius', 'georadiusbymember', 'sort', 'sort_ro'])
  })
})
