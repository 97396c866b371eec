/**
 * How one connection of a lane comes to be used: the time that may take, the handshake, and the end of the connection before it
 * (fence.ts). What the lane is told, it is told once, and nothing after `end`.
 */
import { Fence, type FormerConnection, fenceFor, unfencedWaitMs } from './fence.ts'
import { type Credentials, Handshake, type HandshakeResult } from './handshake.ts'
import type { Waiter } from './waiter.ts'

/** Whose connection it is. */
export interface Greeter {
  send(buf: Buffer, start: number, end: number, waiter: Waiter, count: number): void
  fail(error: Error): void
}

const connectTimeoutMs = 5_000

export class Greeting {
  readonly #greeter: Greeter
  readonly #credentials: Credentials
  readonly #whileBusy: boolean
  readonly #former: FormerConnection | null
  readonly #told: (result: HandshakeResult) => void
  readonly #opened: (result: HandshakeResult) => void
  #timer: NodeJS.Timeout
  #ended = false

  /**
   * The connection is being made. `former`: the last one that was in use. `told`: what the server said of itself; `opened`: nothing that
   * was sent on the former connection can run any more.
   */
  constructor(
    greeter: Greeter,
    credentials: Credentials,
    whileBusy: boolean,
    former: FormerConnection | null,
    told: (result: HandshakeResult) => void,
    opened: (result: HandshakeResult) => void,
  ) {
    this.#greeter = greeter
    this.#credentials = credentials
    this.#whileBusy = whileBusy
    this.#former = former
    this.#told = told
    this.#opened = opened
    this.#timer = setTimeout(() => greeter.fail(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
  }

  /** The connection can be written to. */
  begin(): void {
    const handshake = new Handshake(this.#credentials, (result) => this.#greeted(result), this.#whileBusy)
    this.#greeter.send(handshake.frame, 0, handshake.frame.length, handshake, handshake.count)
  }

  /** The connection is gone. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  #greeted(result: HandshakeResult): void {
    if (this.#ended) return
    if (result.fault !== null) {
      this.#greeter.fail(new Error(result.fault))
      return
    }
    this.#told(result)
    switch (fenceFor(this.#former, result.runId)) {
      case 'none':
        this.#finish(result)
        return
      case 'wait':
        this.#finishLater(result)
        return
      case 'kill': {
        const fence = new Fence(this.#former?.clientId ?? 0, (killed) => {
          if (this.#ended) return
          if (killed) this.#finish(result)
          else this.#finishLater(result)
        })
        this.#greeter.send(fence.frame, 0, fence.frame.length, fence, 1)
      }
    }
  }

  #finishLater(result: HandshakeResult): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#finish(result), unfencedWaitMs)
  }

  #finish(result: HandshakeResult): void {
    clearTimeout(this.#timer)
    this.#opened(result)
  }
}
