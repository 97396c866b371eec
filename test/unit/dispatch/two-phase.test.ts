/** A write that waits for its pre-image is noted when it is sent: a copy in pieces may have brought what was noted before. */
import { expect, it } from 'vitest'
import { framesIn, specOf } from '../../../src/dispatch/command-keys.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptPath } from '../../../src/dispatch/script-path.ts'
import { WritePath } from '../../../src/dispatch/write-path.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { FakeSides } from '../../support/fake-sides.ts'
import { until } from '../../support/wait.ts'

it('notes the fields of a hash again when it is sent, and the whole of it when it is taken back', async () => {
  const sides = new FakeSides({ writePolicy: 'two-phase-commit' })
  const lanes = {
    lane: (side: 'source' | 'target') => Object.assign(sides[side], { server: { family: 'redis', version: '7.4.2' } }),
    whenAnswered: (_side: string, done: (answered: boolean) => void) => done(true),
    orphaned: () => false,
  } as unknown as Lanes
  const writes = new WritePath(sides.core, lanes, new ScriptPath(sides.core, lanes, []))
  const notes = sides.core.notes.open(0, Buffer.from('h'))
  const buf = encodeCommand(['HSET', 'h', 'f', 'v'])
  for (const args of framesIn(buf, 0, buf.length))
    writes.write(sides.client, specOf(args), args, { buf, start: 0, end: buf.length, pieces: null })
  await until(() => sides.source.commands.length === 2, { what: 'the pre-image to be asked for' })
  expect(notes.takeElements().map(String)).toEqual(['f'])
  sides.source.reply('$-1\r\n:-2\r\n')
  await until(() => sides.target.commands.includes('HSET h f v'), { what: 'the write to be sent' })
  expect(notes.takeElements().map(String)).toEqual(['f'])
  sides.source.reply(':1\r\n')
  sides.target.reply('-OOM no\r\n')
  await until(() => sides.source.commands.at(-1) === 'UNLINK h', { what: 'the write to be taken back' })
  expect(notes.spoiled).toBe('a two-phase write was taken back')
})
