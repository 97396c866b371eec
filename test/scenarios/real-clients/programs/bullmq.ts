/** BullMQ's further features: flows, priorities, deduplication, progress, events, pauses, limits. What a run of jobs must come to. */
import { FlowProducer, type Job, Queue, QueueEvents, type QueueOptions, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { untilSeen } from './patience.ts'
import type { Program } from './program.ts'

interface Parts {
  readonly options: QueueOptions
  readonly errors: string[]
  /** Everything that has to be closed. */
  readonly open: { close(): Promise<unknown> }[]
}

function part<T extends { close(): Promise<unknown>; on(event: 'error', listener: (error: Error) => void): unknown }>(
  { open, errors }: Parts,
  made: T,
): T {
  made.on('error', (error) => errors.push(error.message))
  open.push(made)
  return made
}

async function priorities(parts: Parts): Promise<unknown[]> {
  const queue = part(parts, new Queue('priorities', parts.options))
  for (const [name, priority] of [
    ['low', 30],
    ['high', 1],
    ['middle', 10],
  ] as const)
    await queue.add(name, {}, { priority })
  await queue.add('none', {})
  const order: string[] = []
  part(parts, new Worker('priorities', async ({ name }) => void order.push(name), { ...parts.options, concurrency: 1 }))
  await untilSeen('four jobs', () => order.length === 4)
  return order
}

/** A parent waits for its children and has their results; events tell of all of them. */
async function flow(parts: Parts): Promise<unknown> {
  const events = part(parts, new QueueEvents('flow', parts.options))
  await events.waitUntilReady()
  const told: string[] = []
  events.on('progress', ({ data }) => told.push(`progress ${data}`))
  const work = async (job: Job): Promise<unknown> => {
    if (job.name !== 'parent') {
      await job.updateProgress(50)
      await job.log(`at work on ${job.name}`)
      return job.data.value * 2
    }
    const values = await job.getChildrenValues<number>()
    return Object.values(values).reduce((sum, value) => sum + value, 0)
  }
  part(parts, new Worker('flow', work, { ...parts.options, concurrency: 2 }))
  const producer = part(parts, new FlowProducer(parts.options))
  const child = (value: number) => ({ name: `child-${value}`, queueName: 'flow', data: { value } })
  const { job, children } = await producer.add({ name: 'parent', queueName: 'flow', children: [child(1), child(2), child(3)] })
  const result = await job.waitUntilFinished(events, 5_000)
  await untilSeen('the progress of all children', () => told.length === 3)
  const queue = part(parts, new Queue('flow', parts.options))
  const logs = await queue.getJobLogs(String(children?.[0]?.job.id))
  return { result, told, logs: logs.logs, state: await job.getState() }
}

async function onceOnly(parts: Parts): Promise<unknown> {
  const queue = part(parts, new Queue('once', parts.options))
  const jobs = await Promise.all(
    Array.from({ length: 5 }, () => queue.add('same', {}, { deduplication: { id: 'one', ttl: 60_000 }, removeOnComplete: true })),
  )
  await queue.add('named', {}, { jobId: 'mine' })
  await queue.add('named', {}, { jobId: 'mine' })
  const before = await queue.getJobCounts('waiting')
  await queue.pause()
  const done: string[] = []
  part(parts, new Worker('once', async ({ name }) => void done.push(name), parts.options))
  const paused = [await queue.isPaused(), done.length]
  await queue.resume()
  await untilSeen('both jobs', () => done.length === 2)
  await untilSeen('no job to be active', async () => (await queue.getActiveCount()) === 0)
  const left = await queue.getJobCounts('completed', 'failed', 'waiting')
  await queue.obliterate({ force: true })
  return {
    ids: new Set(jobs.map(({ id }) => id)).size,
    before,
    paused,
    done: done.sort(),
    left,
    after: await queue.getJobCounts('completed'),
  }
}

async function limited(parts: Parts): Promise<unknown> {
  const queue = part(parts, new Queue('limited', parts.options))
  await queue.addBulk(Array.from({ length: 6 }, (_, n) => ({ name: `job-${n}`, data: { bad: n === 3 }, opts: { attempts: 1 } })))
  const done: string[] = []
  const failed: string[] = []
  const worker = new Worker(
    'limited',
    async ({ name, data }) => {
      if (data.bad) throw new Error('a bad one')
      done.push(name)
    },
    { ...parts.options, limiter: { max: 2, duration: 40 } },
  )
  part(parts, worker).on('failed', (job, error) => failed.push(`${job?.name}: ${error.message}`))
  await untilSeen('six jobs', () => done.length + failed.length === 6)
  await untilSeen('their results', async () => (await queue.getJobCountByTypes('completed', 'failed')) === 6)
  const bad = (await queue.getFailed())[0]
  const reason = bad?.failedReason
  await bad?.updateData({ bad: false })
  await bad?.retry()
  await untilSeen('the job that was tried again', () => done.length === 6)
  return { done, failed, reason }
}

function program(protocol: 2 | 3): Program {
  return {
    name: `BullMQ, RESP${protocol}`,
    async run(port) {
      const connection = { port, host: '127.0.0.1', protocol, maxRetriesPerRequest: null }
      const parts: Parts = { options: { connection }, errors: [], open: [] }
      const client = new Redis({ port, maxRetriesPerRequest: 0 })
      try {
        await client.flushall()
        const results = {
          priorities: await priorities(parts),
          flow: await flow(parts),
          once: await onceOnly(parts),
          limited: await limited(parts),
        }
        return { ...results, errors: parts.errors }
      } finally {
        client.disconnect()
        await Promise.all(parts.open.map((each) => each.close()))
      }
    },
  }
}

export const bullmqPrograms: readonly Program[] = [program(2), program(3)]
