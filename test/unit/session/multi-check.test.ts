/** Whether MULTI may be sent, by what a server says to it. */
import { expect, it } from 'vitest'
import { MultiCheck } from '../../../src/session/multi-check.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import type { Waiter } from '../../../src/upstream/waiter.ts'

class FakeLane {
  clientId = 1
  asked = 0
  waiter: Waiter | null = null

  send(_buf: Buffer, _start: number, _end: number, waiter: Waiter): void {
    this.asked++
    this.waiter = waiter
  }

  answer(...replies: string[]): void {
    const bytes = Buffer.from(replies.map((reply) => `${reply}\r\n`).join(''))
    this.waiter?.take(this as unknown as Lane, bytes, 0, bytes.length, true)
  }
}

function setup(): { lane: FakeLane; verdict: () => string | null; woken: () => number } {
  const [check, lane] = [new MultiCheck(), new FakeLane()]
  let woken = 0
  const verdict = (): string | null => check.verdict(lane as unknown as Lane, { unpark: () => woken++ })?.toString() ?? null
  return { lane, verdict, woken: () => woken }
}

const unknown = "-ERR unknown command 'EXEC', with args beginning with: "

it.each([
  ['allowed', ['+OK', '*0', '-ERR DISCARD without MULTI'], 'ok'],
  [
    'without a right to MULTI',
    ['-NOPERM no multi', '-ERR EXEC without MULTI', '-ERR DISCARD without MULTI'],
    '-NOPERM no multi\r\n',
  ],
  ['without a right to EXEC, which will say so', ['+OK', '-EXECABORT NOPERM no exec', '-ERR DISCARD without MULTI'], 'ok'],
  ['where EXEC has another name', ['+OK', unknown, '+OK'], `${unknown}\r\n`],
])('%s', (_what, replies, expected) => {
  const { lane, verdict, woken } = setup()
  expect([verdict(), verdict(), lane.asked, woken()]).toEqual([null, null, 1, 0])
  lane.answer(...replies)
  expect([woken(), verdict()]).toEqual([2, expected])
})

it('asks again on another connection, after a refusal was told, and where the answer was lost', () => {
  const { lane, verdict } = setup()
  verdict()
  lane.waiter?.lost(lane as unknown as Lane, 1, false)
  expect(verdict()).toBeNull()
  lane.answer('-NOPERM no', '-NOPERM no', '-NOPERM no')
  expect([verdict(), verdict()]).toEqual(['-NOPERM no\r\n', null])
  lane.answer('+OK', '*0', '-ERR DISCARD without MULTI')
  expect([verdict(), verdict(), lane.asked]).toEqual(['ok', 'ok', 3])
  lane.clientId = 2
  expect([verdict(), lane.asked]).toEqual([null, 4])
})
