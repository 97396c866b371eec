/** A write under another name that is refused although it was let through before: sent again as it was written, or its refusal told. */
import { beforeEach, expect, it } from 'vitest'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptPath } from '../../../src/dispatch/script-path.ts'
import { WritePath } from '../../../src/dispatch/write-path.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { stripeOf } from '../../../src/routing/stripe.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const server = { family: 'redis', version: '7.4.2' }
const lanes = { lane: () => ({ server, clockOffsetMs: 0, up: false }) } as unknown as Lanes
const wrong = '-ERR value is not an integer or out of range\r\n'
const refused = "-NOPERM this user has no permissions to run the 'pexpireat' command\r\n"

let sides: FakeSides
let writes: WritePath

beforeEach(() => {
  sides = new FakeSides()
  writes = new WritePath(sides.core, lanes, new ScriptPath(sides.core, lanes, []))
  expect(send('EXPIRE a 10')).toBe('parked')
  sides.source.reply(wrong + wrong)
  expect(send('EXPIRE a 10')).toBe('sent')
  expect(sides.source.commands).toEqual(['EXPIRE a never', 'PEXPIREAT a never', expect.stringMatching(/^PEXPIREAT a \d+$/)])
  expect(sides.target.commands).toHaveLength(1)
})

function send(line: string): string {
  const buf = encodeCommand(line.split(' '))
  for (const args of framesIn(buf, 0, buf.length))
    return writes.write(sides.client, specOf(args), args, { buf, start: 0, end: buf.length, pieces: null })
  throw new Error('no frame')
}

const dirty = (): number => sides.core.journal.size

it('is answered by the authority and compared, and never asked about again', () => {
  sides.source.reply(':1\r\n')
  sides.target.reply(':1\r\n')
  expect([sides.taken(), dirty()]).toEqual([':1\r\n', 0])
  expect(send('EXPIRE b 10')).toBe('sent')
  sides.source.reply(':1\r\n')
  sides.target.reply(':0\r\n')
  expect([sides.taken(), dirty()]).toEqual([':1\r\n', 1])
})

it('goes again as it was written, to the authority alone; no flip begins before that is answered', () => {
  sides.source.reply(refused)
  expect([sides.source.commands.at(-1), sides.taken(), dirty()]).toEqual(['EXPIRE a 10', '', 1])
  let quiet = false
  sides.core.board.closeGate(() => {
    quiet = true
  })
  expect(quiet).toBe(false)
  sides.source.reply(':1\r\n')
  expect([sides.taken(), quiet]).toEqual([':1\r\n', true])
  sides.core.board.openGate()
  expect([send('EXPIRE b 10'), sides.source.commands.at(-1), sides.target.commands.length]).toEqual(['sent', 'EXPIRE b 10', 1])
})

it('is noted when it goes again: a copy in pieces that began in between does not know of the first time', () => {
  const notes = sides.core.notes.open(0, Buffer.from('a'))
  sides.source.reply(refused)
  expect(notes.spoiled).toBe('expire may have changed any part of it')
})

it('has an unknown outcome where the authority is lost the second time', () => {
  sides.source.reply(refused)
  sides.source.lose()
  expect(sides.taken()).toMatch(/^-ERR FERRY unknown-outcome/)
  expect([dirty(), sides.core.board.openTickets]).toEqual([1, 0])
})

it.each([
  ['something of its client stands behind it', () => send('APPEND a x')],
  ['a barrier waits', () => sides.core.board.closeGate(() => {})],
  ['its key is being copied', () => sides.core.board.hold([stripeOf(Buffer.from('a'), 0, 1, 0)])],
])('is not sent again where %s: then the refusal names what the client wrote', (_what, happens) => {
  happens()
  const sent = sides.source.commands.length
  sides.source.reply(refused)
  expect(sides.source.commands).toHaveLength(sent)
  expect(sides.taken()).toBe(refused.replace('pexpireat', 'expire'))
})
