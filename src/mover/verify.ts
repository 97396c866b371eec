/**
 * Compares two servers in both directions by type, value and expiry. The first round walks both key spaces; each later one looks again at
 * the keys that differed, after a wait, so that keys which traffic is just changing fall out. What differs in every round counts.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Redis, ReplyError } from 'ioredis'
import { FerryError } from '../errors.ts'
import { endpointOf } from '../upstream/client-factory.ts'
import { compareChunk, type ExpiryVerb, type Finding } from './verify-compare.ts'
import type { Pair } from './verify-pair.ts'
import { VerifyPipe } from './verify-pipe.ts'
import { countFindings, type LocatedFinding, type VerificationReport } from './verify-report.ts'
import { eachInFlight, type SizedKey, scanKeys, sizedChunks } from './verify-scan.ts'

export interface VerificationOptions {
  readonly ttlToleranceMs: number
  /** 1 or more; with 1, a key that is being written while it is compared counts as different. */
  readonly rounds: number
  /** Waited before each round but the first. */
  readonly settleMs: number
  /** Must have healed the keys when it resolves. Called with at most `repairKeysMax` keys at a time. */
  readonly repair?: ((keys: { db: number; key: Buffer }[]) => Promise<void>) | undefined
  readonly signal?: AbortSignal | undefined
  /** Called while it runs, at most every `progressMs`, and once at the end. */
  readonly onProgress?: ((report: VerificationReport) => void) | undefined
}

/** Chunks side by side: while one is compared, the servers work on the next. */
const chunksInFlight = 3
/** Beyond it a copy is called for, not a comparison; keeps the list of what to look at again in some hundred megabytes. */
const findingsMax = 1_000_000
const repairKeysMax = 1_000
const progressMs = 100

/** Keys by database and bytes; latin1 keeps each byte a character. */
type Findings = Map<string, LocatedFinding>

export class Verification {
  readonly #clients: { readonly source: Redis; readonly target: Redis }
  readonly #options: VerificationOptions
  readonly #id = randomUUID()
  readonly #startedAt = new Date()
  #state: VerificationReport['state'] = 'running'
  #finishedAt: Date | null = null
  #error: string | null = null
  #keysCompared = 0
  #comparingMs: number | null = null
  #repaired = 0
  #findings: Findings = new Map()
  #expiryVerb: ExpiryVerb = 'PEXPIRETIME'
  #progressAt = 0

  /** The clients must be connected and of the one factory; bulk reads go over connections of the verification's own, to the same endpoints. */
  constructor({ source, target, options }: { source: Redis; target: Redis; options: VerificationOptions }) {
    this.#clients = { source, target }
    this.#options = options
  }

