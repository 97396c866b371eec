/** The bytes that go to the two servers: what is asked and written where nobody wants to know how keys were used, and where somebody does. */
import { describe, expect, test } from 'vitest'
import { AccessCarry } from '../../../src/dispatch/access-carry.ts'
import { type Payload, readPayloads, writePayloads } from '../../../src/dispatch/key-transfer.ts'
import { EventLog } from '../../../src/observe/events.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import type { Waiter } from '../../../src/upstream/waiter.ts'

const keys = ['a', 'bc'].map((name) => Buffer.from(name))
const value = Buffer.from('dump')

/** Answers each exchange with the next of `replies`, once all of it was sent. */
class ScriptedLane {
  readonly side = 'source'
  readonly up = true
  readonly admitted = true
  readonly clockOffsetMs = 0
  /** Of each exchange. */
  readonly sent: string[] = []
  readonly counts: number[] = []
  readonly #replies: string[]

  constructor(...replies: string[]) {
    this.#replies = replies
  }

  get lane(): Lane {
    return this as unknown as Lane
  }

  prepare(): void {}

  expect(waiter: Waiter, count: number): void {
    this.counts.push(count)
    this.sent.push('')
    const reply = Buffer.from(this.#replies.shift() ?? '')
    queueMicrotask(() => waiter.take(this.lane, reply, 0, reply.length, true))
  }

  write(buf: Buffer, start: number, end: number): void {
    this.sent[this.sent.length - 1] += buf.toString('latin1', start, end)
  }
}

const frame = (...argv: string[]): string => `*${argv.length}\r\n${argv.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
const dumps = keys.map((key) => frame('DUMP', String(key)) + frame('PEXPIRETIME', String(key))).join('')
const dumped = '$4\r\ndump\r\n:-1\r\n'

describe('reading', () => {
  test('asks for nothing but the values and their ends', async () => {
    const to = new ScriptedLane(dumped + dumped)
    expect(await readPayloads(to.lane, 0, keys)).toEqual(
      keys.map((key) => ({ key, bytes: value, typed: null, expiresAtMs: 0, error: null })),
    )
    expect([to.sent, to.counts]).toEqual([[dumps], [4]])
  })

  test.each(['IDLETIME', 'FREQ'] as const)('asks for %s ahead of the first value, all in one', async (option) => {
    const to = new ScriptedLane(`:7\r\n:255\r\n${dumped}$-1\r\n:-2\r\n`)
    const carry = new AccessCarry(option, new EventLog(), 1_000)
    const payloads = await readPayloads(to.lane, 0, keys, carry)
    expect(to.sent).toEqual([frame('OBJECT', option, 'a') + frame('OBJECT', option, 'bc') + dumps])
    expect(to.counts).toEqual([6])
    expect(payloads.map(({ bytes, access }) => [bytes, access])).toEqual([
      [value, { option, value: 7, carry }],
      [null, { option, value: 255, carry }],
    ])
  })

  test('where it is refused the values come all the same, and that is said once; a key that is gone has none', async () => {
    const events = new EventLog()
    const carry = new AccessCarry('FREQ', events, 1_000)
    const refused = `-ERR An LFU maxmemory policy is not selected\r\n$-1\r\n${dumped}${dumped}`
    const to = new ScriptedLane(refused, refused)
    for (const _ of [1, 2]) {
      const payloads = await readPayloads(to.lane, 0, keys, carry)
      expect(payloads).toEqual(keys.map((key) => ({ key, bytes: value, typed: null, expiresAtMs: 0, error: null })))
    }
    expect(events.since(0)).toMatchObject([
      {
        kind: 'mover',
        message: 'keys are copied without how often they were used, which the source does not tell',
        reason: 'ERR An LFU maxmemory policy is not selected',
      },
    ])
  })

  test('a server without PEXPIRETIME is read again, which counts as a use: what it said first stays', async () => {
    const unknown = "-ERR unknown command 'PEXPIRETIME'\r\n"
    const to = new ScriptedLane(`:7\r\n:8\r\n$4\r\ndump\r\n${unknown}$4\r\ndump\r\n${unknown}`, dumped + dumped)
    const payloads = await readPayloads(to.lane, 0, keys, new AccessCarry('IDLETIME', new EventLog(), 1_000))
    expect(payloads.map(({ access }) => access?.value)).toEqual([7, 8])
    expect(to.counts).toEqual([6, 4])
  })
})

describe('writing', () => {
  const payload: Payload = { key: keys[0] as Buffer, bytes: value, typed: null, expiresAtMs: 5, error: null }
  const restored = ['RESTORE', 'a', '5', 'dump', 'REPLACE', 'ABSTTL']

  test('is as it was where nothing is known of their use', async () => {
    const to = new ScriptedLane('+OK\r\n:1\r\n')
    expect(await writePayloads(to.lane, 0, [payload, { ...payload, bytes: null }])).toEqual([null, null])
    expect(to.sent).toEqual([frame(...restored) + frame('UNLINK', 'a')])
  })

  test('tells it behind the value, which may be long; a key that is gone needs none', async () => {
    const to = new ScriptedLane('+OK\r\n+OK\r\n:1\r\n+OK\r\n')
    const long = Buffer.alloc(20_000, 'x')
    const carry = new AccessCarry('IDLETIME', new EventLog(), 1_000)
    const idle = { option: 'IDLETIME', value: 16_777_215, carry } as const
    const payloads: Payload[] = [
      { ...payload, access: idle },
      { ...payload, bytes: long, access: { option: 'FREQ', value: 0, carry } },
      { ...payload, bytes: null, access: idle },
      payload,
    ]
    expect(await writePayloads(to.lane, 0, payloads)).toEqual([null, null, null, null])
    expect(to.sent).toEqual([
      frame(...restored, 'IDLETIME', '16777215') +
        frame('RESTORE', 'a', '5', String(long), 'REPLACE', 'ABSTTL', 'FREQ', '0') +
        frame('UNLINK', 'a') +
        frame(...restored),
    ])
  })
})
