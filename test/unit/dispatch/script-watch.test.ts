/** What a client is told of its script, whatever becomes of the connection that tells what the script wrote. */
import { expect, test } from 'vitest'
import { unknownFacts } from '../../../src/commands/scripts.ts'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { ScriptWatch } from '../../../src/dispatch/script-watch.ts'
import { ScriptWrite } from '../../../src/dispatch/script-write.ts'
import type { Lane, LaneOwner } from '../../../src/upstream/lane.ts'
import { FakeSides } from '../../support/fake-sides.ts'

/** A watch that is on, with a script of the client under way whose reply waits for what it wrote. */
function begun() {
  const sides = new FakeSides()
  const told = Object.assign(new FakeSides().source, { connect: () => undefined, close: () => undefined })
  let owner: LaneOwner | null = null
  const sibling = (of: LaneOwner): Lane => {
    owner = of
    return told as unknown as Lane
  }
  const watch = new ScriptWatch(sides.core, { lane: () => ({ sibling }) } as unknown as Lanes)
  expect(watch.admits(sides.client)).toBe(false)
  ;(owner as LaneOwner | null)?.laneUp(told as unknown as Lane)
  told.reply('%0\r\n')
  told.reply('+OK\r\n')
  expect(watch.admits(sides.client)).toBe(true)
  const window = watch.open('EVAL', 0, unknownFacts, [])
  const errand = { window, unknownKeys: null, delays: true, known: () => undefined, again: () => false }
  const write = new ScriptWrite(sides.core, sides.client, errand)
  sides.client.replies.push(write)
  sides.source.expect(write, 1)
  return { sides, told, watch }
}

test('its reply comes behind the announcements of what it wrote', async () => {
  const { sides, told, watch } = begun()
  sides.source.reply(':7\r\n')
  expect(sides.taken()).toBe('')
  watch.lanePush(told as unknown as Lane, Buffer.from('>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n'))
  told.reply('+PONG\r\n')
  return expect
    .poll(() => sides.taken())
    .toBe(':7\r\n')
    .then(() => expect(sides.truthOf('k')).toBe('source'))
})

test('its reply comes where the announcements were lost before it', () => {
  const { sides, told, watch } = begun()
  watch.laneDown(told as unknown as Lane)
  expect(sides.core.journal.resyncReason).not.toBeNull()
  sides.source.reply(':7\r\n')
  expect(sides.taken()).toBe(':7\r\n')
})

test('its reply comes where the announcements are lost behind it', () => {
  const { sides, told, watch } = begun()
  sides.source.reply(':7\r\n')
  watch.laneDown(told as unknown as Lane)
  expect(sides.taken()).toBe(':7\r\n')
})
