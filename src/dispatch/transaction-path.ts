/** A transaction reaches each side as one uninterrupted block: MULTI, the commands, EXEC, in one write to the lane. */
import type { Lane } from '../upstream/lane.ts'
import type { Waiter } from '../upstream/waiter.ts'
import { AuthorityWrite } from './authority-write.ts'
import type { Client } from './client.ts'
import { type DbKey, stripesOf } from './command-keys.ts'
import type { Core } from './core.ts'
import type { Sent } from './frame.ts'
import type { Lanes } from './lanes.ts'
import { PolicyWrite } from './policy-write.ts'
import { twoPhaseWrite } from './two-phase.ts'
import type { WritePath } from './write-path.ts'

export interface Block {
  readonly bytes: Buffer
  /** One per command, and those of MULTI and EXEC. */
  readonly replies: number
  /** What it writes. */
  readonly keys: readonly DbKey[]
  readonly writes: boolean
  /** Something in it may turn out differently on another server: it runs on the authority and its keys are copied. */
  readonly copies: boolean
  readonly unknownKeys: string | null
}

export class TransactionPath {
  readonly #core: Core
  readonly #lanes: Lanes
  readonly #writes: WritePath

  constructor(core: Core, lanes: Lanes, writes: WritePath) {
    this.#core = core
    this.#lanes = lanes
    this.#writes = writes
  }

  execute(client: Client, block: Block): Sent {
    const { traffic } = this.#core
    if (!block.writes || !traffic.mirrored) return this.#authorityOnly(client, block, null)
    const stripes = stripesOf(block.keys)
    if (!this.#writes.admits(client, stripes) || this.#writes.awaitsTruth(client, block.keys)) return 'parked'
    if (block.copies) {
      this.#writes.mark(block.keys, 'a transaction that runs on the authority, its keys are copied')
      return this.#authorityOnly(client, block, block.unknownKeys)
    }
    if (block.keys.length > 1 || traffic.partsMislead) this.#writes.spreadDoubt(block.keys, stripes)
    if (traffic.wish.writePolicy === 'two-phase-commit') {
      this.#writes.noteUnseen(client, block.keys)
      const frame = { buf: block.bytes, start: 0, end: block.bytes.length, pieces: null }
      return twoPhaseWrite(this.#core, this.#lanes, client, { frame, replies: block.replies }, block.keys, stripes)
    }
    const write = new PolicyWrite(this.#core, client, block.keys)
    client.replies.push(write)
    const { context, pair } = client
    const put = (side: typeof traffic.authority): void => {
      const lane = pair.lane(side)
      if (this.#core.accepts(lane)) this.#put(lane, context, block, write)
      else write.skip(side)
    }
    const { authority, follower } = traffic
    put(authority)
    this.#writes.afterOthers(stripes, () => put(follower))
    return 'sent'
  }

  #authorityOnly(client: Client, block: Block, unknownKeys: string | null): Sent {
    const lane = this.#core.authorityLane(client.pair)
    const write = new AuthorityWrite(this.#core, client, lane.side, unknownKeys)
    client.replies.push(write)
    this.#put(lane, client.context, block, write)
    return 'sent'
  }

  #put(lane: Lane, context: number, block: Block, exec: Waiter): void {
    lane.prepare(context)
    lane.expect(unheard, block.replies - 1)
    lane.expect(exec, 1)
    lane.write(block.bytes, 0, block.bytes.length)
    this.#core.counters.sides[lane.side].commands += block.replies
  }
}

/** The replies before EXEC's: the client was answered QUEUED already, and what went wrong makes EXEC fail. */
const unheard: Waiter = {
  sums: false,
  take: () => undefined,
  lost: () => undefined,
}
