import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { blocks, createKeyList, destinationDb, keyPositions } from '../../../src/commands/keys.ts'
import { lookup } from '../../../src/commands/lookup.ts'

const keys = createKeyList()

function positionsOf(line: string): number[] | 'invalid' {
  const words = line.split(' ').map((word) => (word === "''" ? '' : word))
  const args = argViewOf(words)
  const count = keyPositions(lookup(args.buf, 0, (words[0] as string).length), args, keys)
  expect(count).toBe(keys.count)
  return keys.valid ? [...keys.positions.subarray(0, count)] : 'invalid'
}

const specAndArgs = (line: string) => {
  const args = argViewOf(line.split(' '))
  return [lookup(args.buf, 0, (line.split(' ')[0] as string).length), args] as const
}

describe('key positions', () => {
  it.each([
    ['get k', [1]],
    ['del a b c', [1, 2, 3]],
    ['mset a 1 b 2', [1, 3]],
    ['bitop and d a b', [2, 3, 4]],
    ['blpop a b 0', [1, 2]],
    ['rename a b', [1, 2]],
    ['dbsize', []],
    ['publish channel message', []],
    ['eval script 2 a b c', [3, 4]],
    ['EVAL script 0 a', []],
    ['fcall f 1 a', [3]],
    ['zunion 2 a b weights 1 2', [2, 3]],
    ['zunionstore d 2 a b', [1, 3, 4]],
    ['zdiffstore d 1 a', [1, 3]],
    ['sintercard 1 a limit 1', [2]],
    ['lmpop 2 a b left', [2, 3]],
    ['blmpop 0 2 a b left count 3', [3, 4]],
    ['msetex 2 a 1 b 2 nx ex 5', [2, 4]],
    ['xread count 1 block 0 STREAMS a b 0 0', [6, 7]],
    ['xread streams streams 0', [2]],
    ['xreadgroup group streams block noack streams k >', [6]],
    ['sort k', [1]],
    ['sort k by w_* get # get o_* limit 0 5 desc alpha store d', [1, 14]],
    ['sort k by store get store store d', [1, 7]],
    ['sort k store a store b', [1, 5]],
    ['georadius k 1 2 3 m', [1]],
    ['georadius k 1 2 3 m store a storedist b', [1, 9]],
    ['georadiusbymember k store 3 m', [1]],
    ['georadiusbymember k m 3 m asc STOREDIST d', [1, 7]],
    ["migrate h 6379 '' 0 100 copy auth keys keys a b", [10, 11]],
    ['migrate h 6379 k 0 100', [3]],
  ])('%s', (line, expected) => expect(positionsOf(line)).toEqual(expected))

  it.each([
    'mset a 1 b',
    'get',
    'blpop a',
    'eval script 3 a b',
    'eval script x a',
    'eval script -1 a',
    'eval script 01 a',
    'eval script 99999999999999999999 a',
    'zunion 0 a',
    'zunionstore d 5 a',
    'msetex 2 a 1 b',
    'xread streams a b 0',
    'xread streams',
    'xread count 1 a 0',
    'xread nonsense streams a 0',
    'sort k nonsense',
    'georadius k 1 2 3 m store',
    "migrate h 6379 '' 0 100 keys",
  ])('%s makes no sense', (line) => {
    expect(positionsOf(line)).toBe('invalid')
    expect(keys.count).toBe(0)
  })

  it('grows for many keys and forgets the call before', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `k${i}`)
    expect(positionsOf(`del ${many.join(' ')}`)).toHaveLength(1000)
    expect(positionsOf('get k')).toEqual([1])
  })

  it('says when names come from data', () => {
    const complete = (line: string) => positionsOf(line) && keys.complete
    expect(['sort k by nosort get #', 'sort k', 'get k'].map(complete)).toEqual([true, true, true])
    expect(['sort k by w_*', 'sort k get o_*', 'sort_ro k get h->f'].map(complete)).toEqual([false, false, false])
  })

  it('tells which calls may block', () => {
    const may = (line: string) => blocks(...specAndArgs(line))
    expect(
      ['blpop k 0', 'wait 1 0', 'xread block 0 streams k $', 'xreadgroup group g c noack block 5 streams k >'].map(may),
    ).toEqual([true, true, true, true])
    expect(
      ['get k', 'xread streams block 0', 'xread count 5 streams k 0', 'xreadgroup group block block streams k >'].map(may),
    ).toEqual([false, false, false, false])
  })

  it('tells which other database is written to', () => {
    const db = (line: string) => destinationDb(...specAndArgs(line))
    expect(['move k 3', 'copy a b db 12', 'copy a b replace DB 0', 'copy a b', 'get k'].map(db)).toEqual([3, 12, 0, -1, -1])
    expect(['move k x', 'copy a b db', 'move k -1'].map(db)).toEqual([Number.NaN, Number.NaN, Number.NaN])
  })
})
