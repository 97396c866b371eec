/**
 * Everything that two servers hold, compared by meaning and down to the times: absolute expiries of keys and of hash fields, streams with
 * their counters, groups, consumers and pending entries, and the function libraries. Reads with no code of Ferry's own.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RawConnection, Reply } from '../../../src/demo/raw-connection.ts'
import { readValue } from '../../../src/demo/value.ts'
import type { SideReader } from './side-reader.ts'
import { streamParts } from './stream-parts.ts'

/** Clocks of one machine: what is rewritten to an absolute time must be the same on both sides. */
const ttlToleranceMs = 2
const keysAtOnce = 50
/** What is running out may be gone on one side a moment before the other. */
const recheckPausesMs = [300, 1_200, 3_000, 5_000]
/** What a copy that was cut off leaves behind; allowed as long as it ends by itself, within this time. */
const leftover = /^ferry:copy:\{.*\}:[0-9a-f]{12}:\d+$/s
const leftoverMsMax = 60_000

export interface Difference {
  readonly db: number
  readonly key: string
  readonly detail: string
}

export interface Comparison {
  readonly keys: number
  readonly differences: readonly Difference[]
}

interface Pair {
  readonly source: SideReader
  readonly target: SideReader
}

/** A value as parts, each a name and what it is: the parts that differ can be told. */
type Facts = ReadonlyMap<string, string>

export async function compareExactly(source: SideReader, target: SideReader): Promise<Comparison> {
  const pair: Pair = { source, target }
  const differences: Difference[] = await libraries(pair)
  let keys = 0
  for (const db of await databases(pair)) {
    await Promise.all([source.everywhere('SELECT', db), target.everywhere('SELECT', db)])
    const names = [...new Set([...(await allKeys(source)), ...(await allKeys(target))])]
    keys += names.length
    differences.push(...(await compareKeys(pair, db, names)))
  }
  return { keys, differences }
}

async function databases({ source, target }: Pair): Promise<number[]> {
  const texts = await Promise.all([source.everywhere('INFO', 'keyspace'), target.everywhere('INFO', 'keyspace')])
  const numbers = texts.flat().flatMap((text) => [...String(text).matchAll(/^db(\d+):/gm)].map((match) => Number(match[1])))
  return [...new Set(numbers)].sort((left, right) => left - right)
}

const allKeys = async ({ all }: SideReader): Promise<string[]> => (await Promise.all(all.map(keysOn))).flat()

async function keysOn(connection: RawConnection): Promise<string[]> {
  const names: string[] = []
  let cursor = '0'
  do {
    const [next, page] = (await connection.command('SCAN', cursor, 'COUNT', 1_000)) as [Buffer, Buffer[]]
    for (const key of page) {
      const name = key.toString('latin1')
      if (!leftover.test(name) || !(await endsSoon(connection, key))) names.push(name)
    }
    cursor = next.toString()
  } while (cursor !== '0')
  return names
}

async function endsSoon(connection: RawConnection, key: Buffer): Promise<boolean> {
  const leftMs = Number(await connection.command('PTTL', key))
  return leftMs !== -1 && leftMs <= leftoverMsMax
}

/** Ferry looks after them once a second. */
async function libraries({ source, target }: Pair): Promise<Difference[]> {
  const texts = (): Promise<string[]> => Promise.all([source, target].map(libraryText))
  let [here, there] = await texts()
  for (const pauseMs of recheckPausesMs) {
    if (here === there) break
    await sleep(pauseMs)
    ;[here, there] = await texts()
  }
  return here === there ? [] : [{ db: -1, key: 'FUNCTION LIST', detail: `${here} on the source, ${there} on the target` }]
}

/** Every server of a cluster has to have the same ones. */
async function libraryText({ all }: SideReader): Promise<string> {
  return [...new Set(await Promise.all(all.map(librariesOn)))].join(' and elsewhere ')
}

async function librariesOn(connection: RawConnection): Promise<string> {
  const list = (await connection.command('FUNCTION', 'LIST', 'WITHCODE')) as Reply[][]
  return list
    .map((library) => JSON.stringify([String(library[1]), String(library.at(-1))]))
    .sort()
    .join()
}

