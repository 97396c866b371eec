import { describe, expect, it } from 'vitest'
import { argBytes, argInteger, argIs, argViewOf } from '../../../src/commands/arg-view.ts'

describe('argument view', () => {
  it('gives back each argument, empty and binary ones too', () => {
    const args = argViewOf(['SET', '', Buffer.from([0, 255, 13, 10])])
    expect(args.argc).toBe(3)
    expect([0, 1, 2].map((i) => argBytes(args, i).toString('latin1'))).toEqual(['SET', '', '\0\u00ff\r\n'])
  })

  it('compares words in any case, and letters only with letters', () => {
    const args = argViewOf(['NoMkStream', 'k\u000dept', '['])
    expect(argIs(args, 0, 'nomkstream')).toBe(true)
    expect(argIs(args, 0, 'nomkstrea')).toBe(false)
    expect(argIs(args, 1, 'k-ept')).toBe(false)
    expect(argIs(args, 2, '{')).toBe(false)
    expect(argIs(args, 3, 'x')).toBe(false)
  })

  it.each([
    ['0', 0],
    ['7', 7],
    ['-12', -12],
    ['999999999999999', 999999999999999],
    ['1000000000000000', Number.NaN],
    ['', Number.NaN],
    ['-', Number.NaN],
    ['-0', Number.NaN],
    ['+5', Number.NaN],
    ['05', Number.NaN],
    [' 5', Number.NaN],
    ['5 ', Number.NaN],
    ['5.0', Number.NaN],
    ['0x10', Number.NaN],
    ['1e3', Number.NaN],
  ])('reads %j as %d', (text, value) => {
    expect(argInteger(argViewOf([text]), 0)).toBe(value)
  })

  it('has no integer past its end', () => {
    expect(argInteger(argViewOf(['1']), 1)).toBeNaN()
  })
})
