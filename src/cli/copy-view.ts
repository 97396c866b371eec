/** How `ferry copy` shows where it is: one line drawn over itself on a terminal, else a line now and then; with --json one document per line. */
import type { CopyProgress, CopyView } from '../mover/copy-view.ts'
import type { Io } from './io.ts'
import { bar, bytes, count, duration } from './output.ts'

const barWidth = 20
const drawEveryMs = 200
const jsonEveryMs = 1_000
const lineEveryMs = 5_000

export function copyView(io: Io, json: boolean): CopyView {
  if (json) return new JsonView(io)
  return io.stderr.isTTY && io.env.TERM !== 'dumb' ? new TerminalView(io) : new PlainView(io)
}

class TerminalView implements CopyView {
  readonly everyMs = drawEveryMs
  readonly #stderr: Io['stderr']

  constructor({ stderr }: Io) {
    this.#stderr = stderr
  }

  progress(now: CopyProgress): void {
    // A line that wraps could not be drawn over.
    const most = (this.#stderr.columns || 80) - 1
    this.#stderr.write(`\r\x1b[2K${copyLine(now).slice(0, most)}`)
  }

  note(text: string): void {
    this.#stderr.write(`\r\x1b[2K${text}\n`)
  }

  end(): void {
    this.#stderr.write('\r\x1b[2K')
  }
}

class PlainView implements CopyView {
  readonly everyMs = lineEveryMs
  readonly #stderr: Io['stderr']

  constructor({ stderr }: Io) {
    this.#stderr = stderr
  }

  progress(now: CopyProgress): void {
    this.note(copyLine(now))
  }

  note(text: string): void {
    this.#stderr.write(`${text}\n`)
  }

  end(): void {}
}

class JsonView implements CopyView {
  readonly everyMs = jsonEveryMs
  readonly #io: Io

  constructor(io: Io) {
    this.#io = io
  }

  progress({ phase, mover, waiting, standstill, live }: CopyProgress): void {
    this.#io.stdout.write(`${JSON.stringify({ kind: 'progress', phase, waiting, standstill, live, ...mover })}\n`)
  }

  note(text: string): void {
    this.#io.stderr.write(`${text}\n`)
  }

  end(): void {}
}

export function copyLine(now: CopyProgress): string {
  const { phase, mover, waiting, standstill, live } = now
  if (standstill !== null) return stillLine(now, standstill)
  const parts = phase === 'follow' ? ['following', `${count(live?.changes ?? 0)} changes so far`] : passParts(phase, mover)
  parts.push(`${count(waiting)} waiting`)
  if (mover.account.exported > 0) parts.push(`${count(mover.account.exported)} failed`)
  if (mover.throttle !== null) parts.push(mover.throttle)
  if (mover.lastError !== null) parts.push(mover.lastError)
  return parts.join(', ')
}

/** Nothing has a rate then; the reason is what matters. */
function stillLine({ phase, mover }: CopyProgress, { reason, seconds }: NonNullable<CopyProgress['standstill']>): string {
  const where = phase === 'follow' ? 'following' : `${phase} ${percentOf(mover)} %`
  return `${where}, at a standstill for ${duration(seconds)}: ${reason}`
}

const shareOf = ({ keysScanned, keysTotal }: CopyProgress['mover']): number =>
  keysTotal === 0 ? 0 : Math.min(1, keysScanned / keysTotal)
const percentOf = (mover: CopyProgress['mover']): number => Math.floor(shareOf(mover) * 100)

/** The rate and the time first: what does not fit on the line is cut off at its end. */
function passParts(phase: string, mover: CopyProgress['mover']): string[] {
  const { keysScanned, keysTotal, keysPerSecond, bytesPerSecond, etaSeconds } = mover
  return [
    `${phase} ${bar(shareOf(mover), barWidth)} ${percentOf(mover)} %`,
    ...(etaSeconds === null ? [] : [`${duration(etaSeconds)} left`]),
    `${count(keysPerSecond)} keys/s`,
    `${count(keysScanned)} of ${count(keysTotal)} keys`,
    `${bytes(bytesPerSecond)}/s`,
  ]
}
