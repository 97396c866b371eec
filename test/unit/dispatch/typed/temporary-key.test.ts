import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isTemporaryKey, temporaryKey } from '../../../../src/dispatch/typed/temporary-key.ts'
import { slotOf } from '../../../../src/routing/slot.ts'

const owner = '0123456789ab'
const slot = (key: Buffer): number => slotOf(key, 0, key.length)
const nameFor = (key: string): Buffer => temporaryKey(Buffer.from(key, 'latin1'), owner, 3)

describe('a temporary name', () => {
  it.each(['k', '', '{', '}', '{}', '}{', '{}x', 'a}b', 'a{b', 'a{b}c', 'a{}{b}c', '{{a}}', '{a}}', 'x{{}y'])(
    'lies in the slot of %j',
    (key) => {
      expect(slot(nameFor(key))).toBe(slot(Buffer.from(key)))
      expect(isTemporaryKey(nameFor(key))).toBe(true)
    },
  )

  it('lies in the slot of any key', () => {
    const bytes = fc.array(fc.oneof(fc.constantFrom(123, 125), fc.integer({ min: 0, max: 255 })), { maxLength: 12 })
    fc.assert(
      fc.property(bytes, (key) => {
        const name = temporaryKey(Buffer.from(key), owner, 9_007_199_254_740_991)
        expect(slot(name)).toBe(slot(Buffer.from(key)))
        expect(isTemporaryKey(name)).toBe(true)
      }),
    )
  })

  it.each([
    'ferry:copy:{k}',
    'ferry:copy:{k}:0123456789ab',
    'ferry:copy:{k}:0123456789ab:',
    'ferry:copy:k}:0123456789ab:1',
    'k',
    '',
  ])('is not %j', (key) => {
    expect(isTemporaryKey(Buffer.from(key))).toBe(false)
  })
})
