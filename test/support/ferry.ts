/** A real Ferry for tests: a process of its own, so that it can be killed as well as stopped; state, ports and directory are its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { z } from 'zod'
import type { configSchema } from '../../src/config/schema.ts'
import type { MigrationAnswer, StatusDocument, TrafficPatch } from '../../src/control/schemas.ts'
import { compareServers } from '../../src/demo/compare.ts'
import { type Safety, unsafeSwitches } from '../../src/process/unsafe.ts'
import { atEnd } from './at-end.ts'
import { freePort } from './redis-server.ts'
import { until } from './wait.ts'

type ConfigInput = z.input<typeof configSchema>

/** Addresses as URLs; everything else as in the configuration file. Without a phase: `mirror`. */
export type FerrySettings = Omit<Partial<ConfigInput>, 'source' | 'target'> & {
  readonly source: string | ConfigInput['source']
  readonly target: string | ConfigInput['target']
  /** Safeties that it is to lack. */
  readonly without?: readonly Safety[]
}

const main = new URL('../../src/cli/main.ts', import.meta.url).pathname
const startLimitMs = 15_000
const startsMax = 3

const running = new Set<ChildProcess>()
atEnd(() => {
  for (const child of running) child.kill('SIGKILL')
})

export class Ferry {
  readonly port: number
  readonly controlUrl: string
  readonly dir: string
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | null = null
  #exited: Promise<void> = Promise.resolve()
  #log = ''

  /** Resolves once `/readyz` says so. */
  static async start(settings: FerrySettings): Promise<Ferry> {
    for (let starts = 1; ; starts++) {
      try {
        return await Ferry.#start(settings)
      } catch (error) {
        // Somebody else was quicker to take a port that was free.
        if (starts === startsMax || !String(error).includes('EADDRINUSE')) throw error
      }
    }
  }

  static async #start({ source, target, without = [], ...settings }: FerrySettings): Promise<Ferry> {
    const dir = await mkdtemp(join(tmpdir(), 'ferry-test-'))
    const [port, controlPort] = [await freePort(), await freePort()]
    const config: ConfigInput = {
      phase: 'mirror',
      state: join(dir, 'state.sqlite'),
      ...settings,
      listen: [`127.0.0.1:${port}`, ...(settings.listen ?? [])],
      control: `127.0.0.1:${controlPort}`,
      source: typeof source === 'string' ? { url: source } : source,
      target: typeof target === 'string' ? { url: target } : target,
    }
    // JSON is YAML.
    await writeFile(join(dir, 'ferry.yaml'), JSON.stringify(config))
    const env = Object.fromEntries(without.map((safety) => [unsafeSwitches[safety], '1']))
    const ferry = new Ferry(dir, port, `http://127.0.0.1:${controlPort}`, env)
    await ferry.#launch()
    return ferry
  }

  private constructor(dir: string, port: number, controlUrl: string, env: Readonly<Record<string, string>>) {
    this.#env = env
    this.dir = dir
    this.port = port
    this.controlUrl = controlUrl
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What it wrote to its output, the end of it. */
  get log(): string {
    return this.#log
  }

  /** Resident memory of the process. */
  get residentBytes(): number {
    const pages = readFileSync(`/proc/${this.pid}/statm`, 'latin1').split(' ')[1]
    return Number(pages) * 4096
  }

  /** SIGTERM, as an orchestrator does it. The state stays. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** SIGKILL: no chance to save anything. */
  async kill9(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Starts again on the same ports and state; stops it first where it runs. */
  async restart(): Promise<void> {
    await this.stop()
    await this.#launch()
  }

  /** From the next start on. */
  async configure(change: Partial<ConfigInput>): Promise<void> {
    const path = join(this.dir, 'ferry.yaml')
    await writeFile(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }))
  }

  /** Ends it and removes its state. */
  async dispose(): Promise<void> {
    await this.stop()
    await rm(this.dir, { recursive: true, force: true })
  }

  async status(): Promise<StatusDocument> {
    return (await this.get('/v1/status')) as StatusDocument
  }

  get(path: string): Promise<unknown> {
    return this.#ask('GET', path)
  }

  post(path: string, body: object = {}): Promise<unknown> {
    return this.#ask('POST', path, body)
  }

  async step(step: 'start' | 'ramp' | 'cutover' | 'rollback' | 'complete', body: object = {}): Promise<MigrationAnswer> {
    return (await this.post(`/v1/migration/${step}`, body)) as MigrationAnswer
  }

  traffic(patch: TrafficPatch): Promise<unknown> {
    return this.#ask('PATCH', '/v1/traffic', patch)
  }

  /** Mover limits, live. */
  mover(patch: object): Promise<unknown> {
    return this.#ask('PATCH', '/v1/mover', patch)
  }

  /** Polls the status until the condition holds, and answers it. */
  async untilStatus(what: string, condition: (status: StatusDocument) => boolean, timeoutMs = 15_000): Promise<StatusDocument> {
    let last: StatusDocument | null = null
    const holds = async (): Promise<StatusDocument | null> => {
      last = await this.status()
      return condition(last) ? last : null
    }
    try {
      return await until(holds, { timeoutMs, intervalMs: 20, what })
    } catch (error) {
      throw new Error(`${(error as Error).message}; status: ${JSON.stringify(last)}`, { cause: error })
    }
  }

  /** Both sides up, nothing in flight, no hold open, no copy under way, the journal empty: by Ferry's own word the sides agree. */
  untilSettled(timeoutMs = 20_000): Promise<StatusDocument> {
    return this.untilStatus('Ferry to settle', settled, timeoutMs)
  }

  /** Copies everything that is not on the follower yet. */
  async backfill(timeoutMs = 20_000): Promise<StatusDocument> {
    await this.post('/v1/mover/start')
    return this.untilStatus('the copy to be through', ({ coveragePercent }) => coveragePercent === 100, timeoutMs)
  }

  async #launch(): Promise<void> {
    const child = spawn(process.execPath, [main, 'serve', '-c', join(this.dir, 'ferry.yaml')], {
      cwd: this.dir,
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    running.add(child)
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-65_536)
      })
    this.#exited = new Promise((resolve) => {
      child.once('close', () => {
        running.delete(child)
        resolve()
      })
    })
    const ready = async (): Promise<boolean> => {
      if (child.exitCode !== null || child.signalCode !== null) return true
      return (await fetch(`${this.controlUrl}/readyz`)).ok
    }
    await until(ready, { timeoutMs: startLimitMs, intervalMs: 25, what: 'ferry to be ready' }).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.#log}`, { cause: error.cause })
    })
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ferry did not start:\n${this.#log}`)
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child?.kill(signal)
    await this.#exited
    this.#child = null
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.controlUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer
  }
}

function settled({ source, target, mover, journal }: StatusDocument): boolean {
  const idle = ({ state, inFlight }: StatusDocument['source']): boolean => state === 'up' && inFlight === 0
  const quiet = journal.dirtyKeys === 0 && journal.openHolds === 0 && journal.resyncNeeded === null
  return idle(source) && idle(target) && mover.state !== 'running' && quiet
}

/** Every difference between two servers nobody writes to any more, in words; by the demo's comparison, which shares no code with Ferry. */
export async function differencesOf(source: { port: number }, target: { port: number }): Promise<string[]> {
  const { samples, differences } = await compareServers(source.port, target.port)
  const words = samples.map(({ db, key, kind, detail }) => `db ${db} ${key}: ${kind}: ${detail}`)
  return differences > words.length ? [...words, `and ${differences - words.length} more`] : words
}
