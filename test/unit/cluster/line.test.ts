import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Line, Place } from '../../../src/cluster/line.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

test('whatever order the replies come in, and in whatever pieces, they leave in the order of their places', () => {
  const order = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.shuffledSubarray(
      Array.from({ length: count * 2 }, (_, i) => i),
      { minLength: count * 2 },
    ),
  )
  fc.assert(
    fc.property(order, (events) => {
      let out = ''
      const line = new Line((chunk) => {
        out += chunk
      })
      const places = Array.from({ length: events.length / 2 }, () => new Place())
      for (const place of places) line.push(place)
      const pieces = places.map(() => 0)
      for (const event of events) {
        const at = event >> 1
        const piece = (pieces[at] as number) + 1
        pieces[at] = piece
        line.deliver(places[at] as Place, bytes(`${at}${piece === 1 ? 'a' : 'b'} `), piece === 2)
      }
      expect(out).toBe(places.map((_, i) => `${i}a ${i}b `).join(''))
      expect(line.heldBytes).toBe(0)
      expect(line.first).toBeNull()
    }),
  )
})

test('a command that is sent again stands ahead of those that went with it, and behind what they have answered', () => {
  let out = ''
  const line = new Line((chunk) => {
    out += chunk
  })
  const [first, run, again] = [new Place(), new Place(), new Place()]
  line.push(first)
  line.push(run)
  line.deliver(run, bytes('1 '), false)
  line.insert(again, run)
  line.deliver(run, bytes('3 '), true)
  line.deliver(first, bytes('0 '), true)
  expect(out).toBe('0 1 ')
  line.deliver(again, bytes('2 '), true)
  expect(out).toBe('0 1 2 3 ')
})

test('a push comes behind what is answered, in part or whole, and ahead of what is not', () => {
  let out = ''
  const line = new Line((chunk) => {
    out += chunk
  })
  const push = (text: string): void => {
    const place = new Place()
    line.interject(place)
    line.deliver(place, bytes(text), true)
  }
  push('p0 ')
  const [first, second, third] = [new Place(), new Place(), new Place()]
  for (const place of [first, second, third]) line.push(place)
  push('p1 ')
  line.deliver(first, bytes('1a '), false)
  push('p2 ')
  line.deliver(second, bytes('2 '), true)
  push('p3 ')
  line.deliver(first, bytes('1b '), true)
  line.deliver(third, bytes('3 '), true)
  push('p4 ')
  expect(out).toBe('p0 p1 1a 1b p2 2 p3 3 p4 ')
})
