/**
 * A BullMQ queue with delayed, repeated and failing jobs goes on while the authority moves to the target, back, and to the target again.
 *
 * client   no error, in either protocol; each job is brought to its end exactly once and told of exactly once, and a failing one is tried
 *          as often as it says
 * source   at the end the same data as the target
 * target   likewise
 */
import { afterEach, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/wait.ts'
import { QueueAtWork } from './work.ts'

const jobsPerStep = 120

let servers: RedisServer[] = []
let ferry: Ferry | undefined
let queue: QueueAtWork | undefined

afterEach(async () => {
  await queue?.close().catch(() => undefined)
  await ferry?.dispose()
  await Promise.all(servers.map((server) => server.stop()))
})

it('brings every job to its end exactly once through cut-over, rollback and cut-over', async () => {
  servers = await Promise.all([startRedis(), startRedis()])
  const [source, target] = servers as [RedisServer, RedisServer]
  ferry = await Ferry.start({ source: source.url, target: target.url })
  queue = new QueueAtWork(ferry.port)
  await queue.add(jobsPerStep)
  await queue.repeat()
  await ferry.backfill()
  for (const step of ['cutover', 'rollback', 'cutover'] as const) {
    const working = queue.add(jobsPerStep)
    expect(await ferry.step(step)).toMatchObject({ status: { authority: step === 'rollback' ? 'source' : 'target' } })
    await working
    await queue.add(jobsPerStep)
  }
  const { tally, added } = queue
  await until(() => queue?.allDone === true, { what: 'every job', timeoutMs: 20_000 })
  await until(() => (tally.done.get('tick') ?? 0) >= 5, { what: 'five repeated jobs', timeoutMs: 10_000 })
  await queue.stopRepeating()
  await until(async () => {
    const counts = (await queue?.counts()) ?? {}
    return (counts.waiting ?? 0) + (counts.active ?? 0) + (counts.delayed ?? 0) === 0
  })
  await until(() => tally.told.get('tick') === tally.done.get('tick'), { what: 'every repeated job to be told of' })
  await queue.close()

  expect(tally.errors).toEqual([])
  expect(added.filter((name) => tally.done.get(name) !== 1)).toEqual([])
  expect(added.filter((name) => tally.told.get(name) !== 1)).toEqual([])
  const wantedTries = (name: string) => (Number(name.slice('job-'.length)) % 3 === 1 ? 3 : 1)
  expect(added.filter((name) => tally.begun.get(name) !== wantedTries(name))).toEqual([])
  await ferry.untilSettled()
  expect(await differencesOf(source, target)).toEqual([])
}, 60_000)
