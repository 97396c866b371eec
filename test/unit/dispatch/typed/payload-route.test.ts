import { describe, expect, it } from 'vitest'
import { type KnownServer, PayloadRoute } from '../../../../src/dispatch/typed/payload-route.ts'

const server = (version: string, runId: string | null, clientId = 1): KnownServer => ({
  server: { family: 'redis', version },
  runId,
  clientId,
})
const [one, other] = [server('8.0.1', 'a'), server('7.0.15', 'b')]
const payload = (kind: number): Buffer => Buffer.from([kind, 1, 2])
const versionRefusal = 'ERR DUMP payload version or checksum are wrong'
const formatRefusal = 'ERR Bad data format'

describe('what is known of payloads between two servers', () => {
  it('begins with nothing', () => {
    const route = new PayloadRoute(one, other)
    expect([route.isUnknown(payload(0)), route.isAccepted(payload(0)), route.isRefused(payload(0))]).toEqual([true, false, false])
  })

  it('is learned per encoding', () => {
    const route = new PayloadRoute(one, other)
    route.learn(payload(0), null)
    route.learn(payload(16), formatRefusal)
    expect([route.isAccepted(payload(0)), route.isRefused(payload(16)), route.isUnknown(payload(18))]).toEqual([true, true, true])
    expect(route.refusal).toBeNull()
  })

  it('a refused version is one of everything', () => {
    const route = new PayloadRoute(one, other)
    route.learn(payload(0), versionRefusal)
    expect([route.refusal, route.isRefused(payload(99))]).toEqual([versionRefusal, true])
  })

  it('but not where something was taken: then it was the checksum', () => {
    const route = new PayloadRoute(one, other)
    route.learn(payload(0), null)
    route.learn(payload(16), versionRefusal)
    expect([route.refusal, route.isRefused(payload(16)), route.isRefused(payload(0))]).toEqual([null, true, false])
  })

  it('modules share a number, so nothing is concluded from one', () => {
    const route = new PayloadRoute(one, other)
    route.learn(payload(7), formatRefusal)
    expect([route.isUnknown(payload(7)), route.isRefused(payload(7))]).toEqual([false, false])
  })

  it('other errors teach nothing', () => {
    const route = new PayloadRoute(one, other)
    route.learn(payload(0), 'OOM command not allowed')
    expect(route.isUnknown(payload(0))).toBe(true)
  })

  it('is forgotten once either was started anew, is another version, or where that cannot be told was connected to again', () => {
    const route = new PayloadRoute(one, other)
    expect(route.isBetween(one, other)).toBe(true)
    expect(route.isBetween(server('8.0.1', 'c'), other)).toBe(false)
    expect(route.isBetween(one, server('7.0.16', 'b'))).toBe(false)
    const silent = new PayloadRoute(one, server('7.0.15', null, 1))
    expect([silent.isBetween(one, server('7.0.15', null, 1)), silent.isBetween(one, server('7.0.15', null, 2))]).toEqual([
      true,
      false,
    ])
  })
})
