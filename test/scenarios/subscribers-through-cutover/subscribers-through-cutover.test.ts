/**
 * Subscribers while the authority changes under full traffic: cut-over, rollback, cut-over.
 *
 * Each publisher numbers its messages and sends them through Ferry as fast as it is answered. Every subscriber, in either protocol, by
 * channel, by pattern or by shard channel, hears every number of every publisher exactly once and in that publisher's order, and is
 * never closed. Where a side is away, so that this cannot be had, the subscribers are closed instead of being left to wait.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { decodeReply, type Reply } from '../../../src/resp/decode.ts'
import { Stage } from '../../support/stage.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'

const publishers = 4
const subscribersOfEachKind = 4
const pipelined = 8

let stage: Stage
const open: WireClient[] = []

afterEach(async () => {
  for (const client of open.splice(0)) client.close()
  await stage?.close()
})

async function connect(): Promise<WireClient> {
  const client = await WireClient.open(stage.ferry.port)
  open.push(client)
  return client
}

/** Sends numbered messages, some at a time, until told to end; then says how many of each kind were acknowledged. */
class Publisher {
  sent = 0
  readonly errors: string[] = []
  #ended = false
  readonly #client: WireClient
  readonly #id: number
  readonly #done: Promise<void>

  constructor(client: WireClient, id: number) {
    this.#client = client
    this.#id = id
    this.#done = this.#run()
  }

  async end(): Promise<number> {
    this.#ended = true
    await this.#done
    return this.sent
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      const lines = Array.from({ length: pipelined }, (_, i) => {
        const text = `${this.#id}:${this.sent + i}`
        return multibulk('PUBLISH', 'numbers', text) + multibulk('SPUBLISH', 'shard', text)
      })
      this.#client.write(lines.join(''))
      const replies = await this.#client.take(2 * pipelined)
      this.errors.push(...replies.filter((reply) => !reply.startsWith(':')))
      this.sent += pipelined
    }
  }
}

const kinds = [
  { hello: [], subscribe: 'SUBSCRIBE numbers', word: 'message' },
  { hello: ['HELLO 3'], subscribe: 'SUBSCRIBE numbers', word: 'message' },
  { hello: [], subscribe: 'PSUBSCRIBE num*', word: 'pmessage' },
  { hello: ['HELLO 3'], subscribe: 'PSUBSCRIBE num*', word: 'pmessage' },
  { hello: ['HELLO 3'], subscribe: 'SSUBSCRIBE shard', word: 'smessage' },
] as const

/** What a subscriber heard, as one line per publisher: the numbers in the order they came. */
class Ear {
  readonly client: WireClient
  readonly word: string
  readonly heard: number[][] = Array.from({ length: publishers }, () => [])
  readonly oddities: string[] = []
  #rest: Buffer = Buffer.alloc(0)

