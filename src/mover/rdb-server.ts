/**
 * A dump file as a source: read by a server of its own, which knows its format to the last type, on a socket that nobody else finds. The file
 * is not copied, and not written to.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { FerryError } from '../errors.ts'

interface RdbServer {
  readonly url: string
  stop(): Promise<void>
}

const programs = ['valkey-server', 'redis-server']
/** A dump of more databases than its server has is refused. */
const databases = 1_024
const killMs = 5_000
const logBytesMax = 8_192
const wordsMax = 5

/**
 * @param program which server reads the file; null = the first of valkey-server and redis-server on PATH.
 * @throws FerryError where there is none, or it does not take the file: with its own words.
 */
export async function serveRdb(file: string, program: string | null, signal: AbortSignal): Promise<RdbServer> {
  const path = await realpath(file).catch((cause: Error) => {
    throw new FerryError('bad-request', `--from-rdb ${file}: ${cause.message}`, { cause })
  })
  const dir = await mkdtemp(join(tmpdir(), 'ferry-rdb-'))
  try {
    await symlink(path, join(dir, 'dump.rdb'))
    const server = new Server(program ?? onPath(), dir)
    await server.ready(signal)
    return server
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

function onPath(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = programs.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram)
  if (found !== undefined) return found
  throw new FerryError(
    'unsupported',
    `a dump is read by a server, and there is neither ${programs.join(' nor ')} on PATH: install one, or name it by --rdb-server`,
  )
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

class Server implements RdbServer {
  readonly url: string
  readonly #program: string
  readonly #dir: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #log = ''

  constructor(program: string, dir: string) {
    this.#program = program
    this.#dir = dir
    const socket = join(dir, 'socket')
    this.url = `unix://${socket}`
    const settings = { dir, dbfilename: 'dump.rdb', unixsocket: socket, unixsocketperm: '700', port: '0', databases }
    const quiet = { save: '', appendonly: 'no', daemonize: 'no', maxmemory: '0' }
    const args = Object.entries({ ...settings, ...quiet }).flatMap(([name, value]) => [`--${name}`, String(value)])
    // A signal from the terminal is for Ferry, which still needs its source then.
    this.#child = spawn(program, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#ended = once(this.#child, 'close').catch((error: Error) => this.#note(error.message))
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#note(String(chunk)))
  }

  /** Loading takes as long as the file is large. */
  async ready(signal: AbortSignal): Promise<void> {
    const said = new Promise<'ready'>((resolve) => {
      this.#child.stdout?.on('data', () => /ready to accept connections/i.test(this.#log) && resolve('ready'))
    })
    const stopped = once(signal, 'abort').then(() => 'stopped' as const)
    const outcome = await Promise.race([said, stopped, this.#ended.then(() => 'ended' as const)])
    if (outcome === 'ready') return
    await this.stop()
    if (outcome === 'stopped') throw new FerryError('interrupted', 'stopped while the dump was being loaded')
    throw new FerryError('unsupported', `${this.#program} does not take the dump; --rdb-server names another one`, {
      details: this.#lastWords(),
    })
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const impatient = setTimeout(() => this.#child.kill('SIGKILL'), killMs)
    await this.#ended
    clearTimeout(impatient)
    await rm(this.#dir, { recursive: true, force: true })
  }

  #note(text: string): void {
    this.#log = (this.#log + text).slice(-logBytesMax)
  }

  /** Warnings (`#`) where there are any: they say why. */
  #lastWords(): string[] {
    const lines = this.#log.split('\n').filter((line) => line.trim() !== '')
    const warnings = lines.filter((line) => / # /.test(line) && !/WARNING|oO0Oo|Configuration loaded/.test(line))
    return (warnings.length > 0 ? warnings : lines).slice(-wordsMax)
  }
}
