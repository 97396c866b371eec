/**
 * Ferry is killed (SIGKILL) in the middle of heavy writes to both sides, with thousands of commands under way, and is started again.
 *
 * What had reached one side only is found in the intent log and copied key by key; nothing else is copied, and the reads of all other keys
 * stay where they were. Source and target are equal in the end, even where the last packets of the dead process come late.
 * Without the notes (FERRY_UNSAFE_NO_INTENTS) the same load leaves differences: it is the notes that make the difference.
 *
 * KILLED_SEED repeats a run as far as chance is in the seed, KILLED_ROUNDS makes it longer.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { Random } from '../../../src/demo/random.ts'
import type { FerryEvent } from '../../../src/observe/events.ts'
import type { Safety } from '../../../src/process/unsafe.ts'
import { differencesOf } from '../../support/ferry.ts'
import type { RedisServer } from '../../support/redis-server.ts'
import { Stage } from '../../support/stage.ts'
import { until } from '../../support/wait.ts'
import { HeavyWriters, keysPerType } from './heavy-writers.ts'

const seed = Number(process.env.KILLED_SEED ?? Date.now() % 1_000_000)
const rounds = Number(process.env.KILLED_ROUNDS ?? 5)
const limitMs = 30_000 + rounds * 15_000
/** Keys that nobody writes to. */
const coldKeys = 2_000
/** More than the load has names for. */
const hotKeysMax = 1_000

/** What the network does to what was under way: all of it arrives, or one side's share is lost, or comes behind everything else. */
const fates = ['arrives', 'follower lost', 'authority lost', 'follower late', 'authority late'] as const
type Fate = (typeof fates)[number]

let stage: Stage
let writers: HeavyWriters | null = null

afterEach(async () => {
  writers?.close()
  writers = null
  await stage?.close()
})

async function mirrored(without: readonly Safety[] = []): Promise<void> {
  stage = await Stage.open({ keys: coldKeys, ferry: { without } })
  await stage.ferry.backfill()
  await stage.ferry.untilSettled()
}

/** Writes, holds back one side's share where the fate wants it, and kills. */
async function killedWhileWriting(random: Random, fate: Fate): Promise<void> {
  const load = await HeavyWriters.start(stage.ferry.port, 8, random)
  writers = load
  await until(() => load.commands > random.between(2_000, 8_000), { timeoutMs: 30_000, what: 'the load to be under way' })
  const late = fate.endsWith('late')
  const ofAuthority = fate.startsWith('authority')
  const held = ofAuthority ? stage.toSource : stage.toTarget
  if (fate !== 'arrives') {
    held.stall('to-server')
    // A follower that is silent for two seconds would be cut off.
    const enough = ofAuthority ? 500 : random.between(20_000, 200_000)
    await until(() => held.heldBytes > enough, { timeoutMs: 1_500, what: `${enough} bytes to be under way` })
    // Few bytes may be of keys that are not looked at, or wait for the side that is silent before they go to the other one.
    await until(async () => (await differingNow()) > 0, { timeoutMs: 1_500, what: 'the sides to differ' })
  }
  if (late) held.orphan()
  const killed = stage.ferry.kill9()
  if (fate.endsWith('lost')) held.cut()
  await killed
  if (!late) held.pass()
  await load.ended()
  writers = null
}

/** How many counters, texts and lists differ right now; a comparison of everything would wait for what is about to expire. */
async function differingNow(): Promise<number> {
  const valuesOf = async (server: RedisServer, db: number): Promise<string[]> => {
    const pipeline = server.client({ db }).pipeline()
    for (let i = 0; i < keysPerType; i++) pipeline.get(`counter:${i}`).get(`text:${i}`).lrange(`list:${i}`, 0, -1)
    return ((await pipeline.exec()) ?? []).map(([, value]) => JSON.stringify(value))
  }
  let count = 0
  for (const db of [0, 1]) {
    const [there, here] = await Promise.all([stage.source, stage.target].map((server) => valuesOf(server, db)))
    count += (there as string[]).filter((value, i) => value !== here?.[i]).length
  }
  return count
}

/** How many keys the process that was started last found to have been under way. */
async function healedKeys(): Promise<number> {
  const stream = await (await fetch(`${stage.ferry.controlUrl}/v1/events?follow=false`)).text()
  const events = [...stream.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json ?? '') as FerryEvent)
  const told = events.findLast(({ message }) => message.includes('not stopped in order'))
  return Number(told?.data.keys ?? Number.NaN)
}

/** Whatever the servers still take from connections that are gone for Ferry. */
async function latePacketsOut(): Promise<void> {
  await until(() => stage.toSource.heldBytes + stage.toTarget.heldBytes === 0, { what: 'the late packets to be out' })
  for (const server of [stage.source, stage.target]) await server.client().ping()
}

describe('Ferry, killed in the middle of writes to both sides', () => {
  it(`heals what was under way, and nothing else (seed ${seed})`, { timeout: limitMs }, async () => {
    const random = new Random(seed)
    await mirrored()
    for (let round = 0; round < rounds; round++) {
      const fate = fates[round % fates.length] as Fate
      await killedWhileWriting(random, fate)
      const before = await differingNow()
      await stage.ferry.restart()
      const started = await stage.ferry.status()
      expect(started).toMatchObject({ coveragePercent: 100, journal: { resyncNeeded: null }, mover: { keysScanned: 0 } })
      const settled = await stage.ferry.untilSettled()
      // The dead process' last packets, behind the copies.
      for (const side of [stage.toSource, stage.toTarget]) side.pass()
      await latePacketsOut()
      console.log(`seed ${seed}, ${fate}: ${before} keys differ at the kill`)
      expect(await differencesOf(stage.source, stage.target)).toEqual([])
      expect(await healedKeys()).toBeLessThan(hotKeysMax)
      expect(settled).toMatchObject({ coveragePercent: 100, mover: { keysScanned: 0, state: 'idle' } })
      if (fate !== 'arrives') expect(before).toBeGreaterThan(0)
    }
  })

  it('is found out where it notes nothing and relies on it', { timeout: limitMs }, async () => {
    await mirrored(['intents'])
    await killedWhileWriting(new Random(seed), 'follower lost')
    await stage.ferry.restart()
    await stage.ferry.untilSettled()
    expect(await differingNow()).toBeGreaterThan(0)
  })
})
