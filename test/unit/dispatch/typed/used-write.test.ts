/** What becomes of a value that is written together with its use, by what its server answers. */
import { describe, expect, it } from 'vitest'
import { AccessCarry } from '../../../../src/dispatch/access-carry.ts'
import type { Payload } from '../../../../src/dispatch/key-transfer.ts'
import { ScriptRefusal, settled, usedOf, usedOutcome, useOf } from '../../../../src/dispatch/typed/used-write.ts'
import { EventLog } from '../../../../src/observe/events.ts'
import type { Reply } from '../../../../src/resp/decode.ts'
import type { Lane } from '../../../../src/upstream/lane.ts'

const ok = Buffer.from('OK')
const queued = Buffer.from('QUEUED')
const taken = 'taken'
const refused = (error: string): Reply => ({ error })
const noScript = refused('NOPERM eval')
const aborted = refused('EXECABORT')
const outOfMemory = refused('OOM')

function scene() {
  const events = new EventLog()
  const carry = new AccessCarry('FREQ', events, 10)
  const lane = { side: 'target', connections: 1 }
  const payload = (expiresAtMs = 0): Payload => {
    const typed = { kind: 'string', sizeBytes: 1, bytes: Buffer.from('v') } as const
    return { key: ok, bytes: null, typed, expiresAtMs, error: null, access: { option: 'FREQ', value: 7, carry } }
  }
  const reasons = (): (string | null)[] => events.since(0).map(({ reason }) => reason)
  return { carry, lane, asLane: lane as unknown as Lane, payload, reasons }
}

describe('one value', () => {
  it.each<[string, Reply[], string | null, string | null, readonly string[]]>([
    ['is there with its use', [[1, ok]], null, null, []],
    ['has ended by then', [[1, null]], null, null, []],
    ['is there without, where it is not restored', [[1, refused('no RESTORE')]], null, null, ['no RESTORE']],
    ['is left out, where the place is taken', [0], taken, taken, []],
    ['is there with its use, in a block', [ok, queued, queued, [ok, [1, ok]]], null, null, []],
    ['is there without, where the script fails', [ok, queued, queued, [ok, refused('busy')]], null, null, ['busy']],
    ['is refused while it is queued', [ok, outOfMemory, noScript, aborted], null, 'OOM', []],
    ['is refused by EXEC', [ok, queued, queued, refused('MOVED')], null, 'MOVED', []],
    ['is refused when it runs', [ok, queued, queued, [outOfMemory, [1, ok]]], null, 'OOM', []],
    ['has no block', [refused('NOPERM multi'), ok, [1, ok], refused('ERR EXEC')], null, 'NOPERM multi', []],
    ['is moved with its use', [ok, queued, queued, queued, [ok, [1, ok], 0]], taken, null, []],
    ['is not moved where something is', [ok, queued, queued, queued, [ok, 0, 1]], taken, taken, []],
    ['cannot be moved', [ok, queued, queued, queued, [ok, outOfMemory, 0]], taken, 'OOM', []],
  ])('%s', (_, said, place, outcome, told) => {
    const { asLane, payload, reasons } = scene()
    expect(usedOutcome(asLane, payload(), said, place)).toBe(outcome)
    expect(reasons()).toEqual(told)
  })

  it('is nothing to be moved once its end has passed', () => {
    const { asLane, payload } = scene()
    const said = [ok, queued, queued, [refused('ERR no such key'), 0]]
    expect(usedOutcome(asLane, payload(5), said, taken)).toBeNull()
    expect(usedOutcome(asLane, payload(0), said, taken)).toBe('ERR no such key')
  })
})

describe('where the script is refused', () => {
  it.each([
    ['by itself', [noScript], null],
    ['in a block', [ok, queued, noScript, aborted], null],
    ['in front of what ends the block', [ok, queued, noScript, queued, aborted], taken],
  ])('%s, the value is written without, and no script is sent any more on that connection', async (_, said, place) => {
    const { lane, asLane, payload, reasons } = scene()
    const payloads = [payload(), payload(), payload()]
    expect(usedOf(asLane, payloads).size).toBe(3)
    const outcome = usedOutcome(asLane, payload(), said, place)
    expect(outcome).toBeInstanceOf(ScriptRefusal)
    const again: (readonly Payload[])[] = []
    const outcomes = await settled(asLane, payloads, [null, outcome, 'OOM'], async (unrun) => {
      again.push(unrun)
      return [null]
    })
    expect(again).toEqual([[payloads[1]]])
    expect(outcomes).toEqual([null, null, 'OOM'])
    expect(reasons()).toEqual(['NOPERM eval'])
    expect(usedOf(asLane, payloads).size).toBe(0)
    lane.connections++
    expect(usedOf(asLane, payloads).size).toBe(3)
  })

  it('it says nothing where the value is refused as well', async () => {
    const { asLane, payload, reasons } = scene()
    const outcomes = await settled(asLane, [payload()], [new ScriptRefusal('OOM')], async () => ['OOM'])
    expect(outcomes).toEqual(['OOM'])
    expect(reasons()).toEqual([])
    expect(usedOf(asLane, [payload()]).size).toBe(1)
  })
})

it('without a use nothing is given', () => {
  const { access: _, ...plain } = scene().payload()
  const used = usedOf(scene().asLane, [plain])
  expect([used.size, useOf(used, plain)]).toEqual([0, null])
})

it('a value above the limit is not given its use, which is said once', () => {
  const { carry, reasons } = scene()
  expect([10, 11, 12].map((bytes) => carry.isShort(bytes))).toEqual([true, false, false])
  expect(reasons()).toHaveLength(1)
})
