/**
 * A TCP proxy on loopback that misbehaves on demand, to stand between Ferry and a server. Bytes never change or swap places; they are
 * only late, stuck, or cut off with the connection.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

export type Direction = 'to-server' | 'to-client'

export interface ChaosCounters {
  accepted: number
  refused: number
  cut: number
  /** Bytes handed on, not those held back. */
  bytesToServer: number
  bytesToClient: number
}

export class ChaosProxy {
  readonly counters: ChaosCounters = { accepted: 0, refused: 0, cut: 0, bytesToServer: 0, bytesToClient: 0 }
  readonly #server: Server
  readonly #toPort: number
  readonly #links = new Set<Link>()
  readonly #settings: Settings = { delayMs: 0, stalled: new Set() }
  #refusing = false

  static async start(toPort: number): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(toPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(toPort: number) {
    this.#toPort = toPort
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the chaos proxy is not listening')
    return address.port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get openConnections(): number {
    return this.#links.size
  }

  /** What came in and has not been handed on: late or stuck. */
  get heldBytes(): number {
    let sum = 0
    for (const link of this.#links) sum += link.heldBytes
    return sum
  }

  /** Back to an honest proxy; what was held back goes out first, in order. */
  pass(): void {
    this.#refusing = false
    this.#settings.delayMs = 0
    this.#settings.stalled.clear()
    for (const link of this.#links) link.flush()
  }

  /** Every byte arrives this much later, each way. */
  delay(ms: number): void {
    this.#settings.delayMs = ms
  }

  /** Takes bytes and hands none on, until pass(). With 'to-client', commands reach the server and only the replies are missing. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : (['to-server', 'to-client'] as const))
      this.#settings.stalled.add(direction)
  }

  /** Resets new connections as soon as they are made; those that are open go on. */
  refuse(): void {
    this.#refusing = true
  }

  /** Resets every open connection on both ends. What was held back is lost; what the server already has, it may still run. */
  cut(): void {
    this.counters.cut += this.#links.size
    for (const link of this.#links) link.cut()
  }

  /**
   * Resets every open connection on the client's end alone. What was held back goes out to the server at the next pass(), as from a
   * machine that is gone while its last packets are still on the way; new connections are honest ones.
   */
  orphan(): void {
    this.#settings.stalled.clear()
    this.counters.cut += this.#links.size
    for (const link of this.#links) link.orphan()
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.cut()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      this.counters.refused++
      client.on('error', () => {})
      client.resetAndDestroy()
      return
    }
    this.counters.accepted++
    const server = connect({ port: this.#toPort, host: '127.0.0.1', allowHalfOpen: true })
    const link = new Link(client, server, this.#settings, this.counters, () => this.#links.delete(link))
    this.#links.add(link)
  }
}

interface Settings {
  delayMs: number
  readonly stalled: Set<Direction>
}

/** One client connection and its server connection. */
class Link {
  readonly #sockets: readonly Socket[]
  readonly #pipes: readonly [Pipe, Pipe]
  readonly #gone: () => void
  #orphaned = false

  constructor(client: Socket, server: Socket, settings: Settings, counters: ChaosCounters, gone: () => void) {
    this.#sockets = [client, server]
    this.#gone = gone
    this.#pipes = [
      new Pipe(client, server, 'to-server', settings, (bytes) => {
        counters.bytesToServer += bytes
      }),
      new Pipe(server, client, 'to-client', settings, (bytes) => {
        counters.bytesToClient += bytes
      }),
    ]
    for (const socket of this.#sockets) {
      socket.setNoDelay(true)
      socket.on('error', () => {
        if (!this.#orphaned || socket !== client) this.cut()
      })
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) this.#gone()
      })
    }
  }

  get heldBytes(): number {
    return this.#pipes.reduce((sum, pipe) => sum + pipe.heldBytes, 0)
  }

  flush(): void {
    for (const pipe of this.#pipes) pipe.flush()
  }

  orphan(): void {
    this.#orphaned = true
    this.#pipes[0].hold()
    this.#pipes[1].drop()
    this.#sockets[0]?.resetAndDestroy()
  }

  cut(): void {
    for (const pipe of this.#pipes) pipe.drop()
    for (const socket of this.#sockets) if (!socket.destroyed) socket.resetAndDestroy()
    this.#gone()
  }
}

/** One direction of a link. `null` in the queue is the end of the stream, which must not overtake the bytes before it. */
class Pipe {
  readonly #to: Socket
  readonly #direction: Direction
  readonly #settings: Settings
  readonly #count: (bytes: number) => void
  readonly #queue: { readonly chunk: Buffer | null; readonly dueMs: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #held = false

  constructor(from: Socket, to: Socket, direction: Direction, settings: Settings, count: (bytes: number) => void) {
    this.#to = to
    this.#direction = direction
    this.#settings = settings
    this.#count = count
    from.on('data', (chunk) => {
      this.#take(chunk)
      if (to.writableNeedDrain && !from.isPaused()) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    })
    from.on('end', () => this.#take(null))
  }

  /** Hands nothing on until flush(). */
  hold(): void {
    this.#held = true
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  get heldBytes(): number {
    return this.#queue.reduce((sum, { chunk }) => sum + (chunk?.length ?? 0), 0)
  }

  #take(chunk: Buffer | null): void {
    this.#queue.push({ chunk, dueMs: performance.now() + this.#settings.delayMs })
    this.#run()
  }

  #run(): void {
    if (this.#timer !== undefined || this.#held) return
    while (this.#queue.length > 0 && !this.#settings.stalled.has(this.#direction)) {
      const waitMs = (this.#queue[0]?.dueMs ?? 0) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined
          this.#run()
        }, waitMs)
        return
      }
      this.#send(this.#queue.shift()?.chunk ?? null)
    }
  }

  #send(chunk: Buffer | null): void {
    if (this.#to.destroyed) return
    if (chunk === null) {
      this.#to.end()
      return
    }
    this.#count(chunk.length)
    this.#to.write(chunk)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held = false
    for (const { chunk } of this.#queue.splice(0)) this.#send(chunk)
  }

  drop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue.length = 0
  }
}
