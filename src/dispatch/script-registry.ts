/**
 * The scripts that went through Ferry: source and what can be said of it, by SHA1. So a server that does not have one any more (it was
 * restarted, or is the other side) gets it before it is called. Kept in memory, oldest use thrown out first.
 */
import { createHash } from 'node:crypto'
import { factsOf, mergedFacts, type ScriptFacts, unknownFacts } from '../commands/scripts.ts'
import { decodeReply, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import type { Lane } from '../upstream/lane.ts'
import { exchange } from './key-transfer.ts'

/** Source text of all scripts together. */
const sourceBytesMax = 16 * 1024 * 1024
/** SHAs that are known to be on one server; servers themselves keep a few hundred of EVAL's. */
const loadedMax = 10_000

interface Script {
  /** Null where a server could not tell it. */
  readonly source: Buffer | null
  readonly facts: ScriptFacts
}

export class ScriptRegistry {
  readonly #scripts = new Map<string, Script>()
  readonly #sourceBytesMax: number
  #bytes = 0
  /** Which server has which, by its run id: another one after every start. */
  readonly #loaded = new Map<string, Set<string>>()
  /** Of all libraries together; null until asked for, or again. */
  #libraryFacts: ScriptFacts | null = null
  #librariesAsked = 0

  constructor(limitBytes = sourceBytesMax) {
    this.#sourceBytesMax = limitBytes
  }

  /** Takes the source in and says its SHA1. */
  learn(source: Buffer): string {
    const sha = createHash('sha1').update(source).digest('hex')
    this.#learnAs(sha, source)
    return sha
  }

  find(sha: string): Script | undefined {
    const script = this.#scripts.get(sha)
    if (script === undefined) return undefined
    this.#scripts.delete(sha)
    this.#scripts.set(sha, script)
    return script
  }

  /** Every source, for a server that shall have them all. */
  *all(): Generator<{ sha: string; source: Buffer }> {
    for (const [sha, { source }] of this.#scripts) if (source !== null) yield { sha, source }
  }

  /** SCRIPT FLUSH: a client that did that is to be told NOSCRIPT. */
  clear(): void {
    this.#scripts.clear()
    this.#loaded.clear()
    this.#bytes = 0
  }

  hasLoaded(lane: Lane, sha: string): boolean {
    return lane.runId !== null && (this.#loaded.get(lane.runId)?.has(sha) ?? false)
  }

  loaded(lane: Lane, sha: string): void {
    if (lane.runId === null) return
    let shas = this.#loaded.get(lane.runId)
    if (shas === undefined || shas.size >= loadedMax) {
      shas = new Set()
      this.#loaded.set(lane.runId, shas)
    }
    shas.add(sha)
  }

  unloaded(lane: Lane, sha: string): void {
    if (lane.runId !== null) this.#loaded.get(lane.runId)?.delete(sha)
  }

  /** A script that was here before Ferry: Valkey can be asked for it (SCRIPT SHOW), Redis cannot. Asked once. */
  ask(lane: Lane, sha: string): void {
    this.#scripts.set(sha, { source: null, facts: unknownFacts })
    void answerOf(lane, ['SCRIPT', 'SHOW', sha]).then(
      (source) => {
        if (!Buffer.isBuffer(source)) return
        this.#scripts.delete(sha)
        this.#learnAs(sha, Buffer.from(source))
      },
      () => undefined,
    )
  }

  /** What any function of the loaded libraries may do; as little as of an unknown script until the server has told their code. */
  libraryFacts(lane: Lane): ScriptFacts {
    if (this.#libraryFacts !== null) return this.#libraryFacts
    this.#libraryFacts = unknownFacts
    const asked = ++this.#librariesAsked
    void answerOf(lane, ['FUNCTION', 'LIST', 'WITHCODE']).then(
      (libraries) => {
        const codes = codesIn(libraries)
        if (asked === this.#librariesAsked && codes !== null) this.#libraryFacts = mergedFacts(codes.map(factsOf))
      },
      () => undefined,
    )
    return this.#libraryFacts
  }

  librariesChanged(): void {
    this.#librariesAsked++
    this.#libraryFacts = null
  }

  #learnAs(sha: string, source: Buffer): void {
    if (this.find(sha)?.source || source.length > this.#sourceBytesMax) return
    this.#scripts.set(sha, { source: Buffer.from(source), facts: factsOf(source.toString()) })
    this.#bytes += source.length
    for (const [oldest, { source: bytes }] of this.#scripts) {
      if (this.#bytes <= this.#sourceBytesMax) return
      this.#scripts.delete(oldest)
      this.#bytes -= bytes?.length ?? 0
    }
  }
}

async function answerOf(lane: Lane, argv: readonly string[]): Promise<Reply> {
  const frame = encodeCommand(argv)
  return decodeReply(await exchange(lane, 2, 1, (to) => to.write(frame, 0, frame.length))).value
}

/** FUNCTION LIST WITHCODE: the sources; null where it is none. */
export function codesIn(libraries: Reply): string[] | null {
  if (!Array.isArray(libraries) || isReplyError(libraries)) return null
  return libraries.map((library) => {
    const fields = Array.isArray(library) ? library : []
    const at = fields.findIndex((field) => Buffer.isBuffer(field) && field.toString() === 'library_code')
    return String(fields[at + 1] ?? '')
  })
}
