/** Which form of a command a user may send, by what a server says to calls that it does not run. */
import { beforeEach, expect, it } from 'vitest'
import { otherFormOf } from '../../../src/commands/other-forms.ts'
import { FormCheck, refusedStripesMax } from '../../../src/dispatch/form-check.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import type { Waiter } from '../../../src/upstream/waiter.ts'

const noCommand = "-NOPERM this user has no permissions to run the 'pexpireat' command"
const noKey = '-NOPERM this user has no permissions to access one of the keys used as arguments'
const wrong = '-ERR value is not an integer or out of range'

class FakeLane {
  connections = 1
  asked = 0
  #waiter: Waiter | null = null

  prepare(): void {}

  send(_buf: Buffer, _start: number, _end: number, waiter: Waiter): void {
    this.asked++
    this.#waiter = waiter
  }

  answer(...replies: string[]): void {
    const bytes = Buffer.from(replies.map((reply) => `${reply}\r\n`).join(''))
    this.#waiter?.take(this as unknown as Lane, bytes, 0, bytes.length, true)
  }

  lose(): void {
    this.#waiter?.lost(this as unknown as Lane, 2, false)
  }
}

let check: FormCheck
let fake: FakeLane
let lane: Lane
let woken: number

beforeEach(() => {
  check = new FormCheck()
  fake = new FakeLane()
  lane = fake as unknown as Lane
  woken = 0
})

const at = (key: string) => ({ db: 0, key: Buffer.from(key) })
const refuses = (key: string): boolean => check.refuses(lane, 'expire', at(key))

function knows(key: string): boolean {
  const question = { name: 'expire', probes: () => otherFormOf('expire')?.probes(Buffer.from(key)) ?? [] }
  return check.knows(lane, 2, question, at(key), { unpark: () => woken++ })
}

it.each([
  ['lets both through', [wrong, wrong], false, false],
  ['refuses the other form', [wrong, noCommand], true, true],
  ['refuses what the client wrote', [noCommand, wrong], true, true],
  ['does not know the other form', [wrong, "-ERR unknown command 'PEXPIREAT', with args beginning with: "], true, true],
  ['refuses the key', [noKey, noKey], true, false],
  ['is out of memory', ['-OOM command not allowed', '-OOM command not allowed'], false, false],
])('is asked once: a server that %s', (_what, replies, forKey, forOthers) => {
  expect([knows('k'), knows('k')]).toEqual([false, false])
  expect([fake.asked, woken]).toEqual([1, 0])
  fake.answer(...replies)
  expect([knows('k'), woken]).toEqual([true, 2])
  expect([refuses('k'), refuses('other'), fake.asked]).toEqual([forKey, forOthers, 1])
})

it('is asked again on another connection, and after an answer that never came', () => {
  knows('k')
  fake.lose()
  expect([woken, knows('k'), fake.asked]).toEqual([1, false, 2])
  fake.answer(wrong, noCommand)
  expect([knows('k'), refuses('k')]).toEqual([true, true])
  fake.connections++
  expect([refuses('k'), knows('k'), fake.asked]).toEqual([false, false, 3])
})

it('is asked again once it is in doubt, and not where the form was given up', () => {
  knows('k')
  fake.answer(wrong, wrong)
  check.forget(lane)
  expect([knows('k'), fake.asked]).toEqual([false, 2])
  check.giveUp(lane, 'expire')
  expect([knows('k'), refuses('any')]).toEqual([true, true])
})

it('takes a command for refused altogether where it is refused for too many keys', () => {
  const refused = (i: number): boolean => check.heard(lane, 'expire', at(`k${i}`), Buffer.from(`${noKey}\r\n`))
  for (let i = 0; i < refusedStripesMax; i++) expect(refused(i)).toBe(true)
  expect([refuses('k0'), refuses('another')]).toEqual([true, false])
  // Two keys may share a stripe.
  for (let i = refusedStripesMax; i < refusedStripesMax + 10; i++) refused(i)
  expect(refuses('another')).toBe(true)
  expect(check.heard(lane, 'expire', at('k'), Buffer.from(':1\r\n'))).toBe(false)
})
