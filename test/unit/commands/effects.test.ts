import { describe, expect, test } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { companionOf, effectOf, plainBetween, tellsEffect } from '../../../src/commands/effects.ts'
import { type ServerName, unnamedServer } from '../../../src/commands/server-name.ts'
import type { Reply } from '../../../src/resp/decode.ts'
import { ids, nameOf, server, shown, told, typed, words } from '../../support/effect-words.ts'

const entries = (...texts: string[]): Reply[] => texts.map((text) => [Buffer.from(text), ids('f', 'v')])

const toldBeside = (line: string, reply: Reply, companion: Reply | undefined, follower = server('redis 8.0.0')) =>
  shown(effectOf(nameOf(words(line)), words(line), reply, follower, { authority: follower, companion }))

describe('values', () => {
  test.each<[line: string, reply: Reply, wanted: string | string[]]>([
    ['SPOP s', Buffer.from('a'), ['SREM s a → :1']],
    ['SPOP s 3', ids('a', 'b'), ['SREM s a b → :2']],
    ['SPOP s', null, 'none'],
    ['SPOP s 3', [], 'none'],
    ['SPOP s', { error: 'WRONGTYPE' }, 'none'],
    ['SPOP s', 5, 'copy'],
    ['INCRBYFLOAT f 0.5', Buffer.from('1.5'), ['SET f 1.5 KEEPTTL → +OK']],
    ['INCRBYFLOAT f x', { error: 'ERR value is not a valid float' }, 'none'],
  ])('%s answered %j', (line, reply, wanted) => expect(told(line, reply)).toEqual(wanted))

  test('more members than a command may have arguments are removed in several', () => {
    const members = Array.from({ length: 250_001 }, (_, i) => Buffer.from(String(i)))
    const effect = effectOf('spop', words('SPOP s 999999'), members, unnamedServer)
    expect(effect.how === 'frames' && effect.expected.map(String)).toEqual([':100000\r\n', ':100000\r\n', ':50001\r\n'])
  })

  test('names and members are bytes, not text', () => {
    const member = Buffer.from([0, 255, 13, 10])
    const effect = effectOf('spop', [Buffer.from('spop'), Buffer.from([1, 2, 254])], member, unnamedServer)
    expect(effect.how === 'frames' && effect.frames[0]?.includes(member)).toBe(true)
  })

  test.each([
    ['redis 8.0.3', ['HSETEX h KEEPTTL FIELDS 1 f 1.5 → :1']],
    ['redis 8.6.0', ['HSETEX h KEEPTTL FIELDS 1 f 1.5 → :1']],
    ['valkey 9.1.0', ['HSETEX h KEEPTTL FIELDS 1 f 1.5 → :1']],
    ['redis 7.2.4', ['HSET h f 1.5 → anything']],
    ['valkey 8.1.0', ['HSET h f 1.5 → anything']],
  ])('HINCRBYFLOAT for %s', (follower, wanted) => {
    expect(tellsEffect('hincrbyfloat', words('HINCRBYFLOAT h f 1'), server(follower))).toBe(true)
    expect(told('HINCRBYFLOAT h f 1', Buffer.from('1.5'), server(follower))).toEqual(wanted)
  })

  test('HINCRBYFLOAT would take a field its lifetime, or might, and is copied', () => {
    for (const follower of [server('redis 7.4.2'), server('other 1.0'), server('redis unstable'), unnamedServer]) {
      expect(tellsEffect('hincrbyfloat', words('HINCRBYFLOAT h f 1'), follower)).toBe(false)
      expect(told('HINCRBYFLOAT h f 1', Buffer.from('1.5'), follower)).toBe('copy')
    }
  })
})

