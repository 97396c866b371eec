/** A command that changes function libraries, whose connection goes before its answer is there. */
import { expect, it } from 'vitest'
import { LibraryWrite } from '../../../src/dispatch/script-libraries.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const frame = encodeCommand(['FUNCTION', 'FLUSH'])

function sent(): { sides: FakeSides; changes: () => number } {
  const sides = new FakeSides()
  let changes = 0
  const write = new LibraryWrite(sides.core, sides.client, 'function flush', () => changes++)
  sides.client.replies.push(write)
  for (const lane of [sides.source, sides.target]) lane.send(frame, 0, frame.length, write, 1)
  return { sides, changes: () => changes }
}

it('is an error of an unknown outcome, and the libraries are not known to be alike', () => {
  const { sides, changes } = sent()
  sides.source.lose()
  expect(sides.taken()).toBe('-ERR FERRY unknown-outcome: source was lost before it answered (connection reset)\r\n')
  expect([sides.aborted, changes(), sides.core.libraries.problem]).toEqual([null, 0, expect.stringContaining('source was lost')])
  sides.target.reply('+OK\r\n')
  expect(changes()).toBe(1)
})

it('cuts the client off where half of the reply is out: an error in the middle of it would be taken for its rest', () => {
  const { sides } = sent()
  sides.source.part('$3\r\nx')
  sides.source.lose(true)
  expect([sides.taken(), sides.aborted]).toEqual(['$3\r\nx', 'source was lost in the middle of a reply'])
})

it('costs its client nothing where the follower is lost', () => {
  const { sides } = sent()
  sides.target.lose()
  sides.source.reply('+OK\r\n')
  expect([sides.taken(), sides.aborted]).toEqual(['+OK\r\n', null])
})
