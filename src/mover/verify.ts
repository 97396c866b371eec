/**
 * Compares two servers in both directions by type, value and expiry. The first round walks both key spaces; each later one looks again at
 * the keys that differed, after a wait, so that keys which traffic is just changing fall out. What differs in every round counts.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Redis, ReplyError } from 'ioredis'
import { FerryError } from '../errors.ts'
import { type DatabaseLayout, isLeftOut } from '../routing/database-layout.ts'
import { endpointOf } from '../upstream/client-factory.ts'
import { type VerifyCheckpoint, VerifyCheckpoints, type VerifyNotes, type VerifyPlace } from './verify-checkpoint.ts'
import { Comparison } from './verify-compare.ts'
import { Findings } from './verify-findings.ts'
import type { Pair } from './verify-pair.ts'
import { VerifyPipe } from './verify-pipe.ts'
import { groupsOf, samplesOf, type VerificationReport } from './verify-report.ts'
import { drawnKeys } from './verify-sample.ts'
import { Tally } from './verify-tally.ts'
import { Walk } from './verify-walk.ts'

export interface VerificationOptions {
  readonly ttlToleranceMs: number
  /** 1 or more; with 1, a key that is being written while it is compared counts as different. */
  readonly rounds: number
  /** Waited before each round but the first. */
  readonly settleMs: number
  /** Above 0; absent = all keys. Which ones depends on their names alone. */
  readonly samplePercent?: number | undefined
  /** In place of a share: about so many keys, drawn by the servers. The walk over all keys is spared. */
  readonly sampleKeys?: number | undefined
  /** 0 = unlimited. */
  readonly keysPerSecondMax?: number | undefined
  /** Where the place is kept, about once per second; absent = nowhere. Not for `sampleKeys`. */
  readonly notes?: VerifyNotes | undefined
  /** Go on where the notes say that an earlier one was interrupted. */
  readonly resume?: boolean | undefined
  /** Must have healed the keys when it resolves. Called with at most `recheckKeys` keys at a time. */
  readonly repair?: ((keys: { db: number; key: Buffer }[]) => Promise<void>) | undefined
  readonly signal?: AbortSignal | undefined
  /** Databases that are left out are not compared. */
  readonly databases?: DatabaseLayout | null
  /** Called while it runs, at most every `progressMs`, and once at the end. */
  readonly onProgress?: ((report: VerificationReport) => void) | undefined
}

const recheckKeys = 1_000
const progressMs = 100
const saveMs = 1_000

interface Server {
  readonly client: Redis
  readonly runId: string
  /** Keys by database. */
  readonly sizes: ReadonlyMap<number, number>
}

export class Verification {
  readonly #clients: { readonly source: Redis; readonly target: Redis }
  readonly #options: VerificationOptions
  readonly #id = randomUUID()
  readonly #checkpoints: VerifyCheckpoints | null
  /** Of this process; how long it took does not count the time in between. */
  readonly #beganMs = Date.now()
  #startedAt = new Date().toISOString()
  #state: VerificationReport['state'] = 'running'
  #stage: VerificationReport['stage'] = 'source'
  #finishedAt: Date | null = null
  #resumed: string | null = null
  #error: string | null = null
  #keysTotal = 0
  /** What an earlier process compared. */
  #keysBefore = 0
  #comparingMs: number | null = null
  #repaired = 0
  #findings = new Findings()
  #walk: Walk | null = null
  #comparison: Comparison | null = null
  #progressAt = 0
  #savedAt = Date.now()

  /** The clients must be connected and of the one factory; bulk reads go over connections of the verification's own, to the same endpoints. */
  constructor({ source, target, options }: { source: Redis; target: Redis; options: VerificationOptions }) {
    this.#clients = { source, target }
    this.#options = options
    this.#checkpoints =
      options.notes === undefined || options.sampleKeys !== undefined ? null : new VerifyCheckpoints(options.notes)
  }

