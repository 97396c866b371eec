/**
 * Queues in use while the authority changes: cut-over, rollback, cut-over, rollback.
 *
 * Producers push numbered elements through Ferry, and one past it to the source while that is the authority. Workers wait with BLMOVE
 * and then take the element off their own list, others with BLPOP, BZPOPMIN or XREADGROUP BLOCK. Every element is processed exactly
 * once, nobody sees an error or loses the connection, and both sides are equal and empty at the end.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { decodeReply, type Reply } from '../../../src/resp/decode.ts'
import { differencesOf } from '../../support/ferry.ts'
import { Stage } from '../../support/stage.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'

const producers = 25
const workers = 25
const pauseMs = 20
/** Longer than any cut-over takes. */
const patienceMs = 15_000

let stage: Stage
const open: WireClient[] = []

afterEach(async () => {
  for (const client of open.splice(0)) client.close()
  await stage?.close()
})

async function connect(port = stage.ferry.port): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  return client
}

async function ask(client: WireClient, argv: readonly string[]): Promise<Reply> {
  client.write(multibulk(...argv))
  const [reply] = await client.take(1, patienceMs)
  return decodeReply(Buffer.from(reply as string, 'latin1')).value
}

/** What was given out and what was done; each element is a text of its own. */
class Ledger {
  readonly sent: string[] = []
  readonly done = new Map<string, number>()
  readonly errors: string[] = []
  ended = false

  process(element: string): void {
    this.done.set(element, (this.done.get(element) ?? 0) + 1)
  }

  fault(what: string, reply: Reply): void {
    this.errors.push(`${what}: ${JSON.stringify(reply)}`)
  }

  wrong(): string[] {
    const lost = this.sent.filter((element) => !this.done.has(element)).map((element) => `${element} was lost`)
    const twice = [...this.done].filter(([, times]) => times > 1).map(([element, times]) => `${element} was done ${times} times`)
    return [...this.errors, ...lost, ...twice]
  }
}

/** The four kinds of queue: how an element gets in, and a worker that takes what there is until it is told to end. */
const kinds = [
  {
    push: (element: string) => ['LPUSH', 'jobs', element],
    async work(ledger: Ledger, client: WireClient, name: string): Promise<boolean> {
      const element = await ask(client, ['BLMOVE', 'jobs', `active:${name}`, 'RIGHT', 'LEFT', '1'])
      if (element === null) return false
      if (!Buffer.isBuffer(element)) ledger.fault('BLMOVE', element)
      else {
        const removed = await ask(client, ['LREM', `active:${name}`, '1', String(element)])
        if (removed === 1) ledger.process(String(element))
        else ledger.fault(`LREM ${element}`, removed)
      }
      return true
    },
  },
  {
    push: (element: string) => ['RPUSH', 'queue', element],
    async work(ledger: Ledger, client: WireClient): Promise<boolean> {
      const reply = await ask(client, ['BLPOP', 'urgent', 'queue', '1'])
      if (reply === null) return false
      if (Array.isArray(reply) && reply.length === 2) ledger.process(String(reply[1]))
      else ledger.fault('BLPOP', reply)
      return true
    },
  },
  {
    push: (element: string) => ['ZADD', 'ranked', '1', element],
    async work(ledger: Ledger, client: WireClient): Promise<boolean> {
      const reply = await ask(client, ['BZPOPMIN', 'ranked', '1'])
      if (reply === null) return false
      if (Array.isArray(reply) && reply.length === 3) ledger.process(String(reply[1]))
      else ledger.fault('BZPOPMIN', reply)
      return true
    },
  },
  {
    push: (element: string) => ['XADD', 'stream', '*', 'element', element],
    async work(ledger: Ledger, client: WireClient, name: string): Promise<boolean> {
      const reply = await ask(client, ['XREADGROUP', 'GROUP', 'g', name, 'COUNT', '1', 'BLOCK', '1000', 'STREAMS', 'stream', '>'])
      if (reply === null) return false
      const [id, fields] = (((reply as Reply[])[0] as Reply[])[1] as Reply[])[0] as [Buffer, Buffer[]]
      const removed = [await ask(client, ['XACK', 'stream', 'g', String(id)]), await ask(client, ['XDEL', 'stream', String(id)])]
      if (removed[0] === 1 && removed[1] === 1) ledger.process(String(fields[1]))
      else ledger.fault(`XACK and XDEL ${id}`, removed)
      return true
    },
  },
] as const

/** Runs until the producers have ended and there is nothing left. */
async function worker(ledger: Ledger, index: number): Promise<void> {
  const client = await connect()
  const kind = kinds[index % kinds.length] as (typeof kinds)[number]
  for (;;) {
    const ended = ledger.ended
    if (!(await kind.work(ledger, client, `w${index}`)) && ended) return
  }
}

async function producer(ledger: Ledger, index: number, port: number, goesOn: () => boolean): Promise<void> {
  const client = await connect(port)
  const kind = kinds[index % kinds.length] as (typeof kinds)[number]
  for (let i = 0; goesOn(); i++) {
    const element = `p${index}:${i}`
    ledger.sent.push(element)
    const reply = await ask(client, kind.push(element))
    if (typeof reply !== 'number' && !Buffer.isBuffer(reply)) ledger.fault(`push of ${element}`, reply)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

describe('queues with blocked workers', () => {
  it('lose nothing and do nothing twice through cut-over and rollback', async () => {
    stage = await Stage.open()
    const { ferry } = stage
    await ferry.backfill()
    const setup = await connect()
    expect(await setup.ask('XGROUP CREATE stream g 0 MKSTREAM')).toBe('+OK\r\n')
    await ferry.untilSettled()

    const ledger = new Ledger()
    const working = Array.from({ length: workers }, (_, i) => worker(ledger, i))
    let pastFerry = true
    const producing = Array.from({ length: producers }, (_, i) => producer(ledger, i, ferry.port, () => !ledger.ended))
    // Lists only: what is popped in their order on one side is not there on the other, and is healed.
    const past = producer(ledger, 101, stage.source.port, () => pastFerry)
    const done = async (more: number): Promise<void> => {
      const before = ledger.done.size
      await until(() => ledger.done.size >= before + more, { timeoutMs: patienceMs, what: 'the workers to go on' })
    }
    await done(400)
    pastFerry = false
    await past
    for (const step of ['cutover', 'rollback', 'cutover', 'rollback'] as const) {
      await ferry.step(step)
      await done(250)
    }
    ledger.ended = true
    await Promise.all([...producing, ...working])

    expect(ledger.wrong()).toEqual([])
    expect((await ferry.status()).clientErrorsTotal).toBe(0)
    await ferry.untilSettled()
    expect(await differencesOf(stage.source, stage.target)).toEqual([])
    expect(await stage.source.client().keys('*')).toEqual(['stream'])
  }, 90_000)
})
