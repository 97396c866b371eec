/**
 * The connections to the source are cut in mid-pipeline.
 *
 * Clients: for each command one reply, in order: the right one, or `unknown-outcome`. Nothing is sent twice on its own.
 * Source: every acknowledged increment once; of those with an unknown outcome each once or not at all.
 * Target: the same as the source, also when something of the lost connection reaches a server late.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { Stage } from '../../support/stage.ts'
import { until } from '../../support/wait.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

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

const unknown = /^-ERR FERRY unknown-outcome: source was lost before it answered \(.+\)\r\n$/
const notSent = /^-ERR FERRY authority-unavailable: .+; nothing was sent\r\n$/

interface Count {
  right: number
  unknown: number
}

/** Replies to INCR, each followed by that to an ECHO of its number: in order, rising, and no more gaps than unknown outcomes. */
function check(replies: readonly string[], counts: Count): void {
  let last = 0
  let unknownSince = 0
  for (let i = 0; i < replies.length; i += 2) {
    const [incr = '', echo] = [replies[i], replies[i + 1]]
    expect(echo).toBe(bulk(String(i)))
    if (incr.startsWith(':')) {
      const value = Number(incr.slice(1))
      expect(value).toBeGreaterThan(last)
      expect(value).toBeLessThanOrEqual(last + 1 + unknownSince)
      last = value
      unknownSince = 0
      counts.right++
    } else if (!notSent.test(incr)) {
      expect(incr).toMatch(unknown)
      counts.unknown++
      unknownSince++
    }
  }
}

describe('the source, cut in mid-pipeline', () => {
  it('gives every command its one reply, and never a wrong one', async () => {
    stage = await Stage.open({ ferry: { limits: { authorityWaitMs: 5_000 } } })
    await stage.ferry.backfill()
    const [clients, pipelines, commands, cutsMax] = [8, 6, 400, 20]
    const { toSource } = stage
    const lines = Array.from({ length: commands }, (_, i) => i)
    const pipelineOf = (key: string): string =>
      lines.map((i) => multibulk('INCR', key) + multibulk('ECHO', String(2 * i))).join('')
    let lost = 0
    const cutter = setInterval(() => {
      // Only where the source has commands whose replies are not here yet. Cut without end, Ferry would never get a connection set up.
      if (toSource.heldBytes === 0 || lost >= cutsMax) return
      lost++
      toSource.cut()
    }, 20)
    toSource.delay(3)
    const counts = new Map<string, Count>()
    const work = async (n: number): Promise<void> => {
      for (let p = 0; p < pipelines; p++) {
        const [client, key, count] = [await connect(), `counter:${n}:${p}`, { right: 0, unknown: 0 }]
        client.write(pipelineOf(key))
        check(await client.take(2 * commands, 10_000), count)
        counts.set(key, count)
      }
    }
    await Promise.all(Array.from({ length: clients }, (_, n) => work(n))).finally(() => clearInterval(cutter))
    toSource.pass()
    expect(lost).toBeGreaterThan(3)
    await stage.ferry.untilSettled()
    expect(await stage.wrong()).toEqual([])
    const redis = stage.source.client()
    for (const [key, { right, unknown: maybe }] of counts) {
      const value = Number(await redis.get(key))
      expect(value).toBeGreaterThanOrEqual(right)
      expect(value).toBeLessThanOrEqual(right + maybe)
    }
    const sum = (of: (count: Count) => number): number => [...counts.values()].reduce((all, count) => all + of(count), 0)
    expect(sum((count) => count.unknown)).toBeGreaterThan(0)
    expect(sum((count) => count.right)).toBeGreaterThan(commands)
  })
})

/** Commands are on their way to this side when its connections go; they arrive after all has healed. */
describe.each(['source', 'target'] as const)('what a lost connection to the %s still had on the way', (side) => {
  it('is not run any more once the sides were made equal', async () => {
    stage = await Stage.open()
    await stage.ferry.backfill()
    const proxy = side === 'source' ? stage.toSource : stage.toTarget
    const client = await connect()
    for (let round = 0; round < 4; round++) {
      const key = `late:${round}`
      await client.ask(`SET ${key} 100`)
      await stage.ferry.untilSettled()
      const { healed } = (await stage.ferry.status()).journal
      proxy.stall('to-server')
      client.write(multibulk('INCR', key).repeat(5))
      await until(() => proxy.heldBytes > 0, { what: 'the commands to be held back' })
      proxy.orphan()
      const replies = await client.take(5)
      for (const reply of replies) expect(reply).toMatch(side === 'source' ? unknown : /^:10[1-5]\r\n$/)
      await stage.ferry.untilStatus('the key to be healed', ({ journal }) => journal.healed > healed && journal.dirtyKeys === 0)
      proxy.pass()
      // A command that was let through would be run by now.
      await Promise.all([stage.source, stage.target].map((server) => server.client().ping()))
      expect(await stage.wrong()).toEqual([])
    }
  })
})
