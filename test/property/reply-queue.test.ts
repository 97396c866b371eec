import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ReplyQueue, ReplySlot } from '../../src/dispatch/reply-queue.ts'
import { cuts, holds, placesIn } from '../support/property.ts'
import { cutAt } from '../support/splits.ts'

const reply = fc.tuple(fc.integer({ min: 1, max: 40 }), cuts(4), fc.boolean())

it('replies leave in the order of the slots, whatever order and pieces they are delivered in', () => {
  holds(
    fc.property(fc.array(reply, { maxLength: 15, size: 'max' }), fc.infiniteStream(fc.nat(1_000)), (sizes, picks) => {
      const out: string[] = []
      let drained = 0
      const queue = new ReplyQueue({
        write: (buf, start, end) => void out.push(buf.toString('latin1', start, end)),
        drained: () => drained++,
      })
      const whole = sizes.map(([size], i) => `<${i}:${'x'.repeat(size)}>`)
      const pieces = sizes.map(([, shares], i) => {
        const bytes = Buffer.from(whole[i] as string)
        return cutAt(bytes, placesIn(shares, bytes.length))
      })
      const slots = sizes.map(([, , ownAnswer], i) => {
        if (ownAnswer) {
          queue.answer(Buffer.from(whole[i] as string))
          return null
        }
        const slot = new ReplySlot()
        queue.push(slot)
        return slot
      })
      for (;;) {
        const owing = slots.flatMap((slot, i) => (slot !== null && (pieces[i] as Buffer[]).length > 0 ? [i] : []))
        if (owing.length === 0) break
        const i = owing[(picks.next().value as number) % owing.length] as number
        const piece = (pieces[i] as Buffer[]).shift() as Buffer
        const padded = Buffer.concat([Buffer.from('no'), piece, Buffer.from('ise')])
        queue.deliver(slots[i] as ReplySlot, padded, 2, 2 + piece.length, (pieces[i] as Buffer[]).length === 0)
        // Nothing leaves out of order, and nothing is kept that could leave.
        const ended = slots.findIndex((slot, at) => slot !== null && (pieces[at] as Buffer[]).length > 0)
        const sofar = out.join('')
        expect(whole.join('').startsWith(sofar)).toBe(true)
        expect(sofar.length).toBeGreaterThanOrEqual(whole.slice(0, ended < 0 ? whole.length : ended).join('').length)
      }
      expect(out.join('')).toBe(whole.join(''))
      expect(queue.length).toBe(0)
      if (slots.some((slot) => slot !== null)) expect(drained).toBeGreaterThan(0)
    }),
    500,
  )
})
