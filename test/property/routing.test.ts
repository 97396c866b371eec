import calculateSlot from 'cluster-key-slot'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { slotCount, slotOf } from '../../src/routing/slot.ts'
import { stripeCount, stripeOf } from '../../src/routing/stripe.ts'
import { bytes, holds } from '../support/property.ts'

const braced = fc
  .array(fc.oneof(fc.constantFrom('{', '}', '{}', 'a', 'user:'), fc.string({ maxLength: 3 })), { maxLength: 8 })
  .map((parts) => Buffer.from(parts.join('')))
const key = fc.oneof(bytes(40), braced)
/** The key somewhere inside a request: what stands around it must not count. */
const placed = fc.tuple(key, bytes(8), bytes(8)).map(([own, before, after]) => ({
  own,
  buf: Buffer.concat([Buffer.from('{x'), before, own, after, Buffer.from('}')]),
  offset: before.length + 2,
}))

/** The library takes `{}x}` for a hash tag, which a server does not (test/integration/routing/slot.test.ts asks one). */
const emptyTag = (own: Buffer): boolean => own.includes('{}') && own.indexOf('{}') === own.indexOf('{')

describe('slotOf', () => {
  it('is the cluster’s slot of every key', () => {
    holds(
      fc.property(placed, ({ own, buf, offset }) => {
        fc.pre(!emptyTag(own))
        expect(slotOf(buf, offset, own.length)).toBe(calculateSlot(own))
      }),
      2_000,
    )
  })

  it.each([
    ['123456789', 0x31c3],
    ['', 0],
    ['{}}', 14_790],
    ['{user1000}.following', calculateSlot('user1000')],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', calculateSlot('{bar')],
    ['foo{bar}{zap}', calculateSlot('bar')],
    ['foo{bar', calculateSlot(Buffer.from('foo{bar'))],
  ])('%j', (text, slot) => expect(slotOf(Buffer.from(text), 0, Buffer.byteLength(text))).toBe(slot % slotCount))
})

describe('stripeOf', () => {
  it('depends on the key’s bytes and the database alone, and is in range', () => {
    holds(
      fc.property(placed, fc.nat(15), ({ own, buf, offset }, db) => {
        const stripe = stripeOf(buf, offset, own.length, db)
        expect(stripe).toBe(stripeOf(own, 0, own.length, db))
        expect(Number.isInteger(stripe) && stripe >= 0 && stripe < stripeCount).toBe(true)
      }),
      1_000,
    )
  })

  it('tells databases apart', () => {
    holds(
      fc.property(key, fc.nat(15), fc.nat(15), (own, a, b) => {
        fc.pre(a !== b)
        expect(stripeOf(own, 0, own.length, a)).not.toBe(stripeOf(own, 0, own.length, b))
      }),
    )
  })

  it('spreads: 200,000 common names share few stripes', () => {
    const stripes = new Set<number>()
    for (let n = 0; n < 200_000; n++) {
      const name = Buffer.from(`user:${n}:profile`)
      stripes.add(stripeOf(name, 0, name.length, 0))
    }
    // A perfect hash would leave about 181,800 of a million stripes in use.
    expect(stripes.size).toBeGreaterThan(170_000)
  })
})
