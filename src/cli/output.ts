/** Text for people: numbers, bars, aligned columns, colours only where a terminal wants them. */
import { styleText } from 'node:util'
import type { Io } from './io.ts'

type Format = Parameters<typeof styleText>[0]

/** Colours on a TTY; NO_COLOR takes them away, FORCE_COLOR gives them anywhere (https://no-color.org). */
export function painter({ stdout, env }: Pick<Io, 'stdout' | 'env'>): (format: Format, text: string) => string {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== ''
  const wanted = !env.NO_COLOR && env.TERM !== 'dumb' && (forced || stdout.isTTY === true)
  return (format, text) => (wanted ? styleText(format, text, { validateStream: false }) : text)
}

const grouping = new Intl.NumberFormat('en')

/** 1,234,567 */
export const count = (value: number): string => grouping.format(Math.round(value))

/** 1.2 MB; powers of 1000. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** ASCII, so that it is right in every font, log and terminal. `share` is clamped to 0…1. */
export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`
}

/** Columns as wide as their widest cell; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    })
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A block of lines that is drawn again in its place. Only for a TTY. */
export class LiveBlock {
  readonly #stream: Io['stdout']
  #lines = 0

  constructor(stream: Io['stdout']) {
    this.#stream = stream
  }

  draw(text: string): void {
    // Some terminals say 0.
    const width = this.#stream.columns || 80
    const lines = text.split('\n')
    const up = this.#lines > 0 ? `\x1b[${this.#lines}F` : ''
    this.#stream.write(`${up}\x1b[J${text}\n`)
    // A line wider than the terminal takes more than one row.
    this.#lines = lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(visibleLength(line) / width)), 0)
  }

  clear(): void {
    if (this.#lines > 0) this.#stream.write(`\x1b[${this.#lines}F\x1b[J`)
    this.#lines = 0
  }
}

const ansi = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')
const visibleLength = (line: string): number => line.replace(ansi, '').length
