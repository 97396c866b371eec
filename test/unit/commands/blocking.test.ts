/** The plain forms of blocking commands and their replies. Errors are held against servers in test/integration/proxy/blocking.test.ts. */
import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { type BlockingPlan, mayWake, nothing, outcomeOf, readBlocking, waitsForKeys } from '../../../src/commands/blocking.ts'
import { allCommands } from '../../../src/commands/catalogue.ts'
import type { CommandSpec } from '../../../src/commands/spec.ts'

const specOf = (name: string): CommandSpec => allCommands.find((spec) => spec.name === name) as CommandSpec

function read(line: string, multiPop = true): ReturnType<typeof readBlocking> {
  const argv = line.split(' ').map((arg) => Buffer.from(arg))
  return readBlocking(specOf(String(argv[0]).toLowerCase()), argv, multiPop)
}

function planOf(line: string, multiPop = true): BlockingPlan {
  const blocking = read(line, multiPop)
  if (blocking.how !== 'wait') throw new Error(`${line}: ${blocking.how}`)
  return blocking.plan
}

const attempts = (line: string, multiPop = true): string[] => planOf(line, multiPop).attempts.map(({ argv }) => argv.join(' '))

describe('the plain form', () => {
  it.each([
    ['BLPOP k 0', ['lpop k']],
    ['BRPOP k 0', ['rpop k']],
    ['BZPOPMIN k 0', ['zpopmin k']],
    ['BZPOPMAX k 0', ['zpopmax k']],
    ['BLPOP a b 0', ['lmpop 2 a b LEFT']],
    ['BRPOP a b 0', ['lmpop 2 a b RIGHT']],
    ['BZPOPMIN a b 0', ['zmpop 2 a b MIN']],
    ['BZPOPMAX a b 0', ['zmpop 2 a b MAX']],
    ['BLMPOP 0 2 a b left COUNT 3', ['lmpop 2 a b left COUNT 3']],
    ['BZMPOP 0 1 a MAX', ['zmpop 1 a MAX']],
    ['BLMOVE a b LEFT RIGHT 0', ['lmove a b LEFT RIGHT']],
    ['BRPOPLPUSH a b 0', ['rpoplpush a b']],
    ['XREAD COUNT 1 BLOCK 5 STREAMS a b 1 2', ['XREAD COUNT 1 STREAMS a b 1 2']],
    ['XREADGROUP GROUP block c BLOCK 5 NOACK STREAMS a >', ['XREADGROUP GROUP block c NOACK STREAMS a >']],
  ])('%s', (line, plain) => {
    expect(attempts(line)).toEqual(plain)
  })

  it('goes from key to key where a server does not know how to look at several in one step', () => {
    expect(attempts('BLPOP a b a 0', false)).toEqual(['lpop a', 'lpop b', 'lpop a'])
    expect(attempts('BZPOPMAX a b 0', false)).toEqual(['zpopmax a', 'zpopmax b'])
  })

  it('never blocks: no BLOCK is left, however often it is given', () => {
    expect(attempts('XREAD BLOCK 1 BLOCK 2 STREAMS a 0')).toEqual(['XREAD STREAMS a 0'])
    expect(planOf('XREAD BLOCK 1 BLOCK 2 STREAMS a 0').timeoutMs).toBe(2)
  })
})

describe('what it waits for', () => {
  it.each([
    ['BLPOP a b 0', 'a b', 'list'],
    ['BLMOVE a b LEFT LEFT 0', 'a', 'list'],
    ['BZMPOP 0 2 a b MIN', 'a b', 'zset'],
    ['XREADGROUP GROUP g c BLOCK 0 STREAMS a b > >', 'a b', 'stream g'],
    ['XREAD BLOCK 0 STREAMS a 0', 'a', null],
  ])('%s', (line, keys, standing) => {
    const plan = planOf(line)
    expect([plan.keys.join(' '), plan.line, plan.reads]).toEqual([keys, standing, standing === null])
  })

  it('knows where it puts what it takes', () => {
    expect(String(planOf('BLMOVE a b LEFT LEFT 0').destination)).toBe('b')
    expect(planOf('BLPOP a b 0').destination).toBeNull()
  })

  it('knows the ids that have yet to be found out', () => {
    const plan = planOf('XREAD BLOCK 0 STREAMS a b c $ 5 +')
    expect(plan.openIds.map(({ key, at, last }) => [String(key), at, last])).toEqual([
      ['a', 5, false],
      ['c', 7, true],
    ])
  })

  it.each([
    ['0', 0],
    ['1.5', 1500],
    ['0.0001', 1],
    ['1e2', 100_000],
    ['.5', 500],
    ['+5', 5000],
  ])('waits %s seconds', (text, ms) => {
    expect(planOf(`BLPOP k ${text}`).timeoutMs).toBe(ms)
  })
})

