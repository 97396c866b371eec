import { describe, expect, test } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { plainBetween, tellsEffect } from '../../../src/commands/effects.ts'
import { unnamedServer } from '../../../src/commands/server-name.ts'
import type { Reply } from '../../../src/resp/decode.ts'
import { ids, nameOf, server, told, words } from '../../support/effect-words.ts'

const redis7 = server('redis 7.0.15')
const redis74 = server('redis 7.4.1')
const redis8 = server('redis 8.0.6')
const redis84 = server('redis 8.4.0')
const valkey8 = server('valkey 8.0.3')
const valkey91 = server('valkey 9.1.2')

const plain = (line: string, one = redis84, other = redis84): boolean =>
  plainBetween(nameOf(words(line)), argViewOf(words(line)), one, other)

describe('a form is plain between servers that know it, and only there', () => {
  test.each([
    ['SET k v IFEQ x', redis84, valkey91, valkey8],
    ['SET k v IFEQ x EX 5', redis84, valkey91, redis8],
    ['SET k v GET IFDNE x', redis84, redis84, valkey91],
    ['MSETEX 1 k v EX 5', redis84, valkey91, redis8],
    ['DELEX k', redis84, redis84, valkey91],
    ['DELIFEQ k v', valkey91, valkey91, redis84],
    ['HSETEX h EX 5 FIELDS 1 f v', redis8, valkey91, redis74],
    ['HGETEX h EX 5 FIELDS 1 f', redis8, valkey91, valkey8],
    ['HGETDEL h FIELDS 1 f', redis8, valkey91, redis7],
    ['XDELEX s IDS 1 1-1', redis84, redis84, valkey91],
    ['XACKDEL s g KEEPREF IDS 1 1-1', redis84, redis84, redis8],
    ['XADD s KEEPREF 1-1 f v', redis84, redis84, redis8],
    ['XTRIM s MAXLEN 5 ACKED', redis84, redis84, valkey91],
  ])('%s', (line, one, other, older) => {
    expect(plain(line, one, other)).toBe(true)
    expect(plain(line, one, older)).toBe(false)
    expect(plain(line, older, one)).toBe(false)
  })

  test.each(['SET k v EX 5', 'SET k v NX GET', 'XADD s 1-1 f v', 'XTRIM s MAXLEN 5', 'GETEX k EX 5', 'GETDEL k'])(
    '%s is plain everywhere',
    (line) => expect(plain(line, redis7, valkey8)).toBe(true),
  )

  test('of a server that did not say what it is nothing is known, and the answers are compared', () => {
    expect(plain('MSETEX 1 k v', redis84, unnamedServer)).toBe(true)
  })
})

