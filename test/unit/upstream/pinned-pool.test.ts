import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/resp/encode.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { type PinHolder, type PinLimits, PinnedPool, type PinRefusal } from '../../../src/upstream/pinned-pool.ts'
import { type Answer, type FakeRedis, startFakeRedis } from '../../support/fake-redis.ts'
import { laneTo, RecordingWaiter } from '../../support/lane-fixture.ts'
import { until } from '../../support/wait.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

class Holder implements PinHolder {
  lane: Lane | null = null
  refusal: PinRefusal | null = null
  lost = false
  readonly log: string[] = []

  pinned(lane: Lane): void {
    this.lane = lane
  }

  refused(refusal: PinRefusal): void {
    this.refusal = refusal
  }

  unpinned(): void {
    this.lost = true
  }

  async held(): Promise<Lane> {
    await until(() => this.lane, { what: 'a connection' })
    return this.lane as Lane
  }

  send(command: string): RecordingWaiter {
    const frame = encodeCommand(command.split(' '))
    const waiter = new RecordingWaiter(command, false, this.log)
    this.lane?.send(frame, 0, frame.length, waiter, 1)
    return waiter
  }
}

async function setup(
  limits: Partial<PinLimits> = {},
  answer?: Answer,
): Promise<{ pool: PinnedPool; shared: Lane; fake: FakeRedis }> {
  const fake = await startFakeRedis(answer)
  const { lane } = laneTo(fake.port)
  const pool = new PinnedPool({ lanesMax: 8, waitMs: 5_000, idleMs: 60_000, ...limits })
  cleanups.push(() => {
    pool.stop()
    lane.close()
    fake.stop()
  })
  return { pool, shared: lane, fake }
}

function taken({ pool, shared }: { pool: PinnedPool; shared: Lane }): Holder {
  const holder = new Holder()
  pool.take(shared, holder)
  return holder
}

describe('a pool of pinned connections', () => {
  it('gives each holder one of its own, and the same one to the next', async () => {
    const made = await setup()
    const [first, second] = [taken(made), taken(made)]
    const lanes = [await first.held(), await second.held()]
    expect(lanes[0]).not.toBe(lanes[1])
    made.pool.giveBack(lanes[0] as Lane)
    for (let i = 0; i < 100; i++) {
      const next = taken(made)
      expect(next.lane).toBe(lanes[0])
      made.pool.giveBack(lanes[0] as Lane)
    }
    expect(made.fake.connections.length).toBe(2)
  })

  it('gives one on only when everything on it is answered', async () => {
    const made = await setup({ lanesMax: 1 })
    const first = taken(made)
    const lane = await first.held()
    first.send('UNWATCH')
    made.pool.giveBack(lane)
    made.pool.giveBack(lane)
    const second = taken(made)
    const server = await made.fake.connection(1)
    await server.received(1)
    expect(second.lane).toBeNull()
    server.send('+OK\r\n')
    expect(await second.held()).toBe(lane)
    expect(taken(made).lane).toBeNull()
  })

  it('makes holders wait at its limit, in order, and refuses them after a while', async () => {
    const made = await setup({ lanesMax: 2, waitMs: 60 })
    const held = [taken(made), taken(made)]
    await Promise.all(held.map((holder) => holder.held()))
    const [next, late] = [taken(made), taken(made)]
    made.pool.giveBack(held[0]?.lane as Lane)
    expect(next.lane).toBe(held[0]?.lane)
    await until(() => late.refusal, { what: 'a refusal' })
    expect(late.refusal).toEqual({ why: 'limit', text: '2 connections of this user to source are in use by WATCH or WAIT' })
    expect(made.fake.connections.length).toBe(2)
  })

  it('closes what nobody has used for a while', async () => {
    const made = await setup({ idleMs: 40 })
    const holder = taken(made)
    made.pool.giveBack(await holder.held())
    await until(() => [...made.pool.all()].length === 0, { what: 'the pool to be empty' })
    expect((await taken(made).held()).up).toBe(true)
    expect(made.fake.connections.length).toBe(2)
  })

  it('never gives on one that is not clean', async () => {
    const made = await setup({ lanesMax: 1 })
    const first = taken(made)
    const lane = await first.held()
    const second = taken(made)
    made.pool.discard(lane)
    expect(await second.held()).not.toBe(lane)
    expect(lane.up).toBe(false)
  })

  it('tells a holder of its loss, and ends the former connection on the server before anybody gets it again', async () => {
    const made = await setup({ lanesMax: 1 })
    const first = taken(made)
    const lane = await first.held()
    first.send('EXEC')
    const server = await made.fake.connection(1)
    await server.received(1)
    server.cut()
    await until(() => first.lost, { what: 'the loss to be told' })
    expect([first.log, made.pool.orphaned('source')]).toEqual([['EXEC lost 1'], true])
    const second = taken(made)
    expect(await second.held()).toBe(lane)
    expect((await made.fake.connection(2)).greeting).toContain(`CLIENT KILL ID ${server.id}`)
    expect(made.pool.orphaned('source')).toBe(false)
  })

  it('does not keep one that was lost with nothing on it', async () => {
    const made = await setup()
    const holder = taken(made)
    await holder.held()
    ;(await made.fake.connection(1)).cut()
    await until(() => holder.lost, { what: 'the loss to be told' })
    expect([...made.pool.all()]).toEqual([])
  })

  it('refuses in the words of a server that lets nobody in', async () => {
    const made = await setup({}, (command) => (command === 'PING' ? '-NOAUTH Authentication required.\r\n' : undefined))
    const holder = taken(made)
    await until(() => holder.refusal, { what: 'a refusal' })
    expect(holder.refusal).toEqual({ why: 'not-admitted', text: 'NOAUTH Authentication required.' })
    expect([...made.pool.all()]).toEqual([])
  })

  it('refuses at once where nothing can be reached', async () => {
    const made = await setup()
    made.fake.stop()
    const holder = taken(made)
    await until(() => holder.refusal, { what: 'a refusal' })
    expect(holder.refusal?.why).toBe('unreachable')
  })

  it('gives nothing to a holder that wants none any more', async () => {
    const made = await setup()
    const [gone, waits] = [taken(made), taken(made)]
    made.pool.forget(made.shared, gone)
    await waits.held()
    expect([gone.lane, gone.refusal]).toEqual([null, null])
  })
})
