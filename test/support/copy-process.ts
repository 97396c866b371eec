/** `ferry copy --json` as the process that it is. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { until } from './wait.ts'

const cli = new URL('../../src/cli/main.ts', import.meta.url).pathname

export interface CopyLine {
  readonly kind?: 'progress' | 'report'
  readonly phase?: string
  readonly waiting?: number
  /** Of an error. */
  readonly code?: string
  readonly message?: string
  readonly live?: { readonly changes: number; readonly passes: number } | null
  readonly [name: string]: unknown
}

export class CopyProcess {
  /** Everything it printed. */
  readonly lines: CopyLine[] = []
  said = ''
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const child = spawn(process.execPath, [cli, 'copy', '--json', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#ended = once(child, 'close')
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(JSON.parse(line) as CopyLine))
    child.stderr.on('data', (chunk: Buffer) => {
      this.said += String(chunk)
    })
  }

  /** The first line from now on that is as wanted. */
  async next(what: string, isIt: (line: CopyLine) => boolean): Promise<CopyLine> {
    const from = this.lines.length
    return until(() => this.#isOver() ?? this.lines.slice(from).find(isIt), { what, timeoutMs: 30_000 })
  }

  /** Everything that was changed so far is copied. */
  caughtUp = (): Promise<CopyLine> =>
    this.next('it to have caught up', ({ phase, waiting }) => phase === 'follow' && waiting === 0)

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async end(): Promise<{ readonly status: number | null; readonly last: CopyLine | undefined }> {
    await this.#ended
    return { status: this.#child.exitCode, last: this.lines.at(-1) }
  }

  #isOver(): undefined {
    if (this.#child.exitCode !== null)
      throw new Error(`it ended with ${this.#child.exitCode}: ${JSON.stringify(this.lines.at(-1))} ${this.said}`)
  }
}
