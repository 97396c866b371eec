/**
 * Programs written against real client libraries: what each sees through Ferry is what it sees on a server, whatever Ferry is told to do
 * with reads and writes and wherever the authority is; and afterwards both sides hold the same.
 *
 * client   no error, and no answer, that a plain server does not give as well
 * source   the same data as the target, and nothing waits to be healed
 * target   likewise
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bullmqPrograms } from './programs/bullmq.ts'
import { ioredisPrograms } from './programs/ioredis.ts'
import { ioredisExtras } from './programs/ioredis-extras.ts'
import { nodeRedisPrograms } from './programs/node-redis.ts'
import { nodeRedisExtras } from './programs/node-redis-extras.ts'
import type { Program } from './programs/program.ts'
import { applicationPrograms } from './programs/sessions.ts'

const programs: readonly Program[] = [
  ...ioredisPrograms,
  ...ioredisExtras,
  ...nodeRedisPrograms,
  ...nodeRedisExtras,
  ...applicationPrograms,
  ...bullmqPrograms,
]

/** One after another, each from where the one before has led. */
const situations: readonly { readonly name: string; enter(ferry: Ferry): Promise<unknown> }[] = [
  { name: 'while it mirrors', enter: (ferry) => ferry.untilSettled() },
  { name: 'with reads on both sides', enter: (ferry) => ferry.traffic({ readMode: 'ratio', readPercentage: 50 }) },
  {
    name: 'with either side’s word',
    enter: (ferry) => ferry.traffic({ readMode: 'fallback-on-miss', writePolicy: 'last-write-wins' }),
  },
  {
    name: 'after the cut-over',
    enter: async (ferry) => {
      await ferry.traffic({ readMode: 'old', writePolicy: 'old-authoritative' })
      expect(await ferry.step('cutover')).toMatchObject({ status: { phase: 'cutover', authority: 'target' } })
    },
  },
]

let plain: RedisServer
let source: RedisServer
let target: RedisServer
let ferry: Ferry
const seenOnServer = new Map<string, unknown>()

beforeAll(async () => {
  ;[plain, source, target] = await Promise.all([startRedis(), startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
  await ferry.backfill()
  for (const program of programs) seenOnServer.set(program.name, await program.run(plain.port))
}, 60_000)

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([plain?.stop(), source?.stop(), target?.stop()])
})

describe.each(situations)('$name', ({ enter }) => {
  beforeAll(async () => {
    await enter(ferry)
  })

  it.each(programs)(
    '$name sees through Ferry what it sees on a server',
    async (program) => {
      expect(await program.run(ferry.port)).toEqual(seenOnServer.get(program.name))
      await ferry.untilSettled()
      expect(await differencesOf(source, target)).toEqual([])
    },
    30_000,
  )
})
