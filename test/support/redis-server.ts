/** Real servers for tests, each in a directory and on a port of its own, stopped by the process that was started. Loopback only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis, type RedisOptions } from 'ioredis'
import { atEnd } from './at-end.ts'
import { until } from './wait.ts'

export interface RedisServer {
  readonly port: number
  /** redis://127.0.0.1:port */
  readonly url: string
  /** Every server listens here too. */
  readonly socketPath: string
  readonly pid: number
  readonly dir: string
  /** A client of this server that fails at once rather than retry. stop() closes it. */
  client(options?: RedisOptions): Redis
  /** SIGSTOP: connections stay open and nothing answers, as on a machine that hangs. */
  freeze(): void
  thaw(): void
  /** SIGKILL, as in a crash. stop() is still due. */
  kill9(): Promise<void>
  /** Ends the server, closes its clients and removes its directory. Can be repeated. */
  stop(): Promise<void>
}

export interface StartRedisOptions {
  /** One of engineNames(); absent: the redis-server on PATH. */
  engine?: string
  /** Further server flags, after ours: the last one of a kind counts. */
  args?: readonly string[]
  /** Default: a free one. */
  port?: number
  /** Starts a sentinel instead of a server, with this configuration. */
  sentinel?: string
}

const engineDirectory = (): string => process.env.FERRY_ENGINES || join(homedir(), '.cache', 'redis-engines')
const engineProgram = (name: string): string => join(engineDirectory(), name, 'bin', 'server')

/** The engines installed beside the one on PATH, e.g. redis-8.0, valkey-9.1. */
export function engineNames(): string[] {
  if (!existsSync(engineDirectory())) return []
  return readdirSync(engineDirectory())
    .filter((name) => !name.startsWith('.') && hasEngine(name))
    .sort()
}

export const hasEngine = (name: string): boolean => existsSync(engineProgram(name))

/** For `describe.skipIf(engineMissing('valkey-9.1'))`: says aloud what is not tested. */
export function engineMissing(name: string): boolean {
  if (hasEngine(name)) return false
  console.warn(`SKIPPED: engine ${name} is not in ${engineDirectory()} (set FERRY_ENGINES): its tests do not run`)
  return true
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP port was given')
  return address.port
}

/** Resolves once the server answers PING (or asks for a password); on `--port 0`, once it says that it is ready. */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  const program = options.engine === undefined ? 'redis-server' : engineProgram(options.engine)
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort())
    const started = await launch(program, port, options)
    if (typeof started !== 'string') return started
    // Another process may take a free port before the server does.
    const retry = options.port === undefined && attempt < 5 && /address already in use/i.test(started)
    if (!retry) throw new Error(`${program} did not start on port ${port}:\n${started}`)
  }
}

const running = new Map<ChildProcess, string>()
atEnd(() => {
  for (const [child, dir] of running) {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
})

/** The server, or what it printed before it gave up. */
async function launch(program: string, port: number, { args = [], sentinel }: StartRedisOptions): Promise<RedisServer | string> {
  const dir = await mkdtemp(join(tmpdir(), 'ferry-redis-'))
  const socketPath = join(dir, 'redis.sock')
  const own = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    dir,
    '--unixsocket',
    socketPath,
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  if (sentinel !== undefined) {
    own.unshift(join(dir, 'sentinel.conf'))
    own.push('--sentinel')
    await writeFile(join(dir, 'sentinel.conf'), sentinel)
  }
  const child = spawn(program, [...own, '--daemonize', 'no', ...args], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  running.set(child, dir)
  let log = ''
  const note = (text: string): void => {
    log = (log + text).slice(-8_192)
  }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => note(chunk.toString()))
  let ended = false
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true
      resolve()
    }
    child.once('close', end) // not 'exit': its last words may still be on the way then
    child.once('error', (error) => {
      note(error.message)
      end()
    })
  })

  const forget = async (): Promise<void> => {
    running.delete(child)
    await rm(dir, { recursive: true, force: true })
  }
  // Its own log proves that it is this server that listens, and not another one that took the port first.
  const ready = (): boolean => ended || /ready to accept connections|sentinel id is/i.test(log)
  try {
    await until(ready, { timeoutMs: 10_000, what: `${program} on port ${port}` })
    const listens = args.join(' ').match(/--port (\d+)/)?.[1] !== '0'
    if (!ended && listens) await until(() => ended || answers(port), { what: `an answer to PING on port ${port}` })
  } catch (error) {
    child.kill('SIGKILL')
    await exited
    await forget()
    throw new Error(`${(error as Error).message}:\n${log}`)
  }
  if (ended) {
    await forget()
    return log
  }
  return new Server(child, exited, forget, { port, dir, socketPath })
}

class Server implements RedisServer {
  readonly port: number
  readonly url: string
  readonly socketPath: string
  readonly pid: number
  readonly dir: string
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  readonly #forget: () => Promise<void>
  readonly #clients: Redis[] = []

  constructor(
    child: ChildProcess,
    exited: Promise<void>,
    forget: () => Promise<void>,
    place: { port: number; dir: string; socketPath: string },
  ) {
    this.port = place.port
    this.url = `redis://127.0.0.1:${place.port}`
    this.dir = place.dir
    this.socketPath = place.socketPath
    this.pid = child.pid ?? 0
    this.#child = child
    this.#exited = exited
    this.#forget = forget
  }

  client(options: RedisOptions = {}): Redis {
    const client = new Redis(this.port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0, ...options })
    client.on('error', () => {}) // The command that fails reports it; without a listener it would be printed as well.
    this.#clients.push(client)
    return client
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  async kill9(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.disconnect()
    this.thaw() // A stopped process would not see the SIGTERM.
    this.#child.kill('SIGTERM')
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), 3_000)
    await this.#exited
    clearTimeout(impatient)
    await this.#forget()
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (data: Buffer) => done(/^(\+PONG|-NOAUTH|-NOPERM)/.test(data.toString())))
    socket.once('error', () => done(false))
    socket.once('close', () => done(false))
  })
}
