import { describe, expect, it } from 'vitest'
import type { FindingKind } from '../../../src/mover/verify-finding.ts'
import { Findings } from '../../../src/mover/verify-findings.ts'
import { groupsOf, samplesOf } from '../../../src/mover/verify-report.ts'
import { Tally } from '../../../src/mover/verify-tally.ts'

const finding = (name: string, kind: FindingKind = 'missing', type = 'string') => ({
  key: Buffer.from(name),
  type,
  kind,
  detail: 'so',
})

describe('findings', () => {
  it('count each key once, as what it was last', () => {
    const findings = new Findings()
    findings.keep(0, [finding('a'), finding('a', 'value'), finding('b')])
    findings.keep(1, [finding('a')])
    expect([findings.size, findings.counts]).toEqual([3, { missing: 2, extra: 0, type: 0, value: 1, ttl: 0 }])
  })

  it('that are to be saved are told once', () => {
    const findings = new Findings()
    findings.restore({ ...finding('old'), db: 0 })
    findings.startSaving()
    findings.keep(0, [finding('a')])
    expect(findings.takeUnsaved().map(({ key }) => String(key))).toEqual(['a'])
    expect(findings.takeUnsaved()).toEqual([])
  })

  it('beyond what can be held are refused', () => {
    const findings = new Findings(5)
    const keep = (count: number) => () =>
      findings.keep(
        0,
        Array.from({ length: count }, (_, n) => finding(`key:${n}`)),
      )
    expect(keep(5)).not.toThrow()
    expect(keep(6)).toThrowError(expect.objectContaining({ code: 'limit' }))
  })
})

describe('groups', () => {
  it('are by type and pattern, the most frequent first', () => {
    const findings = new Findings()
    const tally = new Tally()
    tally.compared('string', 'bytes', 10)
    tally.compared('hash', 'payload', 20)
    findings.keep(0, [finding('one', 'ttl'), finding('user:1'), finding('user:2', 'extra'), finding('user:3', 'value', 'hash')])
    const none = { missing: 0, extra: 0, type: 0, value: 0, ttl: 0 }
    expect(groupsOf(findings, tally, false)).toEqual({
      types: [
        { type: 'hash', keysCompared: 20, found: { ...none, value: 1 } },
        { type: 'string', keysCompared: 10, found: { ...none, missing: 1, extra: 1, ttl: 1 } },
      ],
      patterns: [
        { pattern: 'user:*', type: 'string', found: { ...none, missing: 1, extra: 1 }, examples: ['user:1', 'user:2'] },
        { pattern: 'one', type: 'string', found: { ...none, ttl: 1 }, examples: ['one'] },
        { pattern: 'user:*', type: 'hash', found: { ...none, value: 1 }, examples: ['user:3'] },
      ],
      patternKeysLeftOut: 0,
    })
  })

  it('are a hundred at most, three examples each; the keys of the others are counted', () => {
    const findings = new Findings()
    const letters = 'abcdefghijklmnopqrst'
    for (const first of letters) for (const second of letters) findings.keep(0, [finding(`${first}${second}:x`)])
    findings.keep(
      0,
      [1, 2, 3, 4, 5].map((n) => finding(`many:${n}`)),
    )
    const { patterns, patternKeysLeftOut } = groupsOf(findings, new Tally(), false)
    expect([patterns.length, patternKeysLeftOut, patterns[0]?.examples]).toEqual([100, 301, ['many:1', 'many:2', 'many:3']])
    expect(samplesOf(findings).length).toBe(100)
  })

  it('beyond ten thousand are not kept, and of many findings none while it runs', () => {
    const findings = new Findings()
    const name = (n: number) => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
    findings.keep(
      0,
      Array.from({ length: 12_000 }, (_, n) => finding(name(n))),
    )
    expect(groupsOf(findings, new Tally(), false).patternKeysLeftOut).toBe(11_900)
    expect(groupsOf(findings, new Tally(), true)).toMatchObject({ patterns: [], patternKeysLeftOut: 12_000 })
  })
})
