/** What a copy by rules has to leave on the target, reckoned from what both sides held before. Shares no code with Ferry. */
import type { CopyRules } from '../../src/routing/copy-rules.ts'
import type { FullState } from './full-state.ts'

export interface Held {
  readonly type: string
  readonly expiresAtMs: number
  readonly value: unknown
}

export interface Sides {
  /** By `database/name`, as `fullStateOf` has them. */
  readonly source: Record<string, Held>
  readonly target: Record<string, Held>
  /** MEMORY USAGE of the source's keys. */
  readonly sizeBytes: Record<string, number>
  /** Of strings: seconds since they were used. */
  readonly idle: { readonly source: Record<string, number>; readonly target: Record<string, number> }
  readonly nowMs: number
}

export interface Outcome {
  readonly target: Record<string, Held>
  readonly copied: number
  readonly failed: string[]
  readonly skipped: Record<string, number>
}

export const heldIn = (state: FullState): Record<string, Held> => state.keys as Record<string, Held>

type Verdict = { readonly skip: string } | { readonly fail: true } | { readonly put: Held }

export function modelOf(rules: CopyRules, sides: Sides): Outcome {
  const target = { ...sides.target }
  const skipped: Record<string, number> = {}
  const failed: string[] = []
  let copied = 0
  for (const [id, held] of Object.entries(sides.source)) {
    const verdict = verdictOn(rules, sides, id, held)
    if ('skip' in verdict) skipped[verdict.skip] = (skipped[verdict.skip] ?? 0) + 1
    else if ('fail' in verdict) failed.push(id)
    else {
      target[placeOf(rules, id)] = verdict.put
      copied++
    }
  }
  return { target, copied, failed: failed.sort(), skipped }
}

function verdictOn(rules: CopyRules, sides: Sides, id: string, held: Held): Verdict {
  const reason = unnamed(rules, id) ?? unfit(rules, sides, id, held)
  if (reason !== null) return { skip: reason }
  const place = placeOf(rules, id)
  const rivals = Object.keys(sides.source).filter(
    (other) => other !== id && placeOf(rules, other) === place && !unnamed(rules, other),
  )
  if (rivals.length > 0) return { fail: true }
  const there = sides.target[place]
  if (there === undefined || rules.onConflict === 'replace') return { put: held }
  if (rules.onConflict === 'skip') return { skip: 'on-conflict' }
  if (there.type !== held.type || held.type === 'stream') return { fail: true }
  if (held.type === 'string') {
    const wins =
      rules.merge.strings === 'newer'
        ? (sides.idle.source[id] as number) < (sides.idle.target[place] as number)
        : rules.merge.strings === 'source'
    return wins ? { put: held } : { skip: 'merge-strings' }
  }
  return { put: { ...there, value: merged(held.type, held.value as unknown[], there.value as unknown[]) } }
}

const split = (id: string): [number, string] => [Number(id.slice(0, id.indexOf('/'))), id.slice(id.indexOf('/') + 1)]
/** The patterns here are all a prefix and a star. */
const fits = (pattern: string, name: string): boolean => name.startsWith(pattern.slice(0, -1))

function unnamed({ filter }: CopyRules, id: string): string | null {
  const [db, name] = split(id)
  if (filter.databases.length > 0 && !filter.databases.includes(db)) return 'database'
  if (filter.exclude.some((pattern) => fits(pattern, name))) return 'pattern'
  return filter.include.length === 0 || filter.include.some((pattern) => fits(pattern, name)) ? null : 'pattern'
}

function unfit({ filter }: CopyRules, { sizeBytes, nowMs }: Sides, id: string, { type, expiresAtMs }: Held): string | null {
  if (filter.types.length > 0 && !filter.types.includes(type)) return 'type'
  const size = sizeBytes[id] as number
  if (size < filter.sizeBytesMin || (filter.sizeBytesMax > 0 && size > filter.sizeBytesMax)) return 'size'
  if (expiresAtMs < 0) return filter.expiry === 'with' ? 'ttl' : null
  const leftMs = expiresAtMs - nowMs
  const fitting = leftMs >= filter.ttlMsMin && (filter.ttlMsMax === 0 || leftMs <= filter.ttlMsMax)
  return filter.expiry !== 'without' && fitting ? null : 'ttl'
}

function placeOf({ rename }: CopyRules, id: string): string {
  const [db, name] = split(id)
  let best = { from: '', to: '' }
  for (const rule of rename) if (name.startsWith(rule.from) && rule.from.length > best.from.length) best = rule
  return `${db}/${best.to}${name.slice(best.from.length)}`
}

function merged(type: string, source: unknown[], target: unknown[]): unknown {
  if (type === 'list') return [...target, ...source]
  if (type === 'set') return [...new Set([...source, ...target] as string[])].sort()
  if (type === 'hash') {
    const fields = new Map((source as [string, string, number][]).map((field) => [field[0], field]))
    for (const field of target as [string, string, number][]) fields.set(field[0], field)
    return [...fields.values()].sort()
  }
  const scores = new Map<string, number>()
  for (const flat of [target, source])
    for (let i = 0; i < flat.length; i += 2) scores.set(flat[i] as string, flat[i + 1] as number)
  return [...scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).flat()
}
