/** Where a value keeps its version, how to ask a server for it, and which of two versions is the newer one. */
import { versionedValueBytesMax } from '../limits.ts'
import { decodeReply, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { compileGlob } from './glob.ts'

/** `pattern`: a Redis pattern over the whole key. */
export type VersionRule = { readonly pattern: string } & (
  | { readonly kind: 'hash-field'; readonly field: string }
  /** Names and array indexes with dots between them, in a string that holds JSON. */
  | { readonly kind: 'json-path'; readonly path: string }
  /** The first number in a string. */
  | { readonly kind: 'number' }
  /** The last id that a stream gave out. */
  | { readonly kind: 'stream-id' }
  /** The string at the key's own name with `suffix` behind it. */
  | { readonly kind: 'companion-key'; readonly suffix: string }
)

export class VersionRules {
  readonly #rules: readonly { readonly rule: VersionRule; readonly fits: RegExp }[]

  constructor(rules: readonly VersionRule[]) {
    this.#rules = rules.map((rule) => ({ rule, fits: compileGlob(rule.pattern) }))
  }

  /** The first rule whose pattern fits. */
  ruleFor(key: Buffer): VersionRule | null {
    if (this.#rules.length === 0) return null
    const name = key.toString('latin1')
    return this.#rules.find(({ fits }) => fits.test(name))?.rule ?? null
  }
}

/** The command whose reply holds the version, as bytes. */
export function versionQuery(rule: VersionRule, key: Buffer): Buffer {
  switch (rule.kind) {
    case 'hash-field':
      return encodeCommand(['HGET', key, rule.field])
    case 'stream-id':
      return encodeCommand(['XINFO', 'STREAM', key])
    case 'companion-key':
      return encodeCommand(['GET', Buffer.concat([key, Buffer.from(rule.suffix)])])
    default:
      return encodeCommand(['GET', key])
  }
}

/** The version in a whole reply to `versionQuery`, or null: no such key, another type, no version in it, or too long to be looked through. */
export function versionIn(rule: VersionRule, reply: Buffer): string | null {
  if (reply.length > versionedValueBytesMax) return null
  const { value } = decodeReply(reply)
  if (rule.kind === 'stream-id') return lastGeneratedId(value)
  if (!Buffer.isBuffer(value) || value.length === 0) return null
  const text = value.toString()
  if (rule.kind === 'number') return /(?:(?<![\w.])-)?\d+(?:\.\d+)?/.exec(text)?.[0] ?? null
  return rule.kind === 'json-path' ? atPath(text, rule.path) : text
}

function lastGeneratedId(reply: Reply): string | null {
  if (!Array.isArray(reply)) return null
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const [name, id] = [reply[i], reply[i + 1]]
    if (Buffer.isBuffer(name) && name.toString() === 'last-generated-id' && Buffer.isBuffer(id)) return id.toString()
  }
  return null
}

function atPath(text: string, path: string): string | null {
  let value: unknown
  try {
    value = JSON.parse(text, keepDigits)
  } catch {
    return null
  }
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null
    value = (value as Record<string, unknown>)[name]
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

/** A whole number that a double cannot hold stays the text it was. */
function keepDigits(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const loses = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
  return loses ? (context?.source ?? value) : value
}

const whole = /^-?\d+$/
const decimal = /^-?\d+(\.\d+)?$/
const streamId = /^(\d+)-(\d+)$/

/**
 * Above 0 where `left` is newer, 0 where they are the same. Two whole numbers compare by value, whatever their size; two numbers by value;
 * two stream ids by time, then by count; anything else as text, the longer one being newer, then byte by byte, which suits equally wide
 * counters and ISO 8601 times.
 */
export function compareVersions(left: string, right: string): number {
  if (whole.test(left) && whole.test(right)) return order(BigInt(left), BigInt(right))
  if (decimal.test(left) && decimal.test(right)) return order(Number(left), Number(right))
  const [a, b] = [streamId.exec(left), streamId.exec(right)]
  if (a !== null && b !== null) return order(numberOf(a, 1), numberOf(b, 1)) || order(numberOf(a, 2), numberOf(b, 2))
  const [leftBytes, rightBytes] = [Buffer.from(left), Buffer.from(right)]
  return order(leftBytes.length, rightBytes.length) || leftBytes.compare(rightBytes)
}

const numberOf = (match: RegExpExecArray, group: number): bigint => BigInt(match[group] as string)
const order = <T extends number | bigint>(left: T, right: T): number => (left > right ? 1 : left < right ? -1 : 0)
