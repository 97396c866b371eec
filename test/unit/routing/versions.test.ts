import { describe, expect, it } from 'vitest'
import { versionedValueBytesMax } from '../../../src/limits.ts'
import { encodeBulk } from '../../../src/resp/encode.ts'
import { compareVersions, type VersionRule, VersionRules, versionIn, versionQuery } from '../../../src/routing/versions.ts'

const number: VersionRule = { pattern: '*', kind: 'number' }
const streamId: VersionRule = { pattern: '*', kind: 'stream-id' }
const field: VersionRule = { pattern: '*', kind: 'hash-field', field: 'v' }
const companion: VersionRule = { pattern: '*', kind: 'companion-key', suffix: ':v' }
const json = (path: string): VersionRule => ({ pattern: '*', kind: 'json-path', path })
const inReply = (rule: VersionRule, reply: string): string | null => versionIn(rule, Buffer.from(reply))
const inValue = (rule: VersionRule, value: string): string | null => versionIn(rule, encodeBulk(value))

it('takes the first rule that fits', () => {
  const rules = new VersionRules([
    { ...field, pattern: 'user:*' },
    { ...number, pattern: 'user:1' },
    { ...number, pattern: 'n*' },
  ])
  expect(rules.ruleFor(Buffer.from('user:1'))?.kind).toBe('hash-field')
  expect(rules.ruleFor(Buffer.from('n'))?.kind).toBe('number')
  expect(rules.ruleFor(Buffer.from('other'))).toBeNull()
})

it.each([
  [field, '*3\r\n$4\r\nHGET\r\n$1\r\nk\r\n$1\r\nv\r\n'],
  [number, '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n'],
  [json('a'), '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n'],
  [streamId, '*3\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n$1\r\nk\r\n'],
  [companion, '*2\r\n$3\r\nGET\r\n$3\r\nk:v\r\n'],
])('asks for $kind', (rule, query) => {
  expect(versionQuery(rule, Buffer.from('k')).toString()).toBe(query)
})

describe('finds', () => {
  it.each([
    [number, '7', '7'],
    [number, '-7.25', '-7.25'],
    [number, 'v12:payload 99', '12'],
    [number, 'user-12', '12'],
    [field, '2024-05-01', '2024-05-01'],
    [companion, '3', '3'],
    [json('meta.version'), '{"meta":{"version":12}}', '12'],
    [json('items.1.v'), '{"items":[{"v":"a"},{"v":"b"}]}', 'b'],
    [json('v'), '{"v":9007199254740993}', '9007199254740993'],
  ])('a version by %j in %j', (rule, value, version) => {
    expect(inValue(rule, value)).toBe(version)
  })

  it('the last id that a stream gave out, in both protocols', () => {
    const fields = '$6\r\nlength\r\n:0\r\n$17\r\nlast-generated-id\r\n$3\r\n5-1\r\n'
    expect(inReply(streamId, `*4\r\n${fields}`)).toBe('5-1')
    expect(inReply(streamId, `%2\r\n${fields}`)).toBe('5-1')
  })
})

describe('finds none', () => {
  it.each([
    [number, 'no digits'],
    [field, ''],
    [json('a.b'), '{"a":1}'],
    [json('a'), '{"a":{"b":1}}'],
    [json('a'), '{"a":true}'],
    [json('constructor'), '{}'],
    [json('a'), 'not json'],
    [json('a'), 'null'],
  ])('by %j in %j', (rule, value) => {
    expect(inValue(rule, value)).toBeNull()
  })

  it.each(['$-1\r\n', '_\r\n', '-WRONGTYPE x\r\n', ':5\r\n', '*0\r\n'])('in %j', (reply) => {
    for (const rule of [number, field, json('a'), streamId, companion]) expect(inReply(rule, reply)).toBeNull()
  })

  it('in a value that would take too long to look through', () => {
    expect(inValue(number, `1${' '.repeat(versionedValueBytesMax)}`)).toBeNull()
  })
})

describe('the newer version', () => {
  it.each([
    ['10', '9'],
    ['-1', '-2'],
    ['9007199254740993', '9007199254740992'],
    ['1.5', '1.25'],
    ['2', '1.9'],
    ['5-0', '4-9'],
    ['5-10', '5-9'],
    ['18446744073709551615-1', '18446744073709551615-0'],
    ['2024-05-02T00:00:00Z', '2024-05-01T23:59:59Z'],
    ['aa', 'b'],
    ['b', 'a'],
  ])('%s, not %s', (newer, older) => {
    expect(compareVersions(newer, older)).toBeGreaterThan(0)
    expect(compareVersions(older, newer)).toBeLessThan(0)
    expect(compareVersions(newer, newer)).toBe(0)
  })

  it('does not depend on how a number is written', () => {
    expect(compareVersions('1.50', '1.5')).toBe(0)
    expect(compareVersions('007', '7')).toBe(0)
  })
})