  /** A snapshot. Until the last round has ended its counts are of keys that may yet turn out equal. */
  report(): VerificationReport {
    const elapsedMs = this.#comparingMs ?? Date.now() - this.#startedAt.getTime()
    return {
      id: this.#id,
      state: this.#state,
      startedAt: this.#startedAt.toISOString(),
      finishedAt: this.#finishedAt?.toISOString() ?? null,
      keysCompared: this.#keysCompared,
      keysPerSecond: elapsedMs === 0 ? 0 : Math.round((this.#keysCompared * 1000) / elapsedMs),
      ...countFindings(this.#findings.values()),
      repaired: this.#repaired,
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
      this.#state = 'done'
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
    const { rounds, repair } = this.#options
    for (const db of await databasesOf([this.#clients.source, this.#clients.target])) {
      await Promise.all([pair.source.select(db), pair.target.select(db)])
      await this.#compareSource(pair, db)
      await this.#findExtra(pair, db)
    }
    this.#comparingMs = Date.now() - this.#startedAt.getTime()
    this.#findings = await this.#settle(pair, this.#findings, rounds - 1)
    if (repair === undefined || this.#findings.size === 0) return
    const keys = [...this.#findings.values()].map(({ db, key }) => ({ db, key }))
    for (let at = 0; at < keys.length; at += repairKeysMax) await repair(keys.slice(at, at + repairKeysMax))
    const left = await this.#settle(pair, await this.#recheck(pair, this.#findings), rounds - 1)
    this.#repaired = this.#findings.size - left.size
  }

  async #compareSource(pair: Pair, db: number): Promise<void> {
    async function* chunks(): AsyncGenerator<SizedKey[]> {
      for await (const keys of scanKeys(pair.source)) yield* await sizedChunks(keys, [pair.source])
    }
    await eachInFlight(chunks(), chunksInFlight, async (chunk) => {
      this.#keep(this.#findings, db, await compareChunk(pair, this.#expiryVerb, chunk))
      this.#keysCompared += chunk.length
      this.#progress()
    })
  }

  /** The other direction only has to look for keys that the source lacks. */
  async #findExtra(pair: Pair, db: number): Promise<void> {
    await eachInFlight(scanKeys(pair.target), chunksInFlight, async (keys) => {
      // One command for the whole batch: in the usual case they are all there. A cluster node refuses it, then each is asked for.
      if ((await pair.source.call(['EXISTS', ...keys])) === keys.length) return
      const exists = await pair.source.perKey(['EXISTS'], keys)
      const absent = keys.filter((_, index) => exists[index] !== 1)
      for (const chunk of await sizedChunks(absent, [pair.target])) {
        this.#keep(this.#findings, db, await compareChunk(pair, this.#expiryVerb, chunk))
        this.#keysCompared += chunk.length
      }
      this.#progress()
    })
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
    const left: Findings = new Map()
    for (const [db, ofDatabase] of byDatabase) {
      await Promise.all([pair.source.select(db), pair.target.select(db)])
      const keys = ofDatabase.map((finding) => finding.key)
      for (let at = 0; at < keys.length; at += repairKeysMax) {
        const chunks = await sizedChunks(keys.slice(at, at + repairKeysMax), [pair.source, pair.target])
        for (const chunk of chunks) this.#keep(left, db, await compareChunk(pair, this.#expiryVerb, chunk))
      }
    }
    return left
  }

  #keep(into: Findings, db: number, found: readonly Finding[]): void {
    for (const finding of found) {
      // A slice would keep the whole chunk alive that it was received in.
      const key = Buffer.from(finding.key)
      into.set(`${db}:${key.toString('latin1')}`, { ...finding, key, db })
    }
    if (into.size > findingsMax) {
      throw new FerryError('limit', `more than ${findingsMax} keys differ: copy first, then verify`)
    }
  }

  async #pairOf(source: VerifyPipe, target: VerifyPipe): Promise<Pair> {
    const { source: sourceClient, target: targetClient } = this.#clients
    const knowExpiry = await Promise.all([sourceClient, targetClient].map((client) => knows(client, 'PEXPIRETIME', ['ferry'])))
    this.#expiryVerb = knowExpiry.every(Boolean) ? 'PEXPIRETIME' : 'PTTL'
    const [sourceFields, targetFields] = await Promise.all(
      [sourceClient, targetClient].map((client) => knows(client, 'HPEXPIRETIME', ['ferry', 'FIELDS', '1', 'ferry'])),
    )
    const fieldTtls = { source: sourceFields === true, target: targetFields === true }
    return { source, target, ttlToleranceMs: this.#options.ttlToleranceMs, fieldTtls }
  }

  #progress(): void {
    const { onProgress } = this.#options
    if (onProgress === undefined || Date.now() - this.#progressAt < progressMs) return
    this.#progressAt = Date.now()
    onProgress(this.report())
  }
}

const interrupted = (): FerryError => new FerryError('interrupted', 'the verification was stopped')

/** All that hold keys on either side, in order. */
async function databasesOf(clients: readonly Redis[]): Promise<number[]> {
  const databases = new Set<number>()
  for (const client of clients) {
    const info = await client.info('keyspace').catch(unreachable)
    for (const match of info.matchAll(/^db(\d+):/gm)) databases.add(Number(match[1]))
  }
  return [...databases].sort((left, right) => left - right)
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
