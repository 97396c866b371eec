/** A wire as its owner sees it: bytes go in, whole replies come out, each as it came. */
import { ReplyKind, ReplyScanner } from '../../src/resp/reply-scanner.ts'
import { openWire } from '../../src/upstream/connect.ts'
import type { Endpoint } from '../../src/upstream/endpoint.ts'
import type { Wire } from '../../src/upstream/wire.ts'
import { until } from './wait.ts'

export class RawWire {
  readonly replies: string[] = []
  readonly pushes: string[] = []
  error: Error | null = null
  readonly #wire: Wire
  readonly #scanner = new ReplyScanner()
  #pieces: Buffer[] = []

  static async open(endpoint: Endpoint): Promise<RawWire> {
    let connected = false
    const raw = new RawWire(endpoint, () => {
      connected = true
    })
    await until(() => connected, { what: 'the wire to be connected' })
    return raw
  }

  private constructor(endpoint: Endpoint, connected: () => void) {
    const options = {
      credentials: { username: null, password: null },
      whileBusy: false,
      singly: false,
      reordered: () => undefined,
    }
    this.#wire = openWire(endpoint, options, connected, (chunk) => this.#take(chunk))
    this.#wire.on('error', (error) => {
      this.error = error
    })
  }

  write(bytes: Buffer): void {
    this.#wire.write(bytes)
  }

  close(): void {
    this.#wire.destroy()
  }

  /** The replies to these bytes, which hold so many commands; written in pieces that end at `cuts`. */
  async ask(bytes: Buffer, commands: number, cuts: readonly number[] = []): Promise<string[]> {
    this.replies.length = 0
    let from = 0
    for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
      if (cut > from) this.write(bytes.subarray(from, cut))
      from = Math.max(from, cut)
    }
    await until(() => this.replies.length >= commands || this.error !== null, { what: `${commands} replies` })
    return this.replies.slice()
  }

  #take(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const start = at
      at = this.#scanner.scan(chunk, at, chunk.length)
      this.#pieces.push(chunk.subarray(start, at))
      if (!this.#scanner.done) continue
      const whole = Buffer.concat(this.#pieces).toString('latin1')
      this.#pieces = []
      if (this.#scanner.kind === ReplyKind.push) this.pushes.push(whole)
      else this.replies.push(whole)
    }
  }
}
