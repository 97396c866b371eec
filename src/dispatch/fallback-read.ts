/**
 * `fallback-on-miss`: the target is asked first. Where it does not have the key (or the element), refuses or is lost, the client gets
 * what the source says. While this waits for the target, nothing later of the same client may overtake it on the source: see `settle`.
 *
 * A hit is believed. So a value that was written to in part before the copy passed its key (HSET on a hash that the target did not have)
 * is seen in part, unless the write put the key in the journal.
 */
import { isMiss, missingElements, missRule } from '../commands/misses.ts'
import type { CommandSpec } from '../commands/spec.ts'
import { mergeElements } from '../routing/merge-replies.ts'
import type { Side } from '../routing/modes.ts'
import type { Lane } from '../upstream/lane.ts'
import type { Client } from './client.ts'
import type { DbKey } from './command-keys.ts'
import type { Core } from './core.ts'
import { SidedRead } from './sided-read.ts'

/** Longer than what a miss begins with: a reply of this length can be told from one, and goes on to the client as it comes. */
const tellingBytes = 32

export class FallbackRead extends SidedRead {
  readonly #readRepair: boolean
  readonly #open: Set<FallbackRead>
  readonly #perElement: boolean
  /** The target's reply was told to be a hit while it came in. */
  #streaming = false
  #served = false

  /** `open`: the client's reads of this kind whose source has not been asked; this one is in it as long as it is one of them. */
  constructor(
    core: Core,
    client: Client,
    spec: CommandSpec,
    keys: readonly DbKey[],
    frame: Buffer,
    readRepair: boolean,
    open: Set<FallbackRead>,
  ) {
    super(core, client, spec, keys, frame)
    this.#readRepair = readRepair
    this.#open = open
    this.#perElement = missRule(spec)?.perElement ?? true
  }

  start(): void {
    this.client.replies.push(this)
    this.#open.add(this)
    this.ask('target')
  }

  /** A write of the same client is about to leave: the source is asked now, since it would see the write if asked later. */
  settle(): void {
    if (!this.core.accepts(this.pair.source)) return
    this.#open.delete(this)
    this.ask('source')
  }

  protected override received(lane: Lane, bytes: Buffer, ended: boolean): void {
    if (lane.side === 'source' && this.#served) return
    super.received(lane, bytes, ended)
    if (lane.side === 'source') return
    if (!this.#streaming && !this.#tellsHit(ended)) return
    this.#streaming = true
    this.#pass(ended)
    if (!ended) this.client.pressed(lane)
  }

  protected override answered(side: Side): void {
    if (this.#served) return
    const { source, target } = this.answers
    if (side === 'target') {
      const reply = this.whole('target')
      if (!failed(reply) && !isMiss(this.spec, reply)) this.#finish('target', reply)
      else if (source.state === 'answered') this.#fromSource()
      else this.#fallBack()
    } else if (target.state !== 'asked') this.#fromSource()
  }

  protected override unanswered(lane: Lane, _midReply: boolean): void {
    if (this.#served) return
    const { source, target } = this.answers
    if (lane.side === 'source') {
      if (target.state !== 'asked') this.#refuseSource()
    } else if (this.#streaming) {
      this.#served = true
      this.#open.delete(this)
      this.client.abort('the target was lost in the middle of a reply')
    } else if (source.state === 'answered') this.#fromSource()
    else this.#fallBack()
  }

  /** Whether the beginning of the target's reply says enough. A short or merged reply is looked at whole. */
  #tellsHit(ended: boolean): boolean {
    if (ended || this.#perElement || this.answers.target.bytes < tellingBytes) return false
    const beginning = this.whole('target')
    return !failed(beginning) && !isMiss(this.spec, beginning)
  }

  #pass(ended: boolean): void {
    const { target } = this.answers
    const pieces = target.pieces
    target.pieces = []
    if (ended) {
      this.#served = true
      this.#open.delete(this)
      this.noteServed('target')
    }
    pieces.forEach((bytes, i) => {
      this.client.replies.deliver(this, bytes, 0, bytes.length, ended && i === pieces.length - 1)
    })
  }

  #fallBack(): void {
    const { source } = this.answers
    this.#open.delete(this)
    if (source.state === 'asked') return
    if (source.state === 'unasked' && this.core.accepts(this.pair.source)) this.ask('source')
    else this.#refuseSource()
  }

  #fromSource(): void {
    const theirs = this.whole('source')
    const ours = this.answers.target.state === 'answered' ? this.whole('target') : null
    const missing = ours === null ? [] : missingElements(this.spec, ours)
    const merged = ours === null || missing.length === 0 ? null : mergeElements(ours, theirs, missing)
    if (this.#readRepair && ours !== null && !failed(ours)) this.#repair(theirs, merged === null ? null : missing)
    this.#finish('source', merged ?? theirs)
  }

  /** What the target lacks and the source has is copied, by the same way as anything that differs. */
  #repair(theirs: Buffer, missing: readonly number[] | null): void {
    const { journal, counters } = this.core
    let keys = this.keys
    if (failed(theirs)) return
    if (missing === null) {
      if (isMiss(this.spec, theirs)) return
    } else {
      const gaps = new Set(missingElements(this.spec, theirs))
      const found = missing.filter((index) => !gaps.has(index))
      if (found.length === 0) return
      if (keys.length > 1) keys = found.flatMap((index) => this.keys[index] ?? [])
    }
    for (const { db, key } of keys) journal.mark(db, key, 'source', `${this.spec.name} found it on the source only`)
    counters.journal.marks += keys.length
  }

  #finish(side: Side, reply: Buffer): void {
    this.#served = true
    this.#open.delete(this)
    this.serve(side, reply)
  }

  /** That the target does not have it proves nothing. */
  #refuseSource(): void {
    this.#served = true
    this.#open.delete(this)
    if (this.answers.source.state === 'lost') this.refuse(this.pair.source)
    else this.refuseUnasked(this.pair.source)
  }
}

const minus = 45
const exclamation = 33
const failed = (reply: Buffer): boolean => reply[0] === minus || reply[0] === exclamation
