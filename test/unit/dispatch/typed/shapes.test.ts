import { describe, expect, it } from 'vitest'
import { askEnds, hashes, lacksFieldEnds, withEnds } from '../../../../src/dispatch/typed/hashes.ts'
import { lists } from '../../../../src/dispatch/typed/lists.ts'
import { stepFor } from '../../../../src/dispatch/typed/passage.ts'
import { sets } from '../../../../src/dispatch/typed/sets.ts'
import type { Elements, Shape } from '../../../../src/dispatch/typed/shape.ts'
import { sortedSets } from '../../../../src/dispatch/typed/sorted-sets.ts'
import { askPiece, askStart, writePiece, writeString } from '../../../../src/dispatch/typed/strings.ts'
import { ReplyCursor } from '../../../../src/resp/reply-cursor.ts'
import { bulk } from '../../../support/fake-redis.ts'
import { written } from '../../../support/written.ts'

const key = Buffer.from('k')
const buffers = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
const array = (...texts: string[]): string => `*${texts.length}\r\n${texts.map(bulk).join('')}`
const replies = (text: string): ReplyCursor => new ReplyCursor(Buffer.from(text))
const texts = (flat: readonly Buffer[]): string[] => flat.map(String)
const write = (shape: Shape, elements: Elements): string[] => written((out) => shape.write(out, key, elements))

describe('lists', () => {
  it('are read by position until less comes than was asked for', () => {
    expect(written((out) => lists.askWindow(out, key, '0', 2))).toEqual(['LRANGE k 0 1'])
    expect(written((out) => lists.askWindow(out, key, '2', 2))).toEqual(['LRANGE k 2 3'])
    expect(lists.readWindow(replies(array('a', '')), '0', 2)).toEqual({ flat: buffers('a', ''), next: '2' })
    expect(lists.readWindow(replies(array('a')), '2', 2).next).toBeNull()
    expect(written((out) => lists.askAll(out, key))).toEqual(['LRANGE k 0 -1'])
  })
  it('are written in order', () => {
    expect(write(lists, { flat: buffers('b', 'a', 'b'), ends: null })).toEqual(['RPUSH k b a b'])
  })
})

describe('sets', () => {
  it('are read by the server’s cursor, which may bring nothing and go on', () => {
    expect(written((out) => sets.askWindow(out, key, '18446744073709551615', 9))).toEqual([
      'SSCAN k 18446744073709551615 COUNT 9',
    ])
    const window = (cursor: string, ...members: string[]) =>
      sets.readWindow(replies(`*2\r\n${bulk(cursor)}${array(...members)}`), '0', 9)
    expect(window('18446744073709551615')).toEqual({ flat: [], next: '18446744073709551615' })
    expect(window('0', 'a')).toEqual({ flat: buffers('a'), next: null })
  })
  it('are written at once', () => expect(write(sets, { flat: buffers('a', 'b'), ends: null })).toEqual(['SADD k a b']))
})

describe('sorted sets', () => {
  it('change member and score, and keep the score’s text', () => {
    const { flat, next } = sortedSets.readWindow(replies(array('a', '-0', 'b', '0.10000000000000001', 'c', 'inf')), '0', 3)
    expect(texts(flat)).toEqual(['-0', 'a', '0.10000000000000001', 'b', 'inf', 'c'])
    expect(next).toBe('3')
    expect(write(sortedSets, { flat, ends: null })).toEqual(['ZADD k -0 a 0.10000000000000001 b inf c'])
  })
  it('end where fewer members come than ranks were asked for', () => {
    expect(sortedSets.readWindow(replies(array('a', '1')), '0', 2).next).toBeNull()
  })
})

describe('hashes', () => {
  const flat = buffers('a', '1', 'b', '2', 'c', '3', 'd', '4')
  it('ask for the ends of their fields', () => {
    expect(written((out) => askEnds(out, key, flat))).toEqual(['HPEXPIRETIME k FIELDS 4 a b c d'])
  })
  it('leave out a field that is gone by then, and write those that end together by one command', () => {
    const elements = withEnds(flat, replies('*4\r\n:77\r\n:-2\r\n:-1\r\n:77\r\n'))
    expect(elements.ends).toEqual([77, -1, 77])
    expect(write(hashes, elements)).toEqual(['HSET k a 1 c 3 d 4', 'HPEXPIREAT k 77 FIELDS 2 a d'])
  })
  it('have no ends where no field has one', () => {
    expect(withEnds(flat, replies('*4\r\n:-1\r\n:-1\r\n:-1\r\n:-1\r\n'))).toEqual({ flat, ends: null })
    expect(write(hashes, { flat, ends: null })).toEqual(['HSET k a 1 b 2 c 3 d 4'])
  })
  it('are gone where the key is', () => {
    expect(withEnds(flat, replies('*-1\r\n')).flat).toEqual([])
  })
  it('know a server without ends by its words', () => {
    expect(lacksFieldEnds("ERR unknown command 'HPEXPIREAT', with args beginning with: 'k' ")).toBe(true)
    expect(lacksFieldEnds("ERR unknown command 'HSET'")).toBe(false)
  })
})

describe('strings', () => {
  it('are one SET, or pieces in a row', () => {
    expect(written((out) => writeString(out, key, [Buffer.from('v')], 0))).toEqual(['SET k v'])
    expect(written((out) => writeString(out, key, [Buffer.from('')], 5))).toEqual(['SET k  PXAT 5'])
    const pieces = ['ab', 'c'].map((text) => Buffer.from(text))
    expect(written((out) => writeString(out, key, pieces, 5))).toEqual(['SET k abc PXAT 5'])
    expect(written((out) => writeString(out, key, [], 0))).toEqual(['SET k '])
    expect(written((out) => askStart(out, key))).toEqual(['GETRANGE k 0 65535'])
    expect(written((out) => askPiece(out, key, 65_536))).toEqual(['GETRANGE k 65536 1114111'])
    expect(written((out) => writePiece(out, key, Buffer.from('p')))).toEqual(['APPEND k p'])
  })
})

describe('a window', () => {
  it('has as many elements as fit into its bytes, within bounds', () => {
    expect(stepFor(10_000_000, 100_000)).toBe(1_000)
    expect(stepFor(10_000_000, 1_000)).toBe(26)
    expect(stepFor(900_000_000, 3)).toBe(1)
    expect([stepFor(0, 50), stepFor(50, 0)]).toEqual([100, 100])
  })
})