  /** A snapshot. Until the last round has ended its counts are of keys that may yet turn out equal. */
  report(): VerificationReport {
    const elapsedMs = this.#comparingMs ?? Date.now() - this.#beganMs
    const { samplePercent, sampleKeys } = this.#options
    const { missing, extra, type, value, ttl } = this.#findings.counts
    const tally = this.#walk?.tally ?? new Tally()
    const keysCompared = tally.keys
    return {
      id: this.#id,
      state: this.#state,
      stage: this.#stage,
      scope: samplePercent === undefined && sampleKeys === undefined ? 'full' : 'sample',
      startedAt: this.#startedAt,
      finishedAt: this.#finishedAt?.toISOString() ?? null,
      resumed: this.#resumed,
      keysTotal: this.#keysTotal,
      keysScanned: this.#walk?.scanned ?? 0,
      keysCompared,
      keysPerSecond: elapsedMs === 0 ? 0 : Math.round(((keysCompared - this.#keysBefore) * 1000) / elapsedMs),
      differences: type + value,
      typeDifferences: type,
      missing,
      extra,
      ttlDifferences: ttl,
      repaired: this.#repaired,
      ...groupsOf(this.#findings, tally, this.#state === 'running'),
      looks: { ...tally.looks },
      samples: samplesOf(this.#findings),
      error: this.#error,
    }
  }

  /**
   * Call once. Differences do not make it fail; they are in the report.
   * @throws FerryError `endpoint-unreachable`, `interrupted` (by the signal), `unsupported` (a database that one side does not have) or
   * `limit` (more differences than can be held); `report()` then says `failed`.
   */
  async run(): Promise<VerificationReport> {
    const { signal } = this.#options
    const pipes: VerifyPipe[] = []
    const abort = () => {
      for (const pipe of pipes) pipe.close(interrupted())
    }
    signal?.addEventListener('abort', abort)
    try {
      signal?.throwIfAborted()
      const endpoints = [endpointOf(this.#clients.source), endpointOf(this.#clients.target)] as const
      const source = new VerifyPipe(endpoints[0])
      const target = new VerifyPipe(endpoints[1])
      pipes.push(source, target)
      await Promise.all([source.signIn(endpoints[0]), target.signIn(endpoints[1])])
      await this.#compareAndRepair(await this.#pairOf(source, target))
      this.#checkpoints?.clear()
      this.#state = 'done'
      this.#stage = 'ended'
    } catch (cause) {
      const error = signal?.aborted ? interrupted() : cause
      this.#state = 'failed'
      this.#error = (error as Error).message
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      for (const pipe of pipes) pipe.close()
      this.#finishedAt = new Date()
      this.#options.onProgress?.(this.report())
    }
    return this.report()
  }

  async #compareAndRepair(pair: Pair): Promise<void> {
    const { repair, sampleKeys } = this.#options
    const servers = await Promise.all([this.#clients.source, this.#clients.target].map(serverOf))
    const layout = this.#options.databases ?? null
    const databases = [...new Set(servers.flatMap(({ sizes }) => [...sizes.keys()]))]
      .filter((db) => !isLeftOut(layout, db))
      .sort((left, right) => left - right)
    for (const { sizes } of servers) for (const keys of sizes.values()) this.#keysTotal += keys
    this.#comparison = new Comparison(pair)
    this.#walk = this.#newWalk(pair, this.#comparison, servers)
    if (sampleKeys === undefined) await this.#walkOn(this.#walk, databases, servers)
    else await this.#draw(pair, this.#walk, databases, servers, sampleKeys)
    this.#comparingMs = Date.now() - this.#beganMs
    this.#stage = 'settling'
    // What an earlier process found may have been repaired since: it is looked at at least once more.
    const rounds = Math.max(this.#options.rounds, this.#keysBefore > 0 ? 2 : 1)
    this.#findings = await this.#settle(pair, this.#findings, rounds - 1)
    if (repair === undefined || this.#findings.size === 0) return
    this.#stage = 'repairing'
    const keys = [...this.#findings.values()].map(({ db, key }) => ({ db, key }))
    for (let at = 0; at < keys.length; at += recheckKeys) await repair(keys.slice(at, at + recheckKeys))
    const left = await this.#settle(pair, await this.#recheck(pair, this.#findings), this.#options.rounds - 1)
    this.#repaired = this.#findings.size - left.size
  }

  #newWalk(pair: Pair, comparison: Comparison, servers: readonly Server[]): Walk {
    const { samplePercent, keysPerSecondMax, signal } = this.#options
    return new Walk(pair, comparison, {
      samplePercent: samplePercent ?? 100,
      keysPerSecondMax: keysPerSecondMax ?? 0,
      signal,
      found: (db, findings) => this.#findings.keep(db, findings),
      progress: () => {
        this.#stage = this.#walk?.place?.side ?? this.#stage
        this.#progress()
        if (Date.now() - this.#savedAt >= saveMs) this.#save(servers)
      },
    })
  }

  async #walkOn(walk: Walk, databases: readonly number[], servers: readonly Server[]): Promise<void> {
    const checkpoint = this.#options.resume ? this.#takeUp(walk, servers) : null
    if (checkpoint === null) this.#checkpoints?.clear()
    this.#findings.startSaving()
    walk.through = checkpoint?.through ?? false
    try {
      if (!walk.through) await walk.run(databases, checkpoint?.place ?? null)
    } finally {
      this.#save(servers)
    }
  }

  #takeUp(walk: Walk, servers: readonly Server[]): VerifyCheckpoint | null {
    if (this.#checkpoints === null) return null
    const checkpoint = this.#checkpoints.resume(this.#terms(servers), this.#findings)
    if (typeof checkpoint === 'string') {
      this.#resumed = checkpoint
      return null
    }
    const { place, startedAt, keysScanned, tally } = checkpoint
    for (const each of [walk.tally, walk.settled]) each.restore(tally)
    walk.scanned = keysScanned
    walk.settledScanned = keysScanned
    this.#startedAt = startedAt
    this.#keysBefore = walk.tally.keys
    this.#resumed = placeText(place, this.#keysBefore)
    return checkpoint
  }

  #save(servers: readonly Server[]): void {
    const walk = this.#walk
    if (this.#checkpoints === null || walk === null || (walk.place === null && !walk.through)) return
    this.#savedAt = Date.now()
    const { place, through, settled, settledScanned } = walk
    const terms = this.#terms(servers)
    const tally = settled.document()
    this.#checkpoints.save(
      { terms, startedAt: this.#startedAt, through, place, keysScanned: settledScanned, tally },
      this.#findings,
    )
  }

  #terms(servers: readonly Server[]): VerifyCheckpoint['terms'] {
    const { ttlToleranceMs, samplePercent } = this.#options
    return {
      addresses: servers.map(({ client }) => endpointOf(client).redacted),
      runIds: servers.map(({ runId }) => runId),
      ttlToleranceMs,
      samplePercent: samplePercent ?? 100,
    }
  }

  /** Half of them from each side, of each database in proportion. */
  async #draw(pair: Pair, walk: Walk, databases: readonly number[], servers: readonly Server[], wanted: number): Promise<void> {
    for (const db of databases) {
      await Promise.all([pair.source.select(db), pair.target.select(db)])
      for (const [index, side] of (['source', 'target'] as const).entries()) {
        this.#stage = side
        const { sizes } = servers[index] as Server
        const all = [...sizes.values()].reduce((sum, keys) => sum + keys, 0)
        const share = Math.ceil((wanted / 2) * ((sizes.get(db) ?? 0) / Math.max(1, all)))
        for await (const keys of drawnKeys(pair[side], share)) {
          await walk.paced(keys.length)
          this.#findings.keep(db, await (this.#comparison as Comparison).compare(keys, walk.tally))
          walk.scanned += keys.length
          this.#progress()
        }
      }
    }
  }

  async #settle(pair: Pair, findings: Findings, rounds: number): Promise<Findings> {
    let left = findings
    for (let round = 0; round < rounds && left.size > 0; round += 1) {
      await delay(this.#options.settleMs, undefined, { signal: this.#options.signal })
      left = await this.#recheck(pair, left)
      this.#progress()
    }
    return left
  }

  async #recheck(pair: Pair, findings: Findings): Promise<Findings> {
    const byDatabase = Map.groupBy(findings.values(), (finding) => finding.db)
    const left = new Findings()
    for (const [db, ofDatabase] of byDatabase) {
      await Promise.all([pair.source.select(db), pair.target.select(db)])
      const keys = ofDatabase.map((finding) => finding.key)
      for (let at = 0; at < keys.length; at += recheckKeys) {
        const some = keys.slice(at, at + recheckKeys)
        await this.#walk?.paced(some.length)
        left.keep(db, await (this.#comparison as Comparison).compare(some, new Tally()))
      }
    }
    return left
  }

  async #pairOf(source: VerifyPipe, target: VerifyPipe): Promise<Pair> {
    const { source: sourceClient, target: targetClient } = this.#clients
    const knowExpiry = await Promise.all([sourceClient, targetClient].map((client) => knows(client, 'PEXPIRETIME', ['ferry'])))
    const [sourceFields, targetFields] = await Promise.all(
      [sourceClient, targetClient].map((client) => knows(client, 'HPEXPIRETIME', ['ferry', 'FIELDS', '1', 'ferry'])),
    )
    return {
      source,
      target,
      ttlToleranceMs: this.#options.ttlToleranceMs,
      expiry: knowExpiry.every(Boolean) ? 'PEXPIRETIME' : 'PTTL',
      fieldTtls: { source: sourceFields === true, target: targetFields === true },
    }
  }

  #progress(): void {
    const { onProgress } = this.#options
    if (onProgress === undefined || Date.now() - this.#progressAt < progressMs) return
    this.#progressAt = Date.now()
    onProgress(this.report())
  }
}

const interrupted = (): FerryError => new FerryError('interrupted', 'the verification was stopped')

const placeText = (place: VerifyPlace | null, keys: number): string =>
  place === null
    ? `behind the passes, which compared ${keys} keys`
    : `after ${keys} keys, in the ${place.side}'s database ${place.db}`

async function serverOf(client: Redis): Promise<Server> {
  const keyspace = await client.info('keyspace').catch(unreachable)
  const server = await client.info('server').catch(unreachable)
  const sizes = new Map<number, number>()
  for (const match of keyspace.matchAll(/^db(\d+):keys=(\d+)/gm)) sizes.set(Number(match[1]), Number(match[2]))
  return { client, runId: /^run_id:(\w+)/m.exec(server)?.[1] ?? '', sizes }
}

/** By asking: versions and COMMAND tell little about forks and about what the user may run. A wrong type would be an answer, too. */
async function knows(client: Redis, command: string, args: string[]): Promise<boolean> {
  try {
    await client.call(command, args)
    return true
  } catch (error) {
    if (!(error instanceof ReplyError)) unreachable(error)
    return (error as Error).message.startsWith('WRONGTYPE')
  }
}

function unreachable(error: unknown): never {
  throw new FerryError('endpoint-unreachable', (error as Error).message)
}