  constructor(client: WireClient, word: string) {
    this.client = client
    this.word = word
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  wrong(sent: readonly number[]): string[] {
    const wrong = this.oddities.slice(0, 3)
    this.heard.forEach((numbers, id) => {
      const at = numbers.findIndex((number, i) => number !== i)
      if (at >= 0) wrong.push(`publisher ${id}: ${numbers[at]} came in place of ${at}`)
      else if (numbers.length !== sent[id]) wrong.push(`publisher ${id}: ${numbers.length} of ${sent[id]} came`)
    })
    if (this.client.closed) wrong.push('it was closed')
    return wrong
  }

  get count(): number {
    return this.heard.reduce((sum, numbers) => sum + numbers.length, 0)
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    let at = 0
    try {
      while (at < this.#rest.length) {
        const { value, next } = decodeReply(this.#rest, at)
        this.#note(value)
        at = next
      }
    } catch {
      // The rest is still to come.
    }
    this.#rest = this.#rest.subarray(at)
  }

  #note(value: Reply): void {
    const words = Array.isArray(value) ? value.map((part) => String(part)) : [String(value)]
    const [id, number] = (words.at(-1) ?? '').split(':').map(Number)
    const numbers = this.heard[id as number]
    if (words[0] !== this.word || numbers === undefined || number === undefined) this.oddities.push(words.join(' '))
    else numbers.push(number)
  }
}

/** What Ferry tells of each change of the authority. */
async function movedSubscriptions(): Promise<unknown[]> {
  const stream = await (await fetch(`${stage.ferry.controlUrl}/v1/events?follow=false`)).text()
  const events = [...stream.matchAll(/^data: (.*)$/gm)].map(
    ([, data = '']) => JSON.parse(data) as { message: string; data: unknown },
  )
  return events.filter(({ message }) => message.startsWith('subscriptions moved')).map(({ data }) => data)
}

async function listen(): Promise<Ear[]> {
  const ears: Ear[] = []
  for (const { hello, subscribe, word } of kinds) {
    for (let i = 0; i < subscribersOfEachKind; i++) {
      const client = await connect()
      await client.pipeline([...hello, subscribe])
      ears.push(new Ear(client, word))
    }
  }
  return ears
}

describe('subscribers while the authority changes', () => {
  it('hear every message exactly once and in order, through cut-over, rollback and cut-over', async () => {
    stage = await Stage.open({ ferry: { phase: 'observe' } })
    const { ferry } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    const ears = await listen()
    const senders = await Promise.all(Array.from({ length: publishers }, async (_, id) => new Publisher(await connect(), id)))
    const went = async (): Promise<void> => {
      const before = senders.map(({ sent }) => sent)
      await until(() => senders.every(({ sent }, i) => sent >= (before[i] as number) + 200), {
        what: 'more messages',
        timeoutMs: 15_000,
      })
    }

    await went()
    for (const step of ['cutover', 'rollback', 'cutover'] as const) {
      const { status } = await ferry.step(step, { reason: 'by the test' })
      expect(status.authority).toBe(step === 'cutover' ? 'target' : 'source')
      await went()
    }
    const sent = await Promise.all(senders.map((sender) => sender.end()))
    expect(senders.flatMap(({ errors }) => errors)).toEqual([])
    const total = sent.reduce((sum, count) => sum + count, 0)
    await until(() => ears.every(({ count, client }) => count >= total || client.closed), {
      what: 'all messages',
      timeoutMs: 10_000,
    })
    expect(ears.map((ear) => ear.wrong(sent)).filter((wrong) => wrong.length > 0)).toEqual([])
    expect(await movedSubscriptions()).toEqual(
      ['target', 'source', 'target'].map((authority) => ({ authority, moved: ears.length, closed: 0 })),
    )
  }, 60_000)

  it('may subscribe and unsubscribe while it changes', async () => {
    stage = await Stage.open({ ferry: { phase: 'observe' } })
    const { ferry } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    let over = false
    const rounds = Array.from({ length: 8 }, () => 0)
    const changing = async (id: number): Promise<void> => {
      const client = await connect()
      while (!over) {
        const round = (rounds[id] as number)++
        const [kept, added, gone] = await client.pipeline([
          'SUBSCRIBE kept',
          `SUBSCRIBE round${round}`,
          `UNSUBSCRIBE round${round}`,
        ])
        expect([kept, added, gone].map((reply) => reply?.split('\r\n').at(-2))).toEqual([':1', ':2', ':1'])
        if (round % 5 === 4) expect(await client.ask('UNSUBSCRIBE')).toContain(':0')
      }
    }
    const clients = rounds.map((_, id) => changing(id))
    for (const step of ['cutover', 'rollback', 'cutover'] as const) {
      const before = [...rounds]
      await until(() => rounds.every((count, id) => count > (before[id] as number) + 7), {
        what: 'some rounds',
        timeoutMs: 10_000,
      })
      await ferry.step(step, { reason: 'by the test' })
    }
    over = true
    await Promise.all(clients)
  }, 60_000)

  it('are closed when the way back is forced while their server is away', async () => {
    stage = await Stage.open({ ferry: { phase: 'observe' } })
    const { ferry, toTarget } = stage
    await ferry.step('start', { strategy: 'big-bang' })
    await ferry.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100)
    await ferry.step('cutover')
    const [subscriber, idle] = [await connect(), await connect()]
    await subscriber.pipeline(['HELLO 3', 'SUBSCRIBE numbers'])
    toTarget.stall('to-client')
    const forced = ferry.step('rollback', { reason: 'the target hangs' })
    await until(() => subscriber.closed, { what: 'the subscriber to be closed', timeoutMs: 30_000 })
    toTarget.pass()
    const { status } = await forced
    expect(status.authority).toBe('source')
    await idle.ask('SUBSCRIBE numbers')
    const publisher = await connect()
    expect(await publisher.ask('PUBLISH numbers again')).toBe(':1\r\n')
    expect((await idle.take(1))[0]).toContain('again')
  }, 60_000)
})
