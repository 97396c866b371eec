/** Commands, replies and effects as a person would type them. */
import { expect } from 'vitest'
import { argBytes } from '../../src/commands/arg-view.ts'
import { type Effect, effectOf } from '../../src/commands/effects.ts'
import type { ServerName } from '../../src/commands/server-name.ts'
import type { Reply } from '../../src/resp/decode.ts'
import { Found, RequestScanner } from '../../src/resp/request-scanner.ts'

/** `redis 8.0.0` */
export const server = (name: string): ServerName => {
  const [family = '', version = ''] = name.split(' ')
  return { family, version }
}

export const words = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word))
export const ids = (...texts: string[]): Reply[] => texts.map((text) => Buffer.from(text))

/** As the catalogue names it. */
export const nameOf = (argv: readonly Buffer[]): string => {
  const [name, sub] = argv.map((word) => String(word).toLowerCase())
  return name === 'xgroup' ? `${name}|${sub}` : String(name)
}

export function typed(frame: Buffer): string {
  const scanner = new RequestScanner({ bulkBytes: 1024, argumentsMax: 100, inlineBytes: 1024 })
  scanner.reset(frame, 0, frame.length)
  expect(scanner.next()).toBe(Found.frame)
  return Array.from({ length: scanner.argc }, (_, i) => String(argBytes(scanner, i))).join(' ')
}

/** What is sent, and what each is to be answered. */
export function shown(effect: Effect): string | string[] {
  if (effect.how !== 'frames') return effect.how
  expect(effect.expected).toHaveLength(effect.frames.length)
  const answer = (i: number): string => String(effect.expected[i] ?? 'anything').replaceAll('\r\n', ' ')
  return effect.frames.map((frame, i) => `${typed(frame)} → ${answer(i)}`.trim())
}

export const told = (line: string, reply: Reply, follower = server('redis 8.0.0'), authority: ServerName | null = follower) =>
  shown(effectOf(nameOf(words(line)), words(line), reply, follower, { authority, companion: undefined }))