describe('ids that the server makes', () => {
  test.each<[line: string, reply: Reply, wanted: string | string[]]>([
    ['XADD s * a 1', Buffer.from('5-0'), ['XADD s 5-0 a 1 → $3 5-0']],
    ['XADD s 5-* a 1', Buffer.from('5-3'), ['XADD s 5-3 a 1 → $3 5-3']],
    ['XADD s NOMKSTREAM MAXLEN = 10 * a 1', Buffer.from('5-0'), ['XADD s NOMKSTREAM MAXLEN = 10 5-0 a 1 → $3 5-0']],
    ['XADD s MAXLEN 10 * a *', Buffer.from('5-0'), ['XADD s MAXLEN 10 5-0 a * → $3 5-0']],
    ['XADD s maxlen 10 ACKED * a 1', Buffer.from('5-0'), ['XADD s maxlen 10 ACKED 5-0 a 1 → $3 5-0']],
    ['XADD s KEEPREF * a 1', Buffer.from('5-0'), ['XADD s 5-0 a 1 → $3 5-0']],
    ['XADD s NOMKSTREAM * a 1', null, 'none'],
  ])('%s answered %j', (line, reply, wanted) => {
    expect(tellsEffect('xadd', words(line), unnamedServer)).toBe(true)
    expect(companionOf('xadd', words(line))).toBe(null)
    expect(told(line, reply)).toEqual(wanted)
  })

  test('KEEPREF is kept where it is known', () => {
    expect(told('XADD s KEEPREF * a 1', Buffer.from('5-0'), server('redis 8.2.0'))).toEqual(['XADD s KEEPREF 5-0 a 1 → $3 5-0'])
  })

  test.each(['XADD s IDMPAUTO p * a 1', 'XADD s MAXLEN = 5 MAXLEN = 6 * a 1', 'XADD s MAXLEN', 'XADD s nonsense * a 1'])(
    '%s is not understood',
    (line) => {
      expect(tellsEffect('xadd', words(line), unnamedServer)).toBe(false)
      expect(companionOf('xadd', words(line))).toBe(null)
    },
  )

  test.each([
    ['XGROUP CREATE s g $ MKSTREAM', ['XGROUP CREATE s g 7-1 MKSTREAM → +OK']],
    ['XGROUP SETID s g $ ENTRIESREAD 3', ['XGROUP SETID s g 7-1 ENTRIESREAD 3 → +OK']],
  ])('%s is resolved by what the stream says of itself', (line, wanted) => {
    expect(tellsEffect(nameOf(words(line)), words(line), unnamedServer)).toBe(false)
    expect(typed(companionOf(nameOf(words(line)), words(line)) as Buffer)).toBe('XINFO STREAM s')
    const stream: Reply = [...ids('length'), 3, ...ids('last-generated-id', '7-1', 'groups'), 2]
    expect(toldBeside(line, Buffer.from('OK'), stream)).toEqual(wanted)
    expect(toldBeside(line, Buffer.from('OK'), undefined)).toBe('copy')
    expect(toldBeside(line, { error: 'BUSYGROUP' }, stream)).toBe('none')
  })
})

describe('trimming that stops where it is cheap', () => {
  const left = entries('3-0')

  test.each<[line: string, reply: Reply, first: Reply, wanted: string | string[]]>([
    ['XADD s MAXLEN ~ 2 * a 1', Buffer.from('5-0'), left, ['XADD s MINID = 3-0 5-0 a 1 → $3 5-0']],
    [
      'XADD s NOMKSTREAM MINID ~ 3 LIMIT 9 DELREF * a 1',
      Buffer.from('5-0'),
      left,
      ['XADD s NOMKSTREAM MINID = 3-0 DELREF 5-0 a 1 → $3 5-0'],
    ],
    ['XADD s KEEPREF MAXLEN ~ 2 6-6 a 1', Buffer.from('6-6'), left, ['XADD s MINID = 3-0 6-6 a 1 → $3 6-6']],
    ['XADD s MAXLEN ~ 0 * a 1', Buffer.from('5-0'), [], ['XADD s MAXLEN = 0 5-0 a 1 → $3 5-0']],
    ['XADD s NOMKSTREAM MAXLEN ~ 2 * a 1', null, [], 'none'],
    ['XTRIM s MAXLEN ~ 2', 4, left, ['XTRIM s MINID = 3-0 → :4']],
    ['XTRIM s MINID ~ 3 LIMIT 0 DELREF', 4, left, ['XTRIM s MINID = 3-0 DELREF → :4']],
    ['XTRIM s MAXLEN ~ 0', 4, [], ['XTRIM s MAXLEN = 0 → :4']],
    ['XTRIM s MAXLEN ~ 2', 0, left, 'none'],
  ])('%s answered %j, the first being %j', (line, reply, first, wanted) => {
    const name = nameOf(words(line))
    expect(tellsEffect(name, words(line), unnamedServer)).toBe(false)
    expect(typed(companionOf(name, words(line)) as Buffer)).toBe('XRANGE s - + COUNT 1')
    expect(toldBeside(line, reply, first)).toEqual(wanted)
    if (wanted !== 'none') expect(toldBeside(line, reply, undefined)).toBe('copy')
  })

  test.each(['XADD s MAXLEN ~ 2 ACKED * a 1', 'XTRIM s MAXLEN ~ 2 ACKED', 'XTRIM s MAXLEN ~ 2 nonsense', 'XTRIM s MAXLEN ~'])(
    '%s: the first entry does not tell',
    (line) => {
      expect(companionOf(nameOf(words(line)), words(line))).toBe(null)
      expect(tellsEffect(nameOf(words(line)), words(line), unnamedServer)).toBe(false)
    },
  )
})