describe('what is wrong', () => {
  it.each([
    ['BLPOP k x', 'ERR timeout is not a float or out of range'],
    ['BLPOP k -1', 'ERR timeout is negative'],
    ['BLPOP k inf', 'ERR timeout is out of range'],
    ['BLMPOP x 1 k LEFT', 'ERR timeout is not a float or out of range'],
    ['XREAD BLOCK 1.5 STREAMS s 0', 'ERR timeout is not an integer or out of range'],
    ['XREAD BLOCK -1 STREAMS s 0', 'ERR timeout is negative'],
    ['XREAD BLOCK 9223372036854775807 STREAMS s 0', 'ERR timeout is out of range'],
  ])('is said: %s', (line, text) => {
    expect(read(line)).toEqual({ how: 'error', text })
  })

  it.each([
    ['BLMOVE a b UP DOWN x', 'lmove a b UP DOWN'],
    ['BLMPOP x 0 k LEFT', 'lmpop 0 k LEFT'],
    ['BLMPOP x 1 k UP', 'lmpop 1 k UP'],
    ['BLMPOP x 1 k LEFT COUNT 0', 'lmpop 1 k LEFT COUNT 0'],
    ['XREAD COUNT x BLOCK y STREAMS s 0', 'XREAD COUNT x STREAMS s 0'],
    ['XREAD BLOCK 1 STREAMS a b 0', 'XREAD STREAMS a b 0'],
  ])('is left to the server, which says it first: %s', (line, plain) => {
    const blocking = read(line)
    expect(blocking.how === 'once' && blocking.argv.join(' ')).toBe(plain)
  })
})

describe('the reply', () => {
  const outcome = (line: string, reply: string, multiPop = true): string => {
    const [attempt] = planOf(line, multiPop).attempts
    return String(outcomeOf(attempt as BlockingPlan['attempts'][number], Buffer.from(reply)))
  }

  it.each([
    ['BLPOP k 0', '$1\r\nv\r\n', '*2\r\n$1\r\nk\r\n$1\r\nv\r\n'],
    ['BLPOP k 0', '$0\r\n\r\n', '*2\r\n$1\r\nk\r\n$0\r\n\r\n'],
    ['BLPOP a b 0', '*2\r\n$1\r\nb\r\n*1\r\n$3\r\n*1\n\r\n', '*2\r\n$1\r\nb\r\n$3\r\n*1\n\r\n'],
    ['BZPOPMIN k 0', '*2\r\n$1\r\nm\r\n$1\r\n1\r\n', '*3\r\n$1\r\nk\r\n$1\r\nm\r\n$1\r\n1\r\n'],
    ['BZPOPMIN k 0', '*2\r\n$1\r\nm\r\n,1.5\r\n', '*3\r\n$1\r\nk\r\n$1\r\nm\r\n,1.5\r\n'],
    ['BZPOPMAX a b 0', '*2\r\n$1\r\nb\r\n*1\r\n*2\r\n$1\r\nm\r\n,1\r\n', '*3\r\n$1\r\nb\r\n$1\r\nm\r\n,1\r\n'],
    ['BLMOVE a b LEFT LEFT 0', '$1\r\nv\r\n', '$1\r\nv\r\n'],
    ['BLMPOP 0 1 k LEFT', '*2\r\n$1\r\nk\r\n*1\r\n$1\r\nv\r\n', '*2\r\n$1\r\nk\r\n*1\r\n$1\r\nv\r\n'],
  ])('of %s to %j', (line, reply, expected) => {
    expect(outcome(line, reply)).toBe(expected)
  })

  it('is nothing yet where the plain form found nothing, and an error where it is one', () => {
    for (const reply of ['$-1\r\n', '*-1\r\n', '_\r\n', '*0\r\n']) expect(outcome('BLPOP k 0', reply)).toBe('empty')
    expect(outcome('BLPOP k 0', '-WRONGTYPE no\r\n')).toBe('error')
  })

  it('to a time-out is nil in the words of the protocol', () => {
    expect([String(nothing(2)), String(nothing(3))]).toEqual(['*-1\r\n', '_\r\n'])
  })
})

describe('waiting', () => {
  it('is for keys, or for replicas, or not at all', () => {
    const waits = (...args: string[]): boolean => waitsForKeys(specOf((args[0] as string).toLowerCase()), argViewOf(args))
    expect(waits('BLPOP', 'k', '0')).toBe(true)
    expect(waits('XREAD', 'BLOCK', '0', 'STREAMS', 's', '0')).toBe(true)
    expect(waits('XREAD', 'STREAMS', 'block', '0')).toBe(false)
    expect(waits('WAIT', '1', '0')).toBe(false)
    expect(waits('LPOP', 'k')).toBe(false)
  })

  it('is not ended by what only takes away, but by what may take a group away', () => {
    const names = ['lpop', 'xack', 'expire', 'rpush', 'del', 'xgroup|destroy', 'xadd', 'rename', 'eval', 'restore']
    expect(names.filter((name) => mayWake(specOf(name)))).toEqual(names.slice(3))
  })
})
