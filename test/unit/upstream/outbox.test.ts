import type { Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Outbox } from '../../../src/upstream/outbox.ts'
import { holds } from '../../support/property.ts'

/** Keeps the slices as they were given, and looks at their bytes only when it "sends" them, as a socket may. */
class SlowSocket {
  readonly written: Buffer[] = []
  sent = ''
  corks = 0
  slow = false

  get writableLength(): number {
    return this.slow ? this.written.reduce((sum, buf) => sum + buf.length, 0) : 0
  }
  write(buf: Buffer): void {
    this.written.push(buf)
    if (!this.slow) this.drain()
  }
  cork(): void {
    this.corks++
  }
  uncork(): void {
    this.corks--
  }
  drain(): void {
    for (const buf of this.written.splice(0)) this.sent += buf.toString('latin1')
  }
}

const flush = (outbox: Outbox, socket: SlowSocket): void => outbox.flush(socket as unknown as Socket)

const noise = [0, 1, 2].map((n) => Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + n * 31) % 256)))

describe('an outbox', () => {
  it('sends neighbouring slices of one buffer as one, without a copy', () => {
    const [outbox, socket] = [new Outbox(1_000), new SlowSocket()]
    socket.slow = true
    const chunk = Buffer.from('0123456789')
    outbox.write(chunk, 2, 4)
    outbox.write(chunk, 4, 5)
    outbox.write(chunk, 5, 9)
    expect(outbox.pendingBytes).toBe(7)
    flush(outbox, socket)
    expect(socket.written).toHaveLength(1)
    expect(socket.written[0]?.buffer).toBe(chunk.buffer)
    expect(socket.written[0]?.toString()).toBe('2345678')
    expect(outbox.pendingBytes).toBe(0)
  })

  it('copies small strangers together and hands large ones over', () => {
    const [outbox, socket] = [new Outbox(1_000), new SlowSocket()]
    socket.slow = true
    const large = Buffer.alloc(5_000, 'L')
    outbox.write(Buffer.from('a'), 0, 1)
    outbox.write(Buffer.from('b'), 0, 1)
    outbox.write(large, 0, large.length)
    outbox.write(Buffer.from('c'), 0, 1)
    flush(outbox, socket)
    expect(socket.written.map((buf) => buf.length)).toEqual([2, 5_000, 1])
    expect(socket.written[1]).toEqual(large)
    expect(socket.corks).toBe(0)
    socket.drain()
    expect(socket.sent).toBe(`ab${large}c`)
  })

  it('writes nothing if there is nothing', () => {
    const [outbox, socket] = [new Outbox(1_000), new SlowSocket()]
    flush(outbox, socket)
    outbox.write(Buffer.from('a'), 0, 1)
    outbox.discard()
    expect(outbox.pendingBytes).toBe(0)
    flush(outbox, socket)
    expect(socket.sent).toBe('')
    outbox.write(Buffer.from('b'), 0, 1)
    flush(outbox, socket)
    expect(socket.sent).toBe('b')
  })

  it('never changes bytes that a slow socket still has', () => {
    const op = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant('write' as const), fc.nat(40), fc.nat(2)) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('write' as const), fc.constant(3_000), fc.nat(2)) },
      { weight: 2, arbitrary: fc.tuple(fc.constantFrom('flush', 'drain', 'slow', 'fast'), fc.constant(0), fc.constant(0)) },
    )
    holds(
      fc.property(fc.array(op, { maxLength: 80, size: 'max' }), (ops) => {
        const [outbox, socket] = [new Outbox(2_100), new SlowSocket()]
        let expected = ''
        const sources = noise.map((buf) => ({ buf, at: 0 }))
        for (const [what, size, from] of ops) {
          if (what === 'write') {
            const source = sources[from] as (typeof sources)[number]
            const skip = size % 3 === 0 ? 1 : 0
            const start = source.at + skip
            const end = start + (size === 39 ? 2_048 : size)
            outbox.write(source.buf, start, end)
            expected += source.buf.toString('latin1', start, end)
            source.at = end
          } else if (what === 'flush') flush(outbox, socket)
          else if (what === 'drain') socket.drain()
          else socket.slow = what === 'slow'
        }
        flush(outbox, socket)
        socket.drain()
        expect(socket.sent).toBe(expected)
      }),
      300,
    )
  })
})
