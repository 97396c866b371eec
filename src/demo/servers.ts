/** The processes of the demo: real redis-servers and one Ferry, on free loopback ports, each stopped by its own process id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FerryError } from '../errors.ts'
import type { Phase } from '../routing/modes.ts'
import { RawConnection } from './raw-connection.ts'

const startLimitMs = 15_000
const stopLimitMs = 5_000
const pollMs = 25

export interface RedisServer {
  readonly port: number
  readonly pid: number
}

export interface FerryServer {
  readonly pid: number
  readonly port: number
  /** e.g. http://127.0.0.1:7380 */
  readonly controlUrl: string
}

interface Child {
  readonly name: string
  readonly process: ChildProcess
  readonly logPath: string
}

/** Owns every process it starts and one temporary directory; stop() ends both. Nothing else is ever signalled. */
export class Servers {
  readonly directory: string
  readonly #children: Child[] = []
  readonly #killAll = () => {
    for (const child of this.#children) child.process.kill('SIGKILL')
    this.#removeDirectory()
  }

  constructor(prefix = 'ferry-demo-') {
    this.directory = mkdtempSync(join(tmpdir(), prefix))
    process.once('exit', this.#killAll)
  }

  async startRedis(name: string, program = 'redis-server'): Promise<RedisServer> {
    const port = await freePort()
    const child = this.start(name, program, [
      ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      ...['--dir', this.directory, '--daemonize', 'no'],
    ])
    await this.until(child, name, () => answersPing(port))
    return { port, pid: child.pid as number }
  }

  /** A Ferry with fresh state between two servers. `environment` is added to the process's own. */
  async startFerry(
    source: RedisServer,
    target: RedisServer,
    phase: Phase,
    environment: Record<string, string> = {},
  ): Promise<FerryServer> {
    const [port, controlPort] = [await freePort(), await freePort()]
    const main = fileURLToPath(new URL(`../cli/main${extname(import.meta.url)}`, import.meta.url))
    const child = this.start(
      'ferry',
      process.execPath,
      [
        ...[main, 'serve', '--phase', phase],
        ...['--source', `redis://127.0.0.1:${source.port}`, '--target', `redis://127.0.0.1:${target.port}`],
        ...['--listen', `127.0.0.1:${port}`, '--control', `127.0.0.1:${controlPort}`],
        ...['--state', join(this.directory, `ferry-${port}.sqlite`)],
      ],
      environment,
    )
    const controlUrl = `http://127.0.0.1:${controlPort}`
    await this.until(child, 'ferry', () => answersReady(`${controlUrl}/readyz`))
    return { pid: child.pid as number, port, controlUrl }
  }

  /** Any other program under the same ownership, its output in a file of the temporary directory. */
  start(name: string, program: string, args: readonly string[], environment: Record<string, string> = {}): ChildProcess {
    const logPath = join(this.directory, `${name}-${this.#children.length}.log`)
    const log = openSync(logPath, 'a')
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
      cwd: this.directory,
    })
    closeSync(log)
    child.once('error', () => {}) // a program that cannot start shows in until(): it has no pid
    this.#children.push({ name, process: child, logPath })
    return child
  }

  /** Waits until `probe` holds; throws when the process ends first or the time runs out, with the end of its log. */
  async until(child: ChildProcess, name: string, probe: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + startLimitMs
    for (;;) {
      if (child.pid === undefined) throw new FerryError('internal', `${name} could not be started: is it installed and on PATH?`)
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new FerryError('internal', `${name} ended with ${child.exitCode ?? child.signalCode}`, {
          details: [this.logTail(name)],
        })
      }
      if (await probe()) return
      if (performance.now() > deadlineMs) {
        throw new FerryError('interrupted', `${name} did not answer within ${startLimitMs / 1000} s`, {
          details: [this.logTail(name)],
        })
      }
      await sleep(pollMs)
    }
  }

  /** The last lines that the newest process of that name has written. */
  logTail(name: string, lines = 15): string {
    const child = this.#children.findLast((candidate) => candidate.name === name)
    if (!child) return ''
    return readFileSync(child.logPath, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }

  async stopOne(pid: number): Promise<void> {
    const position = this.#children.findIndex((child) => child.process.pid === pid)
    const [child] = position < 0 ? [] : this.#children.splice(position, 1)
    if (child) await stopProcess(child.process)
  }

  /** Stops the newest first, so that Ferry goes before its servers. */
  async stop(): Promise<void> {
    for (const child of this.#children.splice(0).reverse()) await stopProcess(child.process)
    process.off('exit', this.#killAll)
    this.#removeDirectory()
  }

  #removeDirectory(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await ended
  clearTimeout(timer)
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return address.port
}

async function answersPing(port: number): Promise<boolean> {
  try {
    const connection = await RawConnection.open(port)
    const reply = await connection.command('PING').finally(() => connection.close())
    return String(reply) === 'PONG'
  } catch {
    return false
  }
}

async function answersReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok
  } catch {
    return false
  }
}