const oneEntry = '*1 *2 $3 1-0 *2 $1 f $1 v'
const most = '9223372036854775807'

describe('claims', () => {
  test.each<[line: string, reply: Reply, wanted: string | string[]]>([
    ['XCLAIM s g c 50 1-0', entries('1-0'), [`XCLAIM s g c 0 1-0 → ${oneEntry}`]],
    ['XCLAIM s g c 50 1 JUSTID', ids('1-0'), ['XCLAIM s g c 0 1-0 JUSTID → *1 $3 1-0']],
    [
      'XCLAIM s g c 50 1-0 2-0 IDLE 7 RETRYCOUNT 3 FORCE LASTID 9-9',
      entries('1-0'),
      [`XCLAIM s g c 0 1-0 IDLE 7 RETRYCOUNT 3 FORCE LASTID 9-9 → ${oneEntry}`, `XCLAIM s g c ${most} 2-0 LASTID 9-9 → *0`],
    ],
    ['XCLAIM s g c 50 1-0 1-0', entries('1-0'), [`XCLAIM s g c 0 1-0 → ${oneEntry}`, `XCLAIM s g c ${most} 1-0 → *0`]],
    ['XCLAIM s g c 50 1-0', [], [`XCLAIM s g c ${most} 1-0 → *0`]],
    ['XCLAIM s g c 50 1-0', [null], 'copy'],
    ['XCLAIM s g c 50 1-0 nonsense', entries('1-0'), 'copy'],
    ['XCLAIM s g c 50 1-0 IDLE', entries('1-0'), 'copy'],
    ['XCLAIM s g c 50 1-0', entries('2-0'), 'copy'],
    ['XCLAIM s g c 50 1-0', { error: 'NOGROUP' }, 'none'],
    ['XAUTOCLAIM s g c 50 0', [...ids('0-0'), entries('1-0'), []], [`XCLAIM s g c 0 1-0 → ${oneEntry}`]],
    ['XAUTOCLAIM s g c 50 0 COUNT 2 JUSTID', [...ids('0-0'), ids('1-0')], ['XCLAIM s g c 0 1-0 JUSTID → *1 $3 1-0']],
    [
      'XAUTOCLAIM s g c 50 0',
      [...ids('0-0'), entries('1-0'), ids('2-0', '3-0')],
      [`XCLAIM s g c 0 1-0 → ${oneEntry}`, 'XACK s g 2-0 3-0 → :2'],
    ],
    ['XAUTOCLAIM s g c 50 0', [...ids('0-0'), [], []], ['XGROUP CREATECONSUMER s g c → anything']],
    ['XAUTOCLAIM s g c 50 0', [...ids('0-0'), [null]], 'copy'],
    ['XAUTOCLAIM s g c 50 0', Buffer.from('?'), 'copy'],
  ])('%s answered %j', (line, reply, wanted) => expect(told(line, reply)).toEqual(wanted))

  const [old, recent] = [server('redis 7.0.15'), server('valkey 8.0.1')]

  test('a claim of nothing makes its consumer on the newer servers only', () => {
    const nothing = `XCLAIM s g c ${most} 1-0 → *0`
    expect(told('XCLAIM s g c 50 1-0', [], old, old)).toEqual([nothing])
    expect(told('XCLAIM s g c 50 1-0', [], old, recent)).toEqual([nothing, 'XGROUP CREATECONSUMER s g c → anything'])
    expect(told('XCLAIM s g c 50 1-0', [], recent, old)).toBe('copy')
    expect(told('XCLAIM s g c 50 1-0', [], recent, null)).toBe('copy')
    expect(told('XAUTOCLAIM s g c 50 0', [...ids('0-0'), [], []], recent, old)).toBe('none')
    expect(told('XAUTOCLAIM s g c 50 0', [...ids('0-0'), [], ids('2-0')], recent, old)).toEqual(['XACK s g 2-0 → :1'])
    expect(told('XAUTOCLAIM s g c 50 0', [...ids('0-0'), [], []], recent, null)).toBe('copy')
    expect(told('XAUTOCLAIM s g c 50 0', [...ids('0-0'), [], []], recent, unnamedServer)).toBe('copy')
  })
})

