/**
 * What is about to be sent to both sides, written down before it is: after a crash of this process, the keys that may have reached one
 * side only are among these. A chain of segment files beside the state file; the oldest are removed once nothing in them is under way.
 *
 * A segment is a sequence of blocks, `[u32 length][u32 crc32][u32 length, masked][entries]`, one per write, the first of which is the header.
 * An entry is `[u8 kind][u8 truth][u16 db][u32 length][bytes]`. All numbers are little-endian.
 *
 * The page cache outlives the process, so nothing is synced: a crash of the process loses nothing that `flush` has returned from, a crash of
 * the machine may lose anything. Whoever reads the chain has to know that the machine has not been started anew meanwhile.
 */
import { closeSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Side } from '../routing/modes.ts'

/** `frames`: whole commands. `keys`: `[u32 length][bytes]` each. `doubt`: why any key may differ. `connection`: see the writer. `flip`: the two
 * sides were equal, and `truth` decides from here on, also about the keys before. */
export const Intent = { frames: 1, keys: 2, doubt: 3, connection: 4, flip: 5 } as const

export interface IntentEntry {
  readonly kind: number
  /** Which side decides about these keys. */
  readonly truth: Side
  readonly db: number
  readonly bytes: Buffer
}

export interface FormerIntents {
  readonly entries: IntentEntry[]
  /** Oldest first. */
  readonly segments: number[]
  /** Why the chain cannot be relied on to be whole; null where it can. */
  readonly problem: string | null
}

const magic = Buffer.from('FERRYIN1')
export const chainIdBytes = 16
const headerBytes = magic.length + chainIdBytes + 4
const blockOverheadBytes = 12
const lengthMask = 0x5aa5c33c
const entryOverheadBytes = 8
/** One block is at most this long; what does not fit into one is not taken. */
const stageBytes = 262_144
/** The longest run of frames, key or text that is taken. */
export const intentBytesMax = stageBytes - blockOverheadBytes - entryOverheadBytes - 4

export class IntentLog {
  readonly #base: string
  #fd: number | null = null
  #id: Buffer = Buffer.alloc(chainIdBytes)
  #number = 0
  #segmentBytes = 0
  readonly #stage = Buffer.allocUnsafeSlow(stageBytes)
  #to = blockOverheadBytes
  /** Where the entry that is being added to begins; -1 = none. */
  #entry = -1
  #kind = 0
  #truth = 0
  #db = 0

  /** `base`: the files are `<base>-<number>`. */
  constructor(base: string) {
    this.#base = base
  }

  get isOpen(): boolean {
    return this.#fd !== null
  }

  /** The segment that is written to. */
  get number(): number {
    return this.#number
  }

  get segmentBytes(): number {
    return this.#segmentBytes
  }

  get pending(): boolean {
    return this.#to > blockOverheadBytes
  }

  /** Goes on with segment `number` of the chain `id`. @throws where it cannot be written. */
  begin(id: Buffer, number: number): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
    const header = Buffer.alloc(headerBytes)
    magic.copy(header)
    id.copy(header, magic.length)
    header.writeUInt32LE(number, headerBytes - 4)
    // Names of keys can be personal data.
    const fd = openSync(this.#file(number), 'w', 0o600)
    this.#fd = fd
    this.#id = id
    this.#number = number
    this.#segmentBytes = 0
    const block = Buffer.concat([Buffer.alloc(blockOverheadBytes), header])
    this.#write(block, block.length)
  }

