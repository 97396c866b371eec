/** The filters of CLIENT LIST and CLIENT KILL: what fits, and what is said of those that make no sense. */
import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import type { ClientFacts } from '../../../src/session/client-facts.ts'
import { matches, readFilter } from '../../../src/session/client-filter.ts'

const ada: ClientFacts = {
  id: 7,
  address: '10.0.0.1:5000',
  localAddress: '10.0.0.9:6379',
  name: 'ada',
  ageSeconds: 60,
  idleSeconds: 10,
  flags: 'xt',
  capabilities: 'r',
  db: 3,
  user: 'app',
  library: 'lib',
  libraryVersion: '2',
  subscribed: false,
}

const read = (line: string, { anew = true, kills = false } = {}) =>
  readFilter(argViewOf(['CLIENT', 'LIST', ...line.split(' ')].map((word) => Buffer.from(word))), anew, kills)

function fits(line: string): boolean {
  const filter = read(line)
  if (typeof filter === 'string') throw new Error(filter)
  return matches(filter, ada)
}

describe('a filter', () => {
  it.each([
    ['ID 6 7', 'ID 8'],
    ['TYPE normal', 'TYPE pubsub'],
    ['ADDR 10.0.0.1:5000', 'ADDR 10.0.0.1'],
    ['LADDR 10.0.0.9:6379', 'LADDR 10.0.0.1:5000'],
    ['IP 10.0.0.1', 'IP 10.0.0'],
    ['USER app', 'USER default'],
    ['NAME ada', 'NAME Ada'],
    ['LIB-NAME lib', 'LIB-NAME x'],
    ['LIB-VER 2', 'LIB-VER 3'],
    ['FLAGS tx', 'FLAGS tb'],
    ['CAPA r', 'NOT-CAPA r'],
    ['DB 3', 'DB 0'],
    ['MAXAGE 60', 'MAXAGE 61'],
    ['IDLE 10', 'IDLE 11'],
    ['NAME x NAME ada', 'NAME ada NAME x'],
    ['ID 1 ID 7', 'NOT-ID 1 NOT-ID 7'],
  ])('fits by %s, not by %s', (line, other) => {
    expect([fits(line), fits(other)]).toEqual([true, false])
  })

  it.each(['NAME x', 'USER default', 'DB 0', 'FLAGS b', 'TYPE pubsub', 'IP 1.2.3.4'])('NOT-%s fits where it does not', (line) => {
    expect(fits(`NOT-${line}`)).toBe(true)
  })

  it('needs all of them', () => {
    expect([fits('NAME ada DB 3 NOT-TYPE pubsub'), fits('NAME ada DB 4')]).toEqual([true, false])
  })

  it('keeps the order of ids for servers that do, where there is nothing else', () => {
    expect(read('ID 9 7', { anew: false })).toMatchObject({ ids: [9, 7] })
    expect(read('ID 9 7')).toMatchObject({ ids: null })
    expect(read('ID 9 NAME x')).toMatchObject({ ids: null })
  })

  it('says whether the caller is left out', () => {
    const said = ['SKIPME yes', 'SKIPME no', 'DB 0'].map((line) => (read(line) as { skipMe: boolean | null }).skipMe)
    expect(said).toEqual([true, false, null])
  })

  it.each([
    ['ID x', 'ERR syntax error', 'ERR Invalid client ID'],
    ['ID 7 NAME', 'ERR syntax error', 'ERR Invalid client ID'],
    ['NAME', 'ERR syntax error', 'ERR syntax error'],
    ['SKIPME x', 'ERR syntax error', 'ERR syntax error'],
    ['NOT-SKIPME yes', 'ERR syntax error', 'ERR syntax error'],
    ['NOT-IDLE 1', 'ERR syntax error', 'ERR syntax error'],
    ['MAXAGE 0', 'ERR maxage should be greater than 0', 'ERR maxage should be greater than 0'],
    ['NOT-DB x', 'ERR NOT-DB is not an integer or out of range', 'ERR NOT-DB is not an integer or out of range'],
  ])('%s is told to be wrong: anew %s, before %s', (line, anew, before) => {
    expect([read(line), read(line, { anew: false })]).toEqual([anew, before])
  })

  it('has its own words for an id that CLIENT KILL cannot read', () => {
    expect(read('ID x', { anew: false, kills: true })).toBe('ERR client-id should be greater than 0')
    expect(read('ID 0', { anew: false, kills: true })).toBe('ERR client-id should be greater than 0')
  })
})
