/** A lane with an owner and waiters that write down what they are told. */
import { encodeCommand } from '../../src/resp/encode.ts'
import { parseEndpoint } from '../../src/upstream/endpoint.ts'
import type { Credentials } from '../../src/upstream/handshake.ts'
import { Lane, type LaneOwner } from '../../src/upstream/lane.ts'
import { Turn } from '../../src/upstream/turn.ts'
import type { ReplyLane, Waiter } from '../../src/upstream/waiter.ts'
import type { FakeConnection } from './fake-redis.ts'
import { until } from './wait.ts'

export interface LaneFixture {
  readonly lane: Lane
  readonly turn: Turn
  /** In order: `up`, `down: why`, and what its waiters are told. */
  readonly log: string[]
  /** Sends `count` commands as one slice; what comes back is logged under `name`. */
  ask(name: string, ...commands: string[]): RecordingWaiter
  up(): Promise<void>
}

export class RecordingWaiter implements Waiter {
  readonly sums: boolean
  readonly name: string
  text = ''
  calls = 0
  ended = false
  sum = 0
  errors = 0
  whenEnded: () => void = () => undefined
  readonly #log: string[]

  constructor(name: string, sums: boolean, log: string[]) {
    this.name = name
    this.sums = sums
    this.#log = log
  }

  take(lane: ReplyLane, chunk: Buffer, from: number, to: number, ended: boolean): void {
    if (this.ended) this.#log.push(`${this.name} is told more than it waited for`)
    this.calls++
    this.text += chunk.toString('latin1', from, to)
    if (!ended) return
    this.ended = true
    this.sum = lane.sum
    this.errors = lane.errors
    this.#log.push(`${this.name}: ${this.text.replaceAll('\r\n', ' ').trim()}`)
    this.whenEnded()
  }

  lost(_lane: ReplyLane, left: number, midReply: boolean): void {
    this.#log.push(`${this.name} lost ${left}${midReply ? ', one begun' : ''}`)
  }
}

const nobody: Credentials = { username: null, password: null }

/** `address`: a port of this machine, or a URL. */
export function laneTo(address: number | string, credentials = nobody, sums = true): LaneFixture {
  const log: string[] = []
  const turn = new Turn()
  const owner: LaneOwner = {
    laneUp: () => void log.push('up'),
    laneDown: (_lane, error) => void log.push(`down: ${error.message}`),
  }
  const lane = new Lane(
    'source',
    parseEndpoint(typeof address === 'string' ? address : `redis://127.0.0.1:${address}`),
    credentials,
    turn,
    owner,
  )
  const ask = (name: string, ...commands: string[]): RecordingWaiter => {
    const waiter = new RecordingWaiter(name, sums, log)
    const frame = Buffer.concat(commands.map((command) => encodeCommand(command.split(' '))))
    lane.send(frame, 0, frame.length, waiter, commands.length)
    return waiter
  }
  const up = async (): Promise<void> => {
    await until(() => lane.up, { what: `the lane to be up: ${log}` })
  }
  return { lane, turn, log, ask, up }
}

/** Each piece arrives as a chunk of its own. */
export async function feed(lane: Lane, connection: FakeConnection, pieces: readonly (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    const due = lane.bytesIn + piece.length
    connection.send(piece)
    await until(() => lane.bytesIn >= due || !lane.up, { intervalMs: 0, what: `${piece.length} bytes to arrive` })
  }
}
