/** Reads lists, sets, sorted sets and hashes: short ones all together, long ones window by window. */

import { askEnds, hashes, withEnds } from './hashes.ts'
import { lists } from './lists.ts'
import { ask, type Found, type Passage, readWhole, stepFor, unsizedElements } from './passage.ts'
import { sets } from './sets.ts'
import type { Elements, Shape } from './shape.ts'
import { eachOf } from './some-at-once.ts'
import { sortedSets } from './sorted-sets.ts'
import { Staged } from './staging.ts'
import type { TypedValue } from './typed-value.ts'
import { rest } from './windows.ts'

/** A value up to this size, and with no more elements, is read and written in one go. The size is the server's estimate. */
const wholeBytes = 65_536
const wholeElements = 1_000
/** Each holds two windows, and keeps the servers busy while another one waits. */
const longAtOnce = 4

const shapes = new Map([lists, sets, sortedSets, hashes].map((shape) => [shape.type, shape]))

export const isOfElements = (type: string): boolean => shapes.has(type)

export async function readElements(passage: Passage, all: readonly Found[]): Promise<void> {
  if (all.length === 0) return
  const replies = await ask(passage, (out) => {
    for (const { key, type } of all) {
      out
        .begin(2)
        .add((shapes.get(type) as Shape).countVerb)
        .add(key)
      out.command('MEMORY', 'USAGE', key)
    }
  })
  const short: { found: Found; sizeBytes: number }[] = []
  const long: { found: Found; step: number }[] = []
  for (const found of all) {
    found.error = replies.error()
    const count = found.error === null ? replies.integer() : 0
    const sizeBytes = replies.error() === null ? (replies.isInteger ? replies.integer() : (replies.bulk()?.length ?? 0)) : 0
    if (found.error !== null) continue
    const isShort = sizeBytes > 0 ? sizeBytes <= wholeBytes && count <= wholeElements : count <= unsizedElements
    if (isShort) short.push({ found, sizeBytes })
    else long.push({ found, step: stepFor(sizeBytes, count) })
  }
  await Promise.all([
    readShort(passage, short),
    eachOf(long, longAtOnce, ({ found, step }) => readWhole(found, readLong(passage, found, step))),
  ])
}

async function readShort(passage: Passage, all: readonly { found: Found; sizeBytes: number }[]): Promise<void> {
  if (all.length === 0) return
  const replies = await ask(passage, (out) => {
    for (const { found } of all) (shapes.get(found.type) as Shape).askAll(out, found.key)
  })
  const read: { found: Found; shape: Shape; sizeBytes: number; flat: readonly Buffer[] }[] = []
  for (const { found, sizeBytes } of all) {
    const shape = shapes.get(found.type) as Shape
    found.error = replies.error()
    if (found.error !== null) continue
    const flat = shape.readAll(replies)
    // Its fields may all have expired since.
    if (flat.length > 0) read.push({ found, shape, sizeBytes, flat })
  }
  const ends = await endsOf(
    passage,
    read.filter(({ shape }) => shape === hashes).map(({ found, flat }) => ({ key: found.key, flat })),
  )
  for (const { found, shape, sizeBytes, flat } of read) {
    const elements = shape === hashes ? (ends.shift() ?? null) : { flat, ends: null }
    if (typeof elements === 'string') found.error = elements
    else if (elements !== null && elements.flat.length > 0) found.typed = { kind: 'elements', sizeBytes, shape, elements }
  }
}

/** Per hash: its fields with their ends, or why they cannot be told. */
export async function endsOf(
  passage: Passage,
  all: readonly { key: Buffer; flat: readonly Buffer[] }[],
): Promise<(Elements | string)[]> {
  const without = (): Elements[] => all.map(({ flat }) => ({ flat, ends: null }))
  if (!passage.route.fieldEnds || all.length === 0) return without()
  const replies = await ask(passage, (out) => {
    for (const { key, flat } of all) askEnds(out, key, flat)
  })
  const results: (Elements | string)[] = []
  for (const { flat } of all) {
    const error = replies.error()
    if (error !== null && /unknown command/i.test(error)) {
      passage.route.fieldEnds = false
      return without()
    }
    results.push(error ?? withEnds(flat, replies))
  }
  return results
}

async function readLong(passage: Passage, { key, type }: Found, step: number): Promise<TypedValue | string | null> {
  const shape = shapes.get(type) as Shape
  const staged = new Staged(passage.to, passage.db, passage.placeOf(key))
  let [sizeBytes, sent] = [0, false]
  for (let cursor: string | null = '0'; cursor !== null; ) {
    const at: string = cursor
    const replies = await ask(passage, (out) => shape.askWindow(out, key, at, step))
    const error = replies.error()
    if (error !== null) return error
    const { flat, next } = shape.readWindow(replies, at, step)
    let elements: Elements | string | undefined = { flat, ends: null }
    if (shape === hashes && flat.length > 0) [elements] = await endsOf(passage, [{ key, flat }])
    if (elements === undefined || typeof elements === 'string') return elements ?? null
    const window: Elements = elements
    await staged.answered
    if (window.flat.length > 0) {
      staged.send((out, name) => shape.write(out, name, window), replies.bytes.length)
      sent = true
    }
    sizeBytes += replies.bytes.length
    await rest(passage, replies.bytes.length, staged)
    cursor = staged.failed || passage.stopped() ? null : next
  }
  return sent ? { kind: 'staged', sizeBytes, staged } : null
}
