import { afterEach, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/resp/encode.ts'
import type { Lane } from '../../../src/upstream/lane.ts'
import { SubscriptionLane, type SubscriptionOwner } from '../../../src/upstream/subscription-lane.ts'
import { type Answer, type FakeConnection, type FakeRedis, startFakeRedis } from '../../support/fake-redis.ts'
import { laneTo } from '../../support/lane-fixture.ts'
import { until } from '../../support/wait.ts'
import { bulk } from '../../support/wire-client.ts'

const fence = '%1\r\n$5\r\nproto\r\n:3\r\n'
const hello = /^HELLO( |$)/
const cleanups: (() => void)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

const confirmed = (word: string, channel: string, count: number): string => `>3\r\n${bulk(word)}${bulk(channel)}:${count}\r\n`
const message = (channel: string, payload: string): string => `>3\r\n${bulk('message')}${bulk(channel)}${bulk(payload)}`
const frame = (line: string): Buffer => encodeCommand(line.split(' '))
const last = (text: string): string => text.trim().split('\r\n').at(-1) as string

/** What the owner is told, in order. */
class Owner implements SubscriptionOwner {
  readonly log: string[] = []

  pushed(_lane: SubscriptionLane, push: Buffer, confirmation: boolean): void {
    this.log.push(`${confirmation ? 'confirmed' : 'message'} ${last(push.toString())}`)
  }

  lost(_lane: SubscriptionLane, reason: string): void {
    this.log.push(`lost: ${reason}`)
  }

  readonly done =
    (name: string) =>
    (error: Buffer | null): void => {
      this.log.push(`${name} done${error === null ? '' : ` (${error.toString().trim()})`}`)
    }

  async until(entry: string): Promise<void> {
    await until(() => this.log.includes(entry), { what: `${entry} in ${JSON.stringify(this.log)}` })
  }
}

interface Setup {
  readonly fake: FakeRedis
  readonly like: Lane
  readonly owner: Owner
  readonly lane: SubscriptionLane
  connection(): Promise<FakeConnection>
}

/** A server that grants whatever is asked, unless `answer` says otherwise. */
async function setup(answer: Answer = () => undefined): Promise<Setup> {
  let count = 0
  const granting: Answer = (command, connection) => {
    const said = answer(command, connection)
    if (said !== undefined) return said
    const [word, ...names] = command.split(' ') as [string, ...string[]]
    if (hello.test(command)) return fence
    if (word.endsWith('SUBSCRIBE')) return names.map((name) => confirmed(word.toLowerCase(), name, ++count)).join('')
    return undefined
  }
  const fake = await startFakeRedis(granting)
  const { lane: like } = laneTo(fake.port)
  const owner = new Owner()
  const lane = new SubscriptionLane(like, owner)
  cleanups.push(() => {
    lane.close()
    like.close()
    fake.stop()
  })
  return { fake, like, owner, lane, connection: () => fake.connection(1) }
}

describe('a subscription lane', () => {
  it('sends what was asked before it was up, in order, each with a fence behind it', async () => {
    const { owner, lane, connection } = await setup()
    lane.ask(frame('SUBSCRIBE a b'), owner.done('first'))
    lane.ask(frame('PSUBSCRIBE c*'), owner.done('second'))
    lane.ask(null, owner.done('fence'))
    await owner.until('fence done')
    expect(owner.log).toEqual(['confirmed :1', 'confirmed :2', 'first done', 'confirmed :3', 'second done', 'fence done'])
    expect((await connection()).commands.filter((line) => line !== 'HELLO 3')).toEqual([
      'SUBSCRIBE a b',
      'HELLO',
      'PSUBSCRIBE c*',
      'HELLO',
      'HELLO',
    ])
    expect([lane.channels.count('subscribe'), lane.channels.count('psubscribe')]).toEqual([2, 1])
  })

  it('tells messages that came before the fence first, and knows them from confirmations', async () => {
    const { owner, lane } = await setup((command) =>
      command === 'SUBSCRIBE a' ? confirmed('subscribe', 'a', 1) + message('a', 'early') : undefined,
    )
    lane.ask(frame('SUBSCRIBE a'), owner.done('it'))
    await owner.until('it done')
    expect(owner.log).toEqual(['confirmed :1', 'message early', 'it done'])
  })

  it('gives the error that stands in place of the confirmations, and takes its fence for no answer of the next', async () => {
    const refusal = '-NOPERM no such channel'
    const { owner, lane } = await setup((command) => (command === 'SUBSCRIBE closed' ? `${refusal}\r\n` : undefined))
    lane.ask(frame('SUBSCRIBE closed'), owner.done('closed'))
    lane.ask(frame('SUBSCRIBE open'), owner.done('open'))
    await owner.until('open done')
    expect(owner.log).toEqual([`closed done (${refusal})`, 'confirmed :1', 'open done'])
    expect(lane.channels.count('subscribe')).toBe(1)
  })

  it('is another user’s from where that is asked; channels are whose they were then', async () => {
    const asked: string[] = []
    const { fake, owner, lane } = await setup((command) => {
      if (/^(AUTH|SUBSCRIBE) /.test(command)) asked.push(command)
      return undefined
    })
    const { lane: ann } = laneTo(fake.port, { username: 'ann', password: 'pw' })
    lane.ask(frame('SUBSCRIBE a'), owner.done('a'))
    lane.enter(ann, 1, (error) => owner.log.push(`refused ${error}`))
    lane.ask(frame('SUBSCRIBE b'), owner.done('b'))
    await owner.until('b done')
    expect(owner.log).toEqual(['confirmed :1', 'a done', 'confirmed :2', 'b done'])
    expect(asked).toEqual(['SUBSCRIBE a', 'AUTH ann pw', 'SUBSCRIBE b'])
    const of = (user: number): string[] => [...lane.channels.commands(user)].map((bytes) => last(bytes.toString()))
    expect([of(0), of(1)]).toEqual([['a'], ['b']])
  })

  it('says so where the server does not admit that user', async () => {
    const { fake, owner, lane } = await setup((command) => (command.startsWith('AUTH') ? '-WRONGPASS no\r\n' : undefined))
    const { lane: ann } = laneTo(fake.port, { username: 'ann', password: 'old' })
    lane.ask(null, owner.done('fence'))
    lane.enter(ann, 1, (error) => owner.log.push(`refused ${error.toString().trim()}`))
    await owner.until('refused -WRONGPASS no')
    expect(lane.channels.subscriber).toBe(0)
  })

  it('is gone for good when its connection goes: told once, nothing is answered, and it does not come back', async () => {
    const { fake, owner, lane, connection } = await setup((command) => (command === 'SUBSCRIBE b' ? '' : undefined))
    lane.ask(frame('SUBSCRIBE a'), owner.done('a'))
    await owner.until('a done')
    lane.ask(null, owner.done('fence'))
    await owner.until('fence done')
    ;(await connection()).cut()
    await until(() => owner.log.some((entry) => entry.startsWith('lost: ')), { what: 'the loss to be told' })
    expect(owner.log.filter((entry) => entry.startsWith('lost'))).toHaveLength(1)
    expect(fake.connections).toHaveLength(1)
  })

  it('says nothing any more once it is closed', async () => {
    const { owner, lane, connection } = await setup()
    lane.ask(frame('SUBSCRIBE a'), owner.done('a'))
    await owner.until('a done')
    lane.ask(null, owner.done('never'))
    lane.close()
    const there = await connection()
    there.send(message('a', 'late'))
    const before = [...owner.log]
    await until(() => there.closed, { what: 'the connection to be closed' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(owner.log).toEqual(before)
    expect(before).toEqual(['confirmed :1', 'a done'])
  })
})
