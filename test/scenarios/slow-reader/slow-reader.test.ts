/**
 * A client asks for a large reply and reads it slowly, or not at all.
 *
 * The slow client: every byte, right. One that does not read at all is cut off at the output limit.
 * Other clients: wait for a moment at most.
 * Ferry: keeps no more than the reply itself in memory.
 */
import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Ferry, type FerrySettings } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { multibulk, WireClient } from '../../support/wire-client.ts'

const mebibyte = 1024 * 1024
const largeBytes = 64 * mebibyte
/** The value itself stands before the others on the lane for some 100 ms, and the lane waits 100 ms for a slow reader; the rest is for a busy machine. */
const othersMaxMs = 1_500

let source: RedisServer
let target: RedisServer
let ferry: Ferry

afterEach(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function open(settings: Omit<FerrySettings, 'source' | 'target'> = {}): Promise<Buffer> {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url, ...settings })
  const value = Buffer.alloc(largeBytes, '0123456789abcdef'.repeat(64))
  for (let at = 0; at < largeBytes; at += 4096) value.writeUInt32LE(at, at)
  await source.client().set('large', value)
  return value
}

/** Asks for the value and reads nothing of it yet. */
async function asker(): Promise<WireClient> {
  const client = await WireClient.open(ferry.port)
  client.socket.pause()
  client.write(multibulk('GET', 'large'))
  return client
}

/** The slowest of some round trips. */
async function slowest(rounds: number): Promise<number> {
  const other = await WireClient.open(ferry.port)
  let most = 0
  for (let n = 0; n < rounds; n++) {
    const startMs = performance.now()
    await other.pipeline([`SET other ${n}`, 'GET other'])
    most = Math.max(most, performance.now() - startMs)
  }
  other.close()
  return most
}

describe('a slow reader of a 64 MB value', () => {
  it('gets every byte, while the others go on and memory stays bounded', async () => {
    const value = await open()
    const before = ferry.residentBytes
    const client = await asker()
    await ferry.untilStatus('the source to have sent it', (now) => now.source.inFlight === 0)
    expect(await slowest(300)).toBeLessThan(othersMaxMs)
    expect(ferry.residentBytes - before).toBeLessThan(3 * largeBytes)
    const hash = createHash('sha256')
    const head = `$${largeBytes}\r\n`
    let got = 0
    let turns = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', (chunk: Buffer) => {
      const from = Math.max(0, head.length - got)
      hash.update(chunk.subarray(from, Math.max(from, Math.min(chunk.length, head.length + largeBytes - got))))
      got += chunk.length
      // A little, then nothing for a moment, again and again.
      if (got / (2 * mebibyte) < turns) return
      turns++
      client.socket.pause()
      setTimeout(() => client.socket.resume(), 5)
    })
    const whole = until(() => got === head.length + largeBytes + 2, { timeoutMs: 15_000, what: 'the whole value' })
    client.socket.resume()
    expect(await slowest(300)).toBeLessThan(othersMaxMs)
    await whole
    expect(turns).toBeGreaterThan(10)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(value).digest('hex'))
    client.close()
  })

  it('is cut off at the output limit where it reads nothing, and costs nobody else', async () => {
    await open({ limits: { outputBufferBytes: 8 * mebibyte } })
    const client = await asker()
    const [others] = await Promise.all([
      slowest(300),
      ferry.untilStatus('the connection to be cut', ({ clients }) => clients <= 1),
    ])
    expect(others).toBeLessThan(othersMaxMs)
    client.socket.resume()
    await client.untilClosed()
    expect(client.received.length).toBeLessThan(largeBytes)
    // Its own commands go on elsewhere.
    const again = await WireClient.open(ferry.port)
    expect(await again.ask('STRLEN large')).toBe(`:${largeBytes}\r\n`)
    again.close()
  })
})
