/** A server that greets as Redis does and otherwise says, byte by byte, what the test tells it to. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import RedisParser from 'redis-parser'
import { until } from './wait.ts'

/** The wire answer to one command (`GET a`), undefined for the usual greeting or, for other commands, silence. */
export type Answer = (command: string, connection: FakeConnection) => string | undefined

export class FakeConnection {
  /** Not those of the greeting, as `GET a`. */
  readonly commands: string[] = []
  /** Those of the greeting. */
  readonly greeting: string[] = []
  readonly id: number
  readonly #socket: Socket

  constructor(id: number, socket: Socket) {
    this.id = id
    this.#socket = socket
  }

  send(text: string | Buffer): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  get closed(): boolean {
    return this.#socket.destroyed
  }

  /** As when the server process ends: what was sent arrives, then the end. */
  cut(): void {
    this.#socket.end()
  }

  /** Gives the commands once there are `count` of them. */
  async received(count: number): Promise<string[]> {
    await until(() => this.commands.length >= count, { what: `${count} commands on connection ${this.id}: ${this.commands}` })
    return this.commands
  }
}

export class FakeRedis {
  readonly connections: FakeConnection[] = []
  readonly #sockets: Socket[] = []
  readonly #server: Server
  readonly #answer: Answer

  constructor(answer: Answer) {
    this.#answer = answer
    this.#server = createServer((socket) => this.#accept(socket))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  /** The nth connection, from 1, once its greeting has begun. */
  connection(nth: number): Promise<FakeConnection> {
    return until(() => (this.connections[nth - 1]?.greeting.length ? this.connections[nth - 1] : undefined), {
      what: `connection ${nth}`,
    })
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #accept(socket: Socket): void {
    const connection = new FakeConnection(1_000 + this.connections.length + 1, socket)
    this.connections.push(connection)
    this.#sockets.push(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    const parser = new RedisParser({
      returnReply: (argv: string[]) => this.#command(connection, argv.join(' ')),
      returnError: (error) => {
        throw error
      },
    })
    socket.on('data', (chunk) => parser.execute(chunk))
  }

  #command(connection: FakeConnection, command: string): void {
    const usual = greet(command, connection.id)
    const log = usual === undefined ? connection.commands : connection.greeting
    log.push(command)
    const answer = this.#answer(command, connection) ?? usual
    if (answer !== undefined) connection.send(answer)
  }
}

/** What a fake server tells of its start; another for one that is to seem restarted. */
export const infoReply = (runId: string): string =>
  bulk(`# Server\r\nredis_version:7.4.2\r\nrun_id:${runId}\r\nredis_mode:standalone\r\n`)

function greet(command: string, id: number): string | undefined {
  if (command.startsWith('AUTH ')) return '+OK\r\n'
  if (command === 'CLIENT ID') return `:${id}\r\n`
  if (command === 'TIME') return timeReply(Date.now())
  if (command === 'PING') return '+PONG\r\n'
  if (command === 'INFO server') return infoReply('first')
  if (command.startsWith('CLIENT KILL ID ')) return ':1\r\n'
  return undefined
}

export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`

export const timeReply = (nowMs: number): string =>
  `*2\r\n${bulk(String(Math.floor(nowMs / 1000)))}${bulk(String(Math.floor((nowMs % 1000) * 1000)))}`

export const startFakeRedis = (answer: Answer = () => undefined): Promise<FakeRedis> => new FakeRedis(answer).start()
