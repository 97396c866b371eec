import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packCursor, unpackCursor } from '../../../src/cluster/scan-cursor.ts'

test('a cursor comes back as it was packed, as long as there is room for the place', () => {
  const place = fc.integer({ min: 0, max: 1023 })
  fc.assert(
    fc.property(place, fc.bigInt({ min: 0n, max: 2n ** 54n - 1n }), (at, cursor) => {
      const packed = packCursor({ place: at, cursor })
      expect(packed === null ? null : unpackCursor(packed)).toEqual({ place: at, cursor })
    }),
  )
})

test('what does not fit is told, and what is no cursor', () => {
  expect(packCursor({ place: 0, cursor: 2n ** 54n })).toBeNull()
  expect(packCursor({ place: 1024, cursor: 0n })).toBeNull()
  expect(unpackCursor('0')).toEqual({ place: 0, cursor: 0n })
  for (const text of ['', '-1', 'x', '1.5', '18446744073709551616']) expect(unpackCursor(text)).toBeNull()
})