describe('reads of a group between servers of different habits', () => {
  const [old, recent] = [server('redis 7.0.15'), server('redis 7.2.0')]
  const one: Reply = [Buffer.from('a'), entries('1-0')]
  const bytes = `$1 a ${oneEntry}`

  test.each<[line: string, reply: Reply, from7: string | string[], from72: string | string[]]>([
    ['XREADGROUP GROUP g c STREAMS a >', null, 'none', ['XGROUP CREATECONSUMER a g c → anything']],
    [
      'XREADGROUP GROUP g c STREAMS a >',
      [one],
      [`XREADGROUP GROUP g c STREAMS a > → *1 *2 ${bytes}`],
      [`XREADGROUP GROUP g c STREAMS a > → *1 *2 ${bytes}`],
    ],
    [
      'XREADGROUP GROUP g c COUNT 2 NOACK STREAMS b a 0 >',
      one,
      [`XREADGROUP GROUP g c COUNT 2 NOACK STREAMS a > → %1 ${bytes}`],
      [`XREADGROUP GROUP g c COUNT 2 NOACK STREAMS a > → %1 ${bytes}`, 'XGROUP CREATECONSUMER b g c → anything'],
    ],
    [
      'XREADGROUP GROUP g c STREAMS a 0',
      [[Buffer.from('a'), [[Buffer.from('1-0'), null]]]],
      ['XREADGROUP GROUP g c STREAMS a 0 → anything'],
      ['XREADGROUP GROUP g c STREAMS a 0 → anything'],
    ],
    ['XREADGROUP GROUP g c CLAIM 5 STREAMS a >', [one], 'copy', 'copy'],
  ])('%s answered %j', (line, reply, from7, from72) => {
    expect(told(line, reply, recent, old)).toEqual(from7)
    expect(told(line, reply, old, recent)).toEqual(from72)
    expect(told(line, reply, old, null)).toBe('copy')
  })

  test('with the same habits they are plain', () => {
    const plain = (one: ServerName, other: ServerName) => plainBetween('xreadgroup', argViewOf(['xreadgroup']), one, other)
    expect(plain(recent, server('valkey 9.1.0'))).toBe(true)
    expect(plain(old, old)).toBe(true)
    expect(plain(old, recent)).toBe(false)
    expect(plain(unnamedServer, unnamedServer)).toBe(false)
  })
})

test('what is in no rule is copied', () => {
  expect(tellsEffect('vadd', words('VADD k VALUES 1 1 e'), unnamedServer)).toBe(false)
  expect(companionOf('vadd', words('VADD k VALUES 1 1 e'))).toBe(null)
  expect(told('VADD k VALUES 1 1 e', 1)).toBe('copy')
})
