/**
 * Keys that are long by the configuration, copied while each is written to all the time; `npm run bigkeys` does it in full size and tells
 * what it costs.
 *
 * Source and target are equal in the end, no write failed, nobody waited for a whole value to be copied, and no server was asked for one in
 * a single command.
 */
import { describe, expect, it } from 'vitest'
import { copyBigKeys } from './big-keys.ts'

const keys = ['hash', 'set', 'zset', 'list', 'string', 'stream']

describe('long values that are written to while they are copied', () => {
  it('arrive whole, in pieces, with every write', { timeout: 90_000 }, async () => {
    const options = {
      scale: 0.01,
      engines: {},
      clustered: false,
      only: keys,
      writes: true,
      longValueBytes: 32_768,
      limitMs: 60_000,
    }
    const report = await copyBigKeys(options, () => {})
    expect(report.differences).toEqual([])
    expect(report.dumps).toBe(0)
    expect(report.writes.map(({ key, errors }) => [key, errors])).toEqual(keys.map((key) => [key, []]))
    for (const { key, count } of report.writes) expect(count, key).toBeGreaterThan(5)
    expect(report.mostBytes - report.idleBytes).toBeLessThan(300e6)
    const verbs = new Set(report.slow.source.map(({ command }) => command.split(' ')[0]))
    expect([...verbs].filter((verb) => ['DUMP', 'HGETALL', 'SMEMBERS', 'GET'].includes(verb ?? ''))).toEqual([])
  })
})
