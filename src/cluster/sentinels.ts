/**
 * Which server the Sentinels name as the primary. Asked again every so often and whenever a connection fails; connections to a former
 * primary are cut, since it may go on taking writes that are thrown away when it is told what it is.
 */
import type { Redis } from 'ioredis'
import { connectClient } from '../upstream/client-factory.ts'
import { openSocket } from '../upstream/connect.ts'
import { type Endpoint, endpointAt } from '../upstream/endpoint.ts'
import type { Dial, Wire } from '../upstream/wire.ts'

const askEveryMs = 1_000
const askSoonMs = 100

export class Sentinels {
  lastError = 'the Sentinels were not asked yet'
  readonly #endpoint: Endpoint
  #primary: Endpoint | null = null
  #client: Redis | null = null
  #open = new Set<SentinelWire>()
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  start(): void {
    void this.#ask()
  }

  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#client?.disconnect()
    for (const wire of this.#open) wire.destroy()
  }

  readonly dial: Dial = (_options, connected, take) => {
    const wire = new SentinelWire(connected, take, (gone) => this.#open.delete(gone))
    this.#open.add(wire)
    if (this.#primary !== null) wire.connect(this.#primary)
    return wire
  }

  async #ask(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const primary = await this.#answer()
    if (this.#stopped) return
    if (primary !== null && (primary.host !== this.#primary?.host || primary.port !== this.#primary.port)) {
      this.#primary = primary
      for (const wire of [...this.#open]) wire.follow(primary)
    }
    const known = primary !== null
    if (this.#timer === null) this.#timer = setTimeout(() => void this.#ask(), known ? askEveryMs : askSoonMs)
  }

  /** One that answers, and tells by itself when there is another primary. */
  async #sentinelAt(seed: Endpoint): Promise<Redis> {
    if (this.#client?.status === 'ready') return this.#client
    this.#client?.disconnect()
    // Sentinels have users of their own, if any; those of the servers are not theirs.
    const client = await connectClient({ ...seed, username: null, password: null }, 'sentinel')
    this.#client = client
    client.on('message', () => void this.#ask())
    await client.subscribe('+switch-master')
    return client
  }

  async #answer(): Promise<Endpoint | null> {
    for (const seed of this.#endpoint.seeds) {
      try {
        const client = await this.#sentinelAt(seed)
        const answer = await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#endpoint.service)
        if (!Array.isArray(answer)) throw new Error(`the Sentinel knows no primary by the name of ${this.#endpoint.service}`)
        const replica = this.#endpoint.readsReplicas ? await this.#replica(client) : null
        return await this.#whereItIs(
          replica ?? endpointAt(this.#endpoint, String(answer[0]), Number(answer[1])),
          replica !== null,
        )
      } catch (error) {
        this.lastError = `${seed.host}:${seed.port}: ${(error as Error).message}`
        this.#client?.disconnect()
        this.#client = null
      }
    }
    return null
  }

  /** One that is in step with its primary, as far as the Sentinel knows; null = there is none. */
  async #replica(client: Redis): Promise<Endpoint | null> {
    const replicas = (await client.call('SENTINEL', 'REPLICAS', this.#endpoint.service)) as string[][]
    for (const flat of replicas) {
      const field = (name: string): string => String(flat[flat.indexOf(name) + 1])
      if (field('flags') === 'slave' && field('master-link-status') === 'ok')
        return endpointAt(this.#endpoint, field('ip'), Number(field('port')))
    }
    return null
  }

  /** A Sentinel may be behind: whoever it names has to say itself what it is. */
  async #whereItIs(endpoint: Endpoint, replica: boolean): Promise<Endpoint | null> {
    const known = this.#primary
    if (known !== null && known.host === endpoint.host && known.port === endpoint.port) return known
    const client = await connectClient(endpoint, 'role')
    try {
      const [role] = (await client.call('ROLE')) as [unknown]
      if (String(role) !== (replica ? 'slave' : 'master'))
        throw new Error(`${endpoint.host}:${endpoint.port} is no ${replica ? 'replica' : 'primary'} yet`)
      return { ...endpoint, db: this.#endpoint.db }
    } finally {
      client.disconnect()
    }
  }
}

/** A socket to whoever is the primary; until that is known, none. */
class SentinelWire implements Wire {
  readonly #connected: () => void
  readonly #take: (chunk: Buffer) => void
  readonly #closed: (wire: SentinelWire) => void
  #socket: Wire | null = null
  #onError: (error: Error) => void = () => undefined
  #onClose: () => void = () => undefined
  #destroyed = false
  /** Written before it was known where to. */
  readonly #early: Buffer[] = []

  constructor(connected: () => void, take: (chunk: Buffer) => void, closed: (wire: SentinelWire) => void) {
    this.#connected = connected
    this.#take = take
    this.#closed = closed
  }

  get writableLength(): number {
    return this.#socket?.writableLength ?? 0
  }

  get bytesWritten(): number {
    return this.#socket?.bytesWritten ?? 0
  }

  connect(endpoint: Endpoint): void {
    const socket = openSocket(endpoint, this.#connected, this.#take)
    socket.on('error', (error) => this.#onError(error))
    socket.on('close', () => this.#onClose())
    this.#socket = socket
    for (const bytes of this.#early.splice(0)) socket.write(bytes)
  }

  /** There is another primary: this wire ends, and its owner opens one to that. */
  follow(endpoint: Endpoint): void {
    if (this.#destroyed) return
    if (this.#socket === null) this.connect(endpoint)
    else this.#onError(new Error('the Sentinels name another primary'))
  }

  write(bytes: Buffer): void {
    if (this.#socket === null) this.#early.push(Buffer.from(bytes))
    else this.#socket.write(bytes)
  }

  cork(): void {
    this.#socket?.cork()
  }

  uncork(): void {
    this.#socket?.uncork()
  }

  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  isPaused(): boolean {
    return this.#socket?.isPaused() ?? false
  }

  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#closed(this)
    this.#socket?.destroy()
  }

  on(event: 'error' | 'close', listener: (error: Error) => void): void {
    if (event === 'error') this.#onError = listener
    else this.#onClose = listener as () => void
  }
}
