/** One Ferry process: builds the parts, starts them in the order in which they need each other, and ends them in the reverse. */
import { allCommands } from './commands/catalogue.ts'
import { Kind } from './commands/spec.ts'
import type { Config } from './config/schema.ts'
import { buildControlApp } from './control/app.ts'
import type { Operations } from './control/operations.ts'
import { FerryError } from './errors.ts'
import { startDatadog } from './observe/datadog.ts'
import { createLogger } from './observe/logger.ts'
import type { Reading } from './observe/metrics.ts'
import { createExposition } from './observe/prometheus.ts'
import { operationsOf } from './process/operations.ts'
import { buildParts, type Parts } from './process/parts.ts'
import { infoRows, statusOf } from './process/status.ts'
import { warnOfUnsafe } from './process/unsafe.ts'
import { Verifications } from './process/verifications.ts'

export interface Ferry {
  readonly operations: Operations
  /** Where clients can connect. */
  readonly listening: readonly string[]
  /** Answers what was sent, saves the state, and lets everything go. */
  stop(): Promise<void>
}

/** How long clients may take to receive what they are owed when Ferry stops. */
const drainMs = 10_000
/** How long the start waits for both sides, so that the first client finds them; a side that is away does not stop it. */
const firstConnectMs = 1_000

/** @throws FerryError where the configuration, the state file or a listening address cannot be used. */
export async function startFerry(config: Config): Promise<Ferry> {
  const logger = createLogger(config.logLevel)
  warnOfUnsafe(logger)
  const parts = buildParts(config, infoRows)
  /** Why clients cannot be served now. */
  let closed: string | null = 'starting'
  const { store, core, lanes, migration, healer, expiries, server } = parts
  core.events.follow(Number.MAX_SAFE_INTEGER, (event) => {
    // Whose data it is that would be lost is nothing to be found in passing.
    logger[event.kind === 'target' ? 'warn' : 'info']({ ...event }, event.message)
  })
  const clean = store.cleanShutdown()
  store.markRunning()
  const unknown = parts.intents === null ? 'its state was not kept' : parts.intents.recover(clean)
  lanes.start(core)
  migration.recover(clean, unknown)
  healer.start()
  const expiriesTried = expiries.start()
  parts.job.functions.start()
  parts.job.brake.start()
  const verifications = new Verifications(parts)
  const operations = operationsOf(parts, verifications, () => closed)
  const read = (): Reading => readingOf(parts)
  const app = buildControlApp({ operations, metrics: createExposition(read), tokens: config.tokens, logger })
  const stopDatadog = await startDatadog(config.datadog, read)
  const stop = async (): Promise<void> => {
    closed = 'stopping'
    await server.drain(drainMs)
    await app.close()
    await verifications.stop()
    stopDatadog()
    // Whoever goes on copying would never let it settle.
    migration.suspend()
    healer.stop()
    await settled(parts)
    await expiries.stop()
    parts.job.functions.stop()
    parts.job.brake.stop()
    parts.scripts.watch.close()
    parts.keyWatch.stop()
    lanes.stop()
    parts.behind.stop()
    // What the end of the lanes cut off puts its keys into the journal a moment later.
    await new Promise((resolve) => setImmediate(resolve))
    core.journal.save()
    migration.suspend()
    store.markClean()
    parts.intents?.stop()
    store.close()
  }
  try {
    const { host, port } = controlAddress(config.control)
    await app.listen({ host, port }).catch((cause: Error) => {
      throw new FerryError('endpoint-unreachable', `cannot listen on ${config.control}: ${cause.message}`, { cause })
    })
    await Promise.all([lanes.tried(firstConnectMs), withinReason(expiriesTried)])
    // What the target has is asked before the first client can write to it.
    await withinReason(migration.targetKeys.look())
    await lanes.tried(firstConnectMs)
    await startsAlike(parts)
    const listening = await server.listen(config.listen)
    closed = null
    void parts.beside.refresh()
    return { operations, listening, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What differed between the libraries when Ferry ended is not kept anywhere. A copy that is still to come brings them itself. */
async function startsAlike({ core, job }: Parts): Promise<void> {
  const { traffic, libraries } = core
  if (!traffic.mirrored || !traffic.covered) return
  libraries.differ('Ferry was started anew')
  await withinReason(job.functions.copy())
}

/** A side that does not answer does not stop the start. */
async function withinReason(done: Promise<void>): Promise<void> {
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, firstConnectMs).unref())])
}

/** Both sides have answered everything, or the lanes are gone and their keys are in the journal. */
async function settled({ lanes, core }: Parts): Promise<void> {
  const deadlineMs = performance.now() + drainMs
  const busy = (): boolean => lanes.inFlight('source') + lanes.inFlight('target') > 0 || core.board.openTickets > 0
  while (busy() && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5))
}

function controlAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

const kindNames = new Map<number, string>(Object.entries(Kind).map(([name, kind]) => [kind, name]))
const commandLabels = allCommands.map(({ family, kind }) => ({ family, kind: kindNames.get(kind) ?? 'Unknown' }))

function readingOf(parts: Parts): Reading {
  const { core, lanes } = parts
  for (const side of ['source', 'target'] as const) {
    let bytesIn = 0
    let bytesOut = 0
    for (const lane of lanes.all()) {
      if (lane.side !== side) continue
      bytesIn += lane.bytesIn
      bytesOut += lane.bytesOut
    }
    Object.assign(core.counters.sides[side], { bytesIn, bytesOut })
  }
  return { counters: core.counters, latencies: core.latencies, commandLabels, status: statusOf(parts) }
}
