/** Which side's expiries count as unseen from the start, until they are heard for the first time. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { endpointOf } from '../../../src/config/load.ts'
import type { Core } from '../../../src/dispatch/core.ts'
import { ExpiryWatch } from '../../../src/mover/expiry-watch.ts'
import type { Side } from '../../../src/routing/modes.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let server: RedisServer
const unseenExpiries = new Set<Side>()
const core = { unseenExpiries, events: { record: () => undefined } } as unknown as Core

beforeAll(async () => {
  server = await startRedis()
  await server.client().acl('SETUSER', 'mute', 'on', '>mute', '~*', '&*', '+@all', '-config')
})

afterAll(() => server?.stop())

/** Nothing listens there. */
const away = 'redis://127.0.0.1:1'

it.each<[string, () => string, Side[]]>([
  ['is away', () => away, ['source', 'target']],
  ['tells them', () => server.url, ['source']],
  ['refuses to, which only status can say', () => server.url.replace('//', '//mute:mute@'), ['source']],
])('a target that %s', async (_what, url, unseen) => {
  unseenExpiries.clear()
  const watch = new ExpiryWatch(core, { source: endpointOf({ url: away }), target: endpointOf({ url: url() }) })
  const tried = watch.start()
  expect([...unseenExpiries]).toEqual(['source', 'target'])
  await tried
  expect([...unseenExpiries]).toEqual(unseen)
  await watch.stop()
})
