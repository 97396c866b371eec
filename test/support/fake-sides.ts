/** Two sides that answer when and what the test says, around a real core: for what depends on the order in which things happen. */
import { allCommands } from '../../src/commands/catalogue.ts'
import type { Client } from '../../src/dispatch/client.ts'
import { framesIn, specOf } from '../../src/dispatch/command-keys.ts'
import { Core } from '../../src/dispatch/core.ts'
import { Journal } from '../../src/dispatch/journal.ts'
import { LanePair } from '../../src/dispatch/lane-pair.ts'
import { OrderBoard } from '../../src/dispatch/order-board.ts'
import type { ReadPath } from '../../src/dispatch/read-path.ts'
import { ReplyQueue } from '../../src/dispatch/reply-queue.ts'
import { Traffic, type TrafficWish } from '../../src/dispatch/traffic.ts'
import { limitDefaults } from '../../src/limits.ts'
import { Counters } from '../../src/observe/counters.ts'
import { EventLog } from '../../src/observe/events.ts'
import { createLatencies } from '../../src/observe/histograms.ts'
import { encodeCommand } from '../../src/resp/encode.ts'
import { ReplyScanner } from '../../src/resp/reply-scanner.ts'
import type { Side } from '../../src/routing/modes.ts'
import { slotCount } from '../../src/routing/slot.ts'
import { openStore } from '../../src/state/store.ts'
import type { Lane } from '../../src/upstream/lane.ts'
import { Turn } from '../../src/upstream/turn.ts'
import type { Waiter } from '../../src/upstream/waiter.ts'

class FakeLane {
  readonly side: Side
  readonly endpoint = { kind: 'tcp' }
  up = true
  admitted = true
  inFlight = 0
  bufferedBytes = 0
  lastError: string | null = null
  sum = 0
  errors = 0
  context = 0
  /** Every command that came, as words. */
  readonly commands: string[] = []
  readonly #waiting: { readonly waiter: Waiter; readonly count: number }[] = []

  constructor(side: Side) {
    this.side = side
  }

  prepare(context: number): void {
    this.context = context
  }

  send(buf: Buffer, start: number, end: number, waiter: Waiter, count: number): void {
    this.expect(waiter, count)
    this.write(buf, start, end)
  }

  expect(waiter: Waiter, count: number): void {
    this.#waiting.push({ waiter, count })
    this.inFlight += count
  }

  sendPieces(pieces: readonly Buffer[], waiter: Waiter): void {
    const whole = Buffer.concat(pieces)
    this.send(whole, 0, whole.length, waiter, 1)
  }

  write(buf: Buffer, start: number, end: number): void {
    for (const frame of framesIn(Buffer.from(buf.subarray(start, end)), 0, end - start)) {
      const words: string[] = []
      for (let i = 0; i < frame.argc; i++) {
        const at = frame.offsets[2 * i] as number
        words.push(frame.buf.toString('latin1', at, at + (frame.offsets[2 * i + 1] as number)))
      }
      this.commands.push(words.join(' '))
    }
  }

  /** The whole answer for whoever waits first. */
  reply(text: string): void {
    const { waiter, count } = this.#first()
    this.inFlight -= count
    const { replies, errors } = countReplies(Buffer.from(text))
    if (replies !== count) throw new Error(`${this.side} owes ${count} replies, not ${replies}`)
    this.errors = errors
    this.sum = 0
    for (const byte of Buffer.from(text)) this.sum = Math.imul(this.sum ^ byte, 16777619)
    waiter.take(this as unknown as Lane, Buffer.from(text), 0, Buffer.byteLength(text), true)
  }

  /** Part of the answer for whoever waits first; the rest comes by `rest`. */
  part(piece: string): void {
    this.#waiting[0]?.waiter.take(this as unknown as Lane, Buffer.from(piece), 0, Buffer.byteLength(piece), false)
  }

  /** The end of an answer that began with `part`. */
  rest(piece: string): void {
    const { waiter, count } = this.#first()
    this.inFlight -= count
    this.errors = 0
    waiter.take(this as unknown as Lane, Buffer.from(piece), 0, Buffer.byteLength(piece), true)
  }

  /** The connection goes: everybody who waits is told. */
  lose(midReply = false): void {
    this.up = false
    this.lastError = 'connection reset'
    this.inFlight = 0
    this.#waiting.splice(0).forEach(({ waiter, count }, i) => {
      waiter.lost(this as unknown as Lane, count, midReply && i === 0)
    })
  }

  #first(): { readonly waiter: Waiter; readonly count: number } {
    const first = this.#waiting.shift()
    if (first === undefined) throw new Error(`${this.side} was not asked`)
    return first
  }
}

function countReplies(bytes: Buffer): { replies: number; errors: number } {
  const scanner = new ReplyScanner()
  let [at, replies, errors] = [0, 0, 0]
  while (at < bytes.length) {
    if (bytes[at] === 45) errors++
    at = scanner.scan(bytes, at, bytes.length)
    if (!scanner.done) throw new Error('half a reply')
    replies++
  }
  return { replies, errors }
}

export class FakeSides {
  readonly source = new FakeLane('source')
  readonly target = new FakeLane('target')
  readonly core: Core
  readonly client: Client
  /** Why the client was cut off. */
  aborted: string | null = null
  #out = ''

  constructor(wish: Partial<TrafficWish> = {}) {
    const board = new OrderBoard()
    this.core = new Core({
      turn: new Turn(),
      board,
      journal: new Journal(board, openStore(':memory:'), 1000),
      traffic: new Traffic({
        phase: 'mirror',
        writePolicy: 'old-authoritative',
        readMode: 'old',
        readPercentage: 0,
        ratioBy: 'slot',
        tenants: [],
        ...wish,
      }),
      counters: new Counters(allCommands.length),
      latencies: createLatencies(),
      events: new EventLog(),
      limits: limitDefaults,
    })
    this.core.traffic.cover(slotCount)
    this.client = {
      id: 1,
      pair: new LanePair(1, 'default', this.source as unknown as Lane, this.target as unknown as Lane),
      replies: new ReplyQueue({
        write: (buf, start, end) => {
          this.#out += buf.toString('latin1', start, end)
        },
        drained: () => {},
      }),
      db: 0,
      protocol: 2,
      context: 2,
      watching: false,
      tenant: 'default',
      pressed: () => {},
      parkedSinceMs: 0,
      holdBack: () => {},
      goOn: () => {},
      abort: (reason) => {
        this.aborted = reason
      },
      unpark: () => {},
    }
  }

  /** One command of the client, as words. */
  read(reads: ReadPath, line: string): void {
    const buf = encodeCommand(line.split(' '))
    for (const args of framesIn(buf, 0, buf.length)) {
      reads.read(this.client, specOf(args), args, { buf, start: 0, end: buf.length, pieces: null })
    }
  }

  /** What the client got since the last call. */
  taken(): string {
    const out = this.#out
    this.#out = ''
    return out
  }

  /** The side that has the truth for a key of database 0, or null where both have it. */
  truthOf(key: string): Side | null {
    return this.core.journal.truthOf(0, Buffer.from(key))
  }
}