async function compareKeys(pair: Pair, db: number, names: readonly string[]): Promise<Difference[]> {
  let found = await differing(pair, db, names)
  for (const pauseMs of recheckPausesMs) {
    if (found.length === 0) break
    await sleep(pauseMs)
    found = await differing(
      pair,
      db,
      found.map(({ key }) => key),
    )
  }
  return found
}

async function differing(pair: Pair, db: number, names: readonly string[]): Promise<Difference[]> {
  const found: Difference[] = []
  for (let at = 0; at < names.length; at += keysAtOnce) {
    const compared = names.slice(at, at + keysAtOnce).map(async (key) => {
      const [source, target] = await Promise.all([factsOf(pair.source.at(key), key), factsOf(pair.target.at(key), key)])
      return { db, key, detail: firstDifference(source, target) }
    })
    for (const { detail, ...where } of await Promise.all(compared)) if (detail !== null) found.push({ ...where, detail })
  }
  return found
}

async function factsOf(connection: RawConnection, key: string): Promise<Facts> {
  const facts = new Map<string, string>()
  const [typeReply, expiry] = await connection.batch([
    ['TYPE', key],
    ['PEXPIRETIME', key],
  ])
  const type = String(typeReply)
  facts.set('type', type)
  if (type === 'none') return facts
  facts.set('~expiry', String(expiry))
  if (type === 'stream') for (const [name, fact] of await streamParts(connection, key)) facts.set(name, fact)
  else if (type === 'vectorset') await vectorFacts(connection, key, facts)
  else for (const [position, part] of (await readValue(connection, key)).parts.entries()) facts.set(`part ${position}`, part)
  if (type === 'hash') await fieldExpiries(connection, key, facts)
  return facts
}

/** Servers without expiries of fields answer with an error: then there are none. */
async function fieldExpiries(connection: RawConnection, key: string, facts: Map<string, string>): Promise<void> {
  const fields = (await connection.command('HKEYS', key)) as Buffer[]
  if (fields.length === 0) return
  const [times] = await connection.batch([['HPEXPIRETIME', key, 'FIELDS', fields.length, ...fields]])
  if (!Array.isArray(times)) return
  for (const [position, field] of fields.entries()) {
    const time = String(times[position])
    if (time !== '-1') facts.set(`~expiry of field ${field}`, time)
  }
}

async function vectorFacts(connection: RawConnection, key: string, facts: Map<string, string>): Promise<void> {
  const members = (await connection.command('VRANDMEMBER', key, 10_000)) as Buffer[] | null
  for (const member of members ?? []) {
    const [vector, attributes] = await connection.batch([
      ['VEMB', key, member],
      ['VGETATTR', key, member],
    ])
    facts.set(`member ${member}`, `${vector} ${attributes}`)
  }
}

/** Facts named with a tilde are times. */
function firstDifference(source: Facts, target: Facts): string | null {
  if (source.get('type') !== target.get('type')) return `${source.get('type')} on the source, ${target.get('type')} on the target`
  for (const name of new Set([...source.keys(), ...target.keys()])) {
    const [here, there] = [source.get(name), target.get(name)]
    if (here === there || (name.startsWith('~') && closeTo(name, here, there))) continue
    return `${source.get('type')}, ${name}: ${shown(here)} on the source, ${shown(there)} on the target`
  }
  return null
}

/** A delivery is as late as its command was: on a side that was frozen, that long. */
const deliveryToleranceMs = 2_000

function closeTo(name: string, here: string | undefined, there: string | undefined): boolean {
  const [one, other] = [Number(here), Number(there)]
  const toleranceMs = name.startsWith('~delivery') ? deliveryToleranceMs : ttlToleranceMs
  return one > 0 && other > 0 && Math.abs(one - other) <= toleranceMs
}

const shown = (fact = 'nothing'): string => JSON.stringify(fact.length > 80 ? `${fact.slice(0, 80)}…` : fact)
