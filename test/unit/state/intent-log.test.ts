import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chainIdBytes, Intent, IntentLog, intentBytesMax, keysIn, readIntents } from '../../../src/state/intent-log.ts'

const id = Buffer.alloc(chainIdBytes, 7)
const key = (name: string): Buffer => Buffer.from(name)

let folder: string
let base: string
let log: IntentLog

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-intents-'))
  base = join(folder, 'state.intents')
  log = new IntentLog(base)
  log.begin(id, 1)
})
afterEach(() => {
  log.removeAll()
  rmSync(folder, { recursive: true, force: true })
})

/** Entries as words. */
function read(): { entries: string[]; problem: string | null } {
  const { entries, problem } = readIntents(base, id)
  const words = entries.map(({ kind, truth, db, bytes }) => {
    const text = kind === Intent.keys ? (keysIn(bytes) ?? ['damaged']).join(',') : bytes.toString()
    return `${kind} ${truth} ${db} ${text}`
  })
  return { entries: words, problem }
}

function noteKey(name: string): void {
  log.key('source', 0, key(name))
  log.flush()
}

const segment = (number: number): string => `${base}-${number}`

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(file, bytes)
}

describe('what was noted', () => {
  it('is read again in order; neighbours of one kind are one entry', () => {
    const commands = Buffer.from('xxGET a;INCR byy')
    log.frames('source', 0, commands, 2, 8)
    log.frames('source', 0, commands, 8, 14)
    log.frames('source', 9, commands, 8, 14)
    log.key('target', 9, key('one'))
    log.key('target', 9, key(''))
    log.key('source', 9, key('two'))
    log.flush()
    log.rotate()
    log.text(Intent.doubt, 'target', 'why')
    log.text(Intent.doubt, 'target', 'why else')
    log.key('source', 0, Buffer.from([0, 255]))
    log.flush()
    expect(read()).toEqual({
      entries: [
        '1 source 0 GET a;INCR b',
        '1 source 9 INCR b',
        '2 target 9 one,',
        '2 source 9 two',
        '3 target 0 why',
        '3 target 0 why else',
        `2 source 0 ${Buffer.from([0, 255])}`,
      ],
      problem: null,
    })
  })

  it('is written in blocks of a limited size, however much it is', () => {
    const large = Buffer.alloc(intentBytesMax, 'x')
    for (let i = 0; i < 3; i++) log.key('source', 0, large)
    log.frames('source', 1, large, 0, large.length)
    expect(log.segmentBytes).toBeGreaterThan(3 * intentBytesMax)
    log.flush()
    expect(readIntents(base, id)).toMatchObject({ problem: null, entries: { length: 4 } })
  })

  it('is gone after the end of the chain', () => {
    noteKey('a')
    expect(log.removeAll()).toBe(true)
    expect(readdirSync(folder)).toEqual([])
    expect(read().problem).toBe('there is no intent log')
  })

  it('can be personal data, and is for nobody else to read', () => {
    expect(statSync(segment(1)).mode & 0o777).toBe(0o600)
  })
})

describe('a chain that is not whole', () => {
  it('may end anywhere in its last block', () => {
    noteKey('first')
    const whole = log.segmentBytes
    noteKey('second')
    const bytes = readFileSync(segment(1))
    for (let length = whole; length < bytes.length; length++) {
      writeFileSync(segment(1), bytes.subarray(0, length))
      expect(read()).toEqual({ entries: ['2 source 0 first'], problem: null })
    }
  })

  it('may end in the header of its last segment, of which nothing was sent yet', () => {
    noteKey('first')
    log.rotate()
    for (const length of [20, 3, 0]) {
      const fd = openSync(segment(2), 'r+')
      ftruncateSync(fd, length)
      closeSync(fd)
      expect(read()).toEqual({ entries: ['2 source 0 first'], problem: null })
    }
    // But not of its only one: there was one before, and it is missing.
    log.remove(1)
    expect(read().problem).toMatch(/segment 2 .* not of this run/)
  })

  it('is not relied on where a block was cut that others were written behind', () => {
    noteKey('first')
    const length = log.segmentBytes
    log.rotate()
    noteKey('second')
    const fd = openSync(segment(1), 'r+')
    ftruncateSync(fd, length - 1)
    closeSync(fd)
    expect(read().problem).toMatch(/segment 1 .* damaged/)
  })

  it('is not relied on where any one byte is another', () => {
    noteKey('first')
    noteKey('second')
    const bytes = readFileSync(segment(1))
    for (let at = 0; at < bytes.length; at++) {
      flip(segment(1), at)
      expect(read().problem, `byte ${at}`).not.toBeNull()
      writeFileSync(segment(1), bytes)
    }
  })

  it('is not relied on where a segment in the middle is missing', () => {
    for (const name of ['one', 'two', 'three']) {
      noteKey(name)
      log.rotate()
    }
    log.remove(1)
    expect(read()).toMatchObject({ problem: null, entries: ['2 source 0 two', '2 source 0 three'] })
    log.remove(3)
    expect(read().problem).toMatch(/gap before segment 4/)
  })

  it('is not relied on where it ends in zeros', () => {
    noteKey('first')
    writeFileSync(segment(1), Buffer.concat([readFileSync(segment(1)), Buffer.alloc(64)]))
    expect(read().problem).toMatch(/damaged/)
  })

  it('is not relied on where it is of another run', () => {
    noteKey('first')
    expect(readIntents(base, Buffer.alloc(chainIdBytes, 8)).problem).toMatch(/not of this run/)
  })
})

describe('keys', () => {
  it('of an entry that is cut are not made up', () => {
    const bytes = Buffer.from([1, 0, 0, 0, 97, 5, 0, 0, 0, 98])
    expect(keysIn(bytes.subarray(0, 5))).toEqual([key('a')])
    expect(keysIn(bytes)).toBeNull()
    expect(keysIn(bytes.subarray(0, 7))).toBeNull()
  })
})