describe('for an older follower, the nearest form with the same result', () => {
  test.each<[line: string, reply: Reply, wanted: string | string[]]>([
    ['SET k v IFEQ x', Buffer.from('OK'), ['SET k v → +OK']],
    ['SET k v IFEQ x', null, 'none'],
    ['SET k v IFNE x PXAT 99', Buffer.from('OK'), ['SET k v PXAT 99 → +OK']],
    ['SET k v KEEPTTL IFDEQ 0a', Buffer.from('OK'), ['SET k v KEEPTTL → +OK']],
    ['SET k v IFEQ x EXAT 9 GET', Buffer.from('x'), ['SET k v EXAT 9 → +OK']],
    ['SET k v GET IFEQ x', Buffer.from('y'), 'none'],
    ['SET k v GET IFEQ x', null, 'none'],
    ['SET k v IFEQ x', { error: 'ERR syntax error' }, 'none'],
    ['MSETEX 2 a 1 b 2 NX PXAT 99', 1, ['SET a 1 PXAT 99 → +OK', 'SET b 2 PXAT 99 → +OK']],
    ['MSETEX 1 a 1 KEEPTTL XX', 1, ['SET a 1 KEEPTTL → +OK']],
    ['MSETEX 1 a 1 EXAT 9', 1, ['SET a 1 EXAT 9 → +OK']],
    ['MSETEX 1 a 1', 1, ['SET a 1 → +OK']],
    ['MSETEX 1 a 1 NX', 0, 'none'],
    ['DELEX k IFEQ v', 1, ['DEL k → :1']],
    ['DELEX k', 0, 'none'],
    ['DELIFEQ k v', 1, ['DEL k → :1']],
    ['DELIFEQ k v', 0, 'none'],
    ['HGETDEL h FIELDS 2 a b', [Buffer.from('1'), null], ['HDEL h a b → :1']],
    ['HGETDEL h FIELDS 1 a', [null], 'none'],
    ['HSETEX h FIELDS 2 a 1 b 2', 1, ['HSET h a 1 b 2 → anything']],
    ['HSETEX h FNX KEEPTTL FIELDS 1 a 1', 1, ['HSET h a 1 → anything']],
    ['HSETEX h FXX FIELDS 1 a 1', 0, 'none'],
    ['HGETEX h FIELDS 1 a', ids('1'), 'none'],
    ['HGETEX h PERSIST FIELDS 1 a', ids('1'), 'none'],
    ['XDELEX s IDS 3 1-0 2-0 3-0', [1, -1, 1], ['XDEL s 1-0 3-0 → anything']],
    ['XDELEX s ACKED IDS 2 1-0 2-0', [2, 1], ['XDEL s 2-0 → anything']],
    ['XDELEX s KEEPREF IDS 1 1-0', [-1], 'none'],
    ['XACKDEL s g IDS 2 1-0 2-0', [1, -1], ['XACK s g 1-0 → :1', 'XDEL s 1-0 → anything']],
    ['XACKDEL s g ACKED IDS 2 1-0 2-0', [2, 1], ['XACK s g 1-0 2-0 → :2', 'XDEL s 2-0 → anything']],
    ['XACKDEL s g ACKED IDS 1 1-0', [2], ['XACK s g 1-0 → :1']],
    ['XACKDEL s g IDS 1 1-0', [-1], 'none'],
    ['XTRIM s MAXLEN = 5 KEEPREF', 3, ['XTRIM s MAXLEN = 5 → :3']],
    ['XTRIM s MAXLEN 5 DELREF', 3, ['XTRIM s MAXLEN 5 DELREF → :3']],
    ['XTRIM s MAXLEN 5 KEEPREF', 0, 'none'],
    ['XADD s KEEPREF MAXLEN 5 1-1 f v', Buffer.from('1-1'), ['XADD s MAXLEN 5 1-1 f v → $3 1-1']],
  ])('%s answered %j', (line, reply, wanted) => {
    expect(tellsEffect(nameOf(words(line)), words(line), redis7)).toBe(true)
    expect(told(line, reply, redis7)).toEqual(wanted)
  })

  test.each<[line: string, reply: Reply, wanted: string | string[]]>([
    ['HSETEX h PXAT 99 FIELDS 1 a 1', 1, ['HSET h a 1 → anything', 'HPEXPIREAT h 99 FIELDS 1 a → anything']],
    ['HSETEX h EXAT 9 FNX FIELDS 1 a 1', 1, ['HSET h a 1 → anything', 'HEXPIREAT h 9 FIELDS 1 a → anything']],
    ['HGETEX h PXAT 99 FIELDS 2 a b', [Buffer.from('1'), null], ['HPEXPIREAT h 99 FIELDS 1 a → anything']],
    ['HGETEX h PERSIST FIELDS 1 a', ids('1'), ['HPERSIST h FIELDS 1 a → anything']],
    ['HGETEX h PERSIST FIELDS 1 a', [null], 'none'],
  ])('%s answered %j, where fields have lifetimes', (line, reply, wanted) => {
    expect(tellsEffect(nameOf(words(line)), words(line), redis74)).toBe(true)
    expect(told(line, reply, redis74)).toEqual(wanted)
  })

  test.each([
    ['SET k v EX 5', redis7],
    ['SET k v NX GET', redis7],
    ['SET k v GET IFNE x', redis7],
    ['SET k v IFEQ', redis7],
    ['MSETEX 3 a 1', redis7],
    ['MSETEX 1 a 1 EX 5', redis7],
    ['HGETDEL h FIELDS 2 a', redis7],
    ['HSETEX h PXAT 99 FIELDS 1 a 1', redis7],
    ['HSETEX h KEEPTTL FIELDS 1 a 1', redis74],
    ['HSETEX h FIELDS 1 a 1', unnamedServer],
    ['HGETEX h PXAT 99 FIELDS 1 a', redis7],
    ['HGETEX h nonsense FIELDS 1 a', redis74],
    ['XDELEX s DELREF IDS 1 1-0', redis7],
    ['XDELEX s IDS 2 1-0', redis7],
    ['XACKDEL s g DELREF IDS 1 1-0', redis7],
    ['XTRIM s MAXLEN 5 nonsense', redis7],
  ])('%s has none, and is copied', (line, follower) => {
    expect(tellsEffect(nameOf(words(line)), words(line), follower)).toBe(false)
    expect(told(line, 1, follower)).toBe('copy')
  })

  test('a reply of another shape is copied', () => {
    for (const line of [
      'SET k v IFEQ x',
      'DELEX k',
      'HGETDEL h FIELDS 1 a',
      'MSETEX 1 a 1',
      'XDELEX s IDS 1 1-0',
      'HSETEX h FIELDS 1 a 1',
    ])
      expect(told(line, 7, redis7), line).toBe('copy')
  })
})
