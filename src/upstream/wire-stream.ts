/** A wire as a stream, for clients that know nothing but sockets. */
import { Duplex } from 'node:stream'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import type { Endpoint } from './endpoint.ts'
import type { Dial, Wire } from './wire.ts'

const connectTimeoutMs = 5_000

class WireStream extends Duplex {
  readonly #wire: Wire

  constructor(endpoint: Endpoint, dial: Dial, connected: () => void) {
    super()
    const { username, password } = endpoint
    this.#wire = dial(
      { credentials: { username, password }, whileBusy: false, singly: true, reordered: () => undefined },
      connected,
      (chunk) => this.push(chunk),
    )
    this.#wire.on('error', (error) => this.destroy(error))
    this.#wire.on('close', () => this.destroy())
  }

  override _read(): void {
    // Whatever comes is pushed; these clients ask for little.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#wire.write(chunk)
    done()
  }

  /** Its owner is through with it. */
  override _final(done: () => void): void {
    done()
    this.destroy()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wire.destroy()
    done(error)
  }

  /** As a socket has them; ioredis calls them. */
  setNoDelay(): void {}

  setKeepAlive(): void {}

  setTimeout(): void {}
}

/** An ioredis connector that goes the way of a lane. */
export function connectorTo(endpoint: Endpoint, dial: Dial): NonNullable<RedisOptions['Connector']> {
  class WireConnector extends AbstractConnector {
    constructor() {
      super(0)
    }

    override connect(): Promise<never> {
      this.connecting = true
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          stream.destroy()
          reject(new Error(`no connection within ${connectTimeoutMs} ms`))
        }, connectTimeoutMs)
        const stream = new WireStream(endpoint, dial, () => {
          clearTimeout(timer)
          resolve(stream as never)
        })
        this.stream = stream as never
      })
    }
  }
  return WireConnector
}
