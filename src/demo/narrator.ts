/** Tells people how far the demo is: a line per step, and a bar that moves where there is a terminal. Says nothing in JSON mode. */
import { styleText } from 'node:util'

const barWidth = 28
const nameWidth = 10

export class Narrator {
  readonly #silent: boolean
  readonly #startMs = performance.now()
  #barOpen = false

  constructor(silent: boolean) {
    this.#silent = silent
  }

  get seconds(): number {
    return (performance.now() - this.#startMs) / 1000
  }

  say(step: string, text: string): void {
    this.#write(`${this.#clock()}  ${styleText('bold', step.padEnd(nameWidth), { stream: process.stdout })} ${text}\n`)
  }

  /** Redrawn in place; `share` from 0 to 1. Off a terminal only the lines of say() appear. */
  bar(step: string, share: number, text: string): void {
    if (!process.stdout.isTTY) return
    const filled = Math.round(Math.min(Math.max(share, 0), 1) * barWidth)
    const drawn = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`
    this.#write(`${this.#clock()}  ${step.padEnd(nameWidth)} ${drawn} ${(share * 100).toFixed(0).padStart(3)} %  ${text}`)
    this.#barOpen = !this.#silent
  }

  plain(text: string): void {
    this.#write(text)
  }

  #clock(): string {
    return `${this.seconds.toFixed(1).padStart(6)} s`
  }

  #write(text: string): void {
    if (this.#silent) return
    process.stdout.write(this.#barOpen ? `\r\x1b[K${text}` : text)
    this.#barOpen = false
  }
}

/** 1234567 → "1,234,567". */
export const grouped = (value: number): string => Math.round(value).toLocaleString('en-US')
