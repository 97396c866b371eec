/** Writes whose answers are compared by meaning, where a side is lost with one under way. */
import { expect, it } from 'vitest'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import { MeantWrite } from '../../../src/dispatch/meant-write.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const key = Buffer.from('z')

it.each([
  ['nobody was told that it ran: whoever decides about the key goes on to', 'source', 'target'],
  ['the client was told that it ran on the authority, which then has the truth', 'target', 'source'],
] as const)('%s', (_what, lost, truth) => {
  const sides = new FakeSides()
  const { core, client } = sides
  const frame = encodeCommand(['ZINCRBY', 'z', '1', 'm'])
  const [args] = framesIn(frame, 0, frame.length)
  if (args === undefined) throw new Error('no frame')
  const write = new MeantWrite(core, client, specOf(args), [{ db: 0, key }])
  client.replies.push(write)
  for (const lane of [sides.source, sides.target]) lane.send(frame, 0, frame.length, write, 1)
  // The follower's word was given to a client for what was written right before.
  core.journal.mark(0, key, 'target', 'the authority was lost before its answer')
  sides[lost].lose()
  expect(core.journal.truthOf(0, key)).toBe(truth)
})
