/** When a client's watched keys count as changed without the server that watches them having seen it. */
import { beforeEach, expect, it } from 'vitest'
import type { LanePair } from '../../../src/dispatch/lane-pair.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import type { ClientSession } from '../../../src/session/client-session.ts'
import { Watch } from '../../../src/session/watch.ts'
import { FakeSides } from '../../support/fake-sides.ts'

const frame = encodeCommand(['WATCH', 'a'])
const watched = (count: number) => Array.from({ length: count }, (_, i) => ({ db: 0, key: Buffer.from(`a${i}`) }))

let sides: FakeSides
let session: ClientSession & { pair: LanePair }
let watch: Watch

beforeEach(() => {
  sides = new FakeSides({ writePolicy: 'best-effort' })
  const authorityLane = () => ({ whenAnswered: () => undefined })
  const shared = {
    core: Object.assign(Object.create(sides.core), { authorityLane }),
    lanes: { pinned: { forget: () => undefined } },
  }
  session = { ...sides.client, shared } as unknown as typeof session
  watch = new Watch(session)
})

it('is broken where the follower alone has taken a write of a watched key, until that is healed', () => {
  watch.add(frame, watched(2))
  sides.core.journal.mark(0, Buffer.from('other'), 'target', 'test')
  sides.core.journal.mark(1, Buffer.from('a1'), 'target', 'test')
  sides.core.journal.mark(0, Buffer.from('a1'), 'source', 'test')
  expect(watch.broken).toBe(false)
  sides.core.journal.mark(0, Buffer.from('a1'), 'target', 'test')
  expect([watch.broken, watch.lane]).toEqual([true, null])
})

it('takes any such key for its own beyond the number that it remembers', () => {
  watch.add(frame, watched(100_000))
  sides.core.journal.mark(0, Buffer.from('other'), 'target', 'test')
  expect(watch.broken).toBe(false)
  watch.add(frame, watched(1))
  expect(watch.broken).toBe(true)
})

it('is broken where the authority is another one, or the client another user', () => {
  const { traffic } = sides.core
  traffic.apply({ ...traffic.wish, writePolicy: 'new-authoritative' })
  expect(watch.broken).toBe(true)
  watch = new Watch(session)
  expect(watch.broken).toBe(false)
  session.pair = { ...session.pair } as LanePair
  expect(watch.broken).toBe(true)
})