  /** Closes the segment and begins the next one of the chain; what is staged goes into the new one. @throws where it cannot be written. */
  rotate(): void {
    this.begin(this.#id, this.#number + 1)
  }

  /** Whole frames of one database. The bytes are copied at once. @throws where it cannot be written. */
  frames(truth: Side, db: number, buf: Buffer, start: number, end: number): void {
    this.#make(Intent.frames, truth, db, end - start)
    this.#to += buf.copy(this.#stage, this.#to, start, end)
  }

  /** A key of at most `intentBytesMax` bytes. */
  key(truth: Side, db: number, key: Buffer): void {
    this.#make(Intent.keys, truth, db, key.length + 4)
    this.#to = this.#stage.writeUInt32LE(key.length, this.#to)
    this.#to += key.copy(this.#stage, this.#to)
  }

  /** A text, cut off where it is too long. */
  text(kind: number, side: Side, text: string): void {
    const bytes = Buffer.from(text).subarray(0, 1_024)
    this.#sealEntry()
    this.#make(kind, side, 0, bytes.length)
    this.#to += bytes.copy(this.#stage, this.#to)
    this.#sealEntry()
  }

  /** Hands everything to the kernel, in one write. @throws where it cannot be written; the chain is of no use then. */
  flush(): void {
    if (!this.pending) return
    this.#sealEntry()
    const to = this.#to
    this.#to = blockOverheadBytes
    this.#write(this.#stage, to)
  }

  /** Only ever the oldest one: a chain with a gap is not relied on. Never throws. */
  remove(number: number): void {
    try {
      unlinkSync(this.#file(number))
    } catch {
      // It is not there, which is as good.
    }
  }

  /** Ends the chain: nothing is left of it. False where something is. Never throws. */
  removeAll(): boolean {
    this.#to = blockOverheadBytes
    this.#entry = -1
    this.#segmentBytes = 0
    const fd = this.#fd
    this.#fd = null
    try {
      if (fd !== null) closeSync(fd)
      for (const number of segmentsOf(this.#base)) this.remove(number)
      return segmentsOf(this.#base).length === 0
    } catch {
      return false
    }
  }

  #file(number: number): string {
    return `${this.#base}-${number}`
  }

  #make(kind: number, side: Side, db: number, bytes: number): void {
    const truth = side === 'source' ? 0 : 1
    if (this.#to + bytes + entryOverheadBytes > stageBytes) this.flush()
    if (this.#entry >= 0 && this.#kind === kind && this.#truth === truth && this.#db === db) return
    this.#sealEntry()
    const stage = this.#stage
    this.#entry = this.#to
    this.#kind = kind
    this.#truth = truth
    this.#db = db
    stage[this.#to] = kind
    stage[this.#to + 1] = truth
    stage.writeUInt16LE(db, this.#to + 2)
    this.#to += entryOverheadBytes
  }

  #sealEntry(): void {
    if (this.#entry < 0) return
    this.#stage.writeUInt32LE(this.#to - this.#entry - entryOverheadBytes, this.#entry + 4)
    this.#entry = -1
  }

  #write(block: Buffer, to: number): void {
    if (this.#fd === null) throw new Error('the intent log is not open')
    block.writeUInt32LE(to - blockOverheadBytes, 0)
    block.writeUInt32LE(crc32(block.subarray(blockOverheadBytes, to)), 4)
    block.writeUInt32LE(((to - blockOverheadBytes) ^ lengthMask) >>> 0, 8)
    for (let at = 0; at < to; ) at += writeSync(this.#fd, block, at, to - at)
    this.#segmentBytes += to
  }
}

/** What a former process left of the chain `id`. Only whole segments in one row count; the last one may end in the middle of a block. */
export function readIntents(base: string, id: Buffer): FormerIntents {
  const segments = segmentsOf(base)
  const entries: IntentEntry[] = []
  const failed = (problem: string): FormerIntents => ({ entries, segments, problem })
  if (segments.length === 0) return failed('there is no intent log')
  let before: number | null = null
  for (const number of segments) {
    const last = number === segments.at(-1)
    const blocks = blocksOf(readFileSync(`${base}-${number}`), last)
    if (blocks === null) return failed(`segment ${number} of the intent log is damaged`)
    const header = blocks.shift()
    // The process died while it began this one: it had sent nothing yet that would be noted here.
    if (header === undefined && last && before !== null) break
    if (header === undefined || !isHeader(header, id, number))
      return failed(`segment ${number} of the intent log is not of this run`)
    if (before !== null && number !== before + 1) return failed(`the intent log has a gap before segment ${number}`)
    before = number
    for (const block of blocks) if (!entriesOf(block, entries)) return failed(`segment ${number} of the intent log is damaged`)
  }
  return { entries, segments, problem: null }
}

function segmentsOf(base: string): number[] {
  const name = `${basename(base)}-`
  return readdirSync(dirname(base))
    .filter((file) => file.startsWith(name) && /^\d+$/.test(file.slice(name.length)))
    .map((file) => Number(file.slice(name.length)))
    .sort((a, b) => a - b)
}

const isHeader = (block: Buffer, id: Buffer, number: number): boolean =>
  block.length === headerBytes &&
  block.subarray(0, magic.length).equals(magic) &&
  block.subarray(magic.length, magic.length + chainIdBytes).equals(id) &&
  block.readUInt32LE(headerBytes - 4) === number

/** Null where a block is damaged that was written whole: any but the very last of the chain. */
function blocksOf(file: Buffer, mayBeTorn: boolean): Buffer[] | null {
  const blocks: Buffer[] = []
  let at = 0
  while (at < file.length) {
    const from = at + blockOverheadBytes
    if (from > file.length) return mayBeTorn ? blocks : null
    const length = file.readUInt32LE(at)
    // Else a length that is damaged could pass for a block that was cut short.
    if (length === 0 || file.readUInt32LE(at + 8) !== (length ^ lengthMask) >>> 0) return null
    const to = from + length
    if (to > file.length) return mayBeTorn ? blocks : null
    const block = file.subarray(from, to)
    // A write that a kill cut short leaves a block that is too short, never a whole one with other bytes.
    if (crc32(block) !== file.readUInt32LE(at + 4)) return null
    blocks.push(block)
    at = to
  }
  return blocks
}

function entriesOf(block: Buffer, into: IntentEntry[]): boolean {
  let at = 0
  while (at < block.length) {
    if (at + entryOverheadBytes > block.length) return false
    const from = at + entryOverheadBytes
    const to = from + block.readUInt32LE(at + 4)
    if (to > block.length) return false
    into.push({
      kind: block[at] as number,
      truth: block[at + 1] === 0 ? 'source' : 'target',
      db: block.readUInt16LE(at + 2),
      bytes: block.subarray(from, to),
    })
    at = to
  }
  return true
}

/** The keys of an entry of that kind; null where it is damaged. */
export function keysIn(bytes: Buffer): Buffer[] | null {
  const keys: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null
    const to = at + 4 + bytes.readUInt32LE(at)
    if (to > bytes.length) return null
    keys.push(bytes.subarray(at + 4, to))
    at = to
  }
  return keys
}
