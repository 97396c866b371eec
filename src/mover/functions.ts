/**
 * Function libraries, from the authority to the follower: no key holds them and no SCAN finds them. As a payload where the follower takes
 * it, else library by library as source. Done when a copy begins, and again whenever the two sides may differ.
 */

import type { Core } from '../dispatch/core.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { codesIn } from '../dispatch/script-registry.ts'
import { decodeReply, isReplyError, type Reply } from '../resp/decode.ts'
import { encodeCommand } from '../resp/encode.ts'
import { type Side, sides } from '../routing/modes.ts'
import { freshContext, type Lane } from '../upstream/lane.ts'

const tickMs = 1_000
/** How often a copy begins anew because a client changed libraries meanwhile. */
const attemptsMax = 10
/** How long all writes may wait for those that are under way, before they go on and it is tried again later. */
const gateWaitMs = 200

export class FunctionCopy {
  /** Asked before anything is copied that nobody has asked for. */
  permitted: () => boolean = () => true
  readonly #core: Core
  readonly #lanes: Lanes
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> | null = null
  #told: string | null = null

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /** From now on whatever differs is copied by itself. */
  start(): void {
    this.#timer = setInterval(() => {
      const { traffic, libraries } = this.#core
      if (traffic.mirrored && libraries.problem !== null && this.permitted()) void this.copy()
    }, tickMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Never rejects: what does not work is `libraries.problem`. */
  copy(): Promise<void> {
    this.#running ??= this.#copy().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** Only those that the follower lacks: what it has stays. Never rejects. */
  async addMissing(): Promise<void> {
    const { traffic } = this.#core
    try {
      this.#mustBeFenced()
      const [from, to] = [this.#lanes.lane(traffic.authority), this.#lanes.lane(traffic.follower)]
      let added = 0
      for (const code of (await codesOf(from)) ?? []) {
        const reply = await answer(to, ['FUNCTION', 'LOAD', code])
        if (!isReplyError(reply)) added++
        else if (!/already exists/i.test(reply.error)) throw new Error(`${to.side}: ${reply.error}`)
      }
      this.#tell(null, added)
    } catch (error) {
      this.#tell((error as Error).message, 0)
    }
  }

  async #copy(): Promise<void> {
    const { libraries, traffic } = this.#core
    try {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        this.#mustBeFenced()
        if (libraries.problem !== null && !(await this.#settle(traffic.authority))) continue
        const before = libraries.changes
        const isSure = libraries.problem === null || this.#lanes.layouts[traffic.follower] === null
        const count = await copyFunctions(this.#lanes.lane(traffic.authority), this.#lanes.lane(traffic.follower), isSure)
        // A client's command that came in between was overwritten on the follower, or not seen on the authority.
        if (libraries.changes !== before || libraries.underWay > 0) continue
        this.#tell(null, count)
        return
      }
      this.#tell('clients kept changing them while they were copied', 0)
    } catch (error) {
      this.#tell((error as Error).message, 0)
    }
  }

  /**
   * Where several servers keep the truth, one of them may have missed a change: what any of them has goes to all, and nothing is removed. The
   * gate is closed meanwhile, or a client's own change would be undone. False: one is under way. Throws where the gate cannot be had in time.
   */
  async #settle(side: Side): Promise<boolean> {
    const layout = this.#lanes.layouts[side]
    if (layout === null || areAlike(await layout.libraries())) return true
    const { board, libraries } = this.#core
    const isQuiet = await new Promise<boolean>((resolve) => {
      const late = setTimeout(() => resolve(false), gateWaitMs)
      board.closeGate(() => {
        clearTimeout(late)
        resolve(true)
      })
    })
    try {
      if (!isQuiet) throw new Error(`writes were under way for more than ${gateWaitMs} ms`)
      if (libraries.underWay > 0) return false
      const codes = new Map((await layout.libraries()).toReversed().flatMap((known) => [...known]))
      for (const code of codes.values()) await ask(this.#lanes.lane(side), ['FUNCTION', 'LOAD', 'REPLACE', code])
      return true
    } finally {
      board.openGate()
    }
  }

  /** What a lost connection may still bring to a server would land behind the copy. One lost later begins a change of its own. */
  #mustBeFenced(): void {
    for (const side of sides)
      if (this.#lanes.orphaned(side)) throw new Error(`${side} may still run commands of a connection that was lost`)
  }

  #tell(problem: string | null, count: number): void {
    const { libraries, events } = this.#core
    libraries.problem = problem
    if (problem === this.#told && (problem !== null || count === 0)) return
    this.#told = problem
    if (problem !== null) events.record('script', 'functions could not be copied to the follower', { reason: problem })
    else if (count > 0) events.record('script', 'functions were copied to the follower', { data: { libraries: count } })
  }
}

/**
 * Makes the follower's libraries those of the authority; how many there are where something had to be done. `isSure`: what one server of the
 * follower says holds for all of them. Rejects with the reason.
 */
async function copyFunctions(from: Lane, to: Lane, isSure: boolean): Promise<number> {
  const [there, here] = [await codesOf(from), await codesOf(to)]
  if (there === null || there.length === 0) {
    if (here !== null && (here.length > 0 || !isSure)) await ask(to, ['FUNCTION', 'FLUSH'])
    return 0
  }
  if (here === null) throw new Error(`${to.side} does not know FUNCTION, and ${from.side} has ${there.length} libraries`)
  if (isSure && same(there, here)) return 0
  await replaceAll(to, there, await ask(from, ['FUNCTION', 'DUMP']))
  return there.length
}

/** Where the payload is refused, as by another version, the sources mean the same. */
async function replaceAll(to: Lane, codes: readonly string[], payload: Reply): Promise<void> {
  const restored = Buffer.isBuffer(payload) ? await answer(to, ['FUNCTION', 'RESTORE', payload, 'FLUSH']) : null
  if (restored !== null && !isReplyError(restored)) return
  await ask(to, ['FUNCTION', 'FLUSH'])
  for (const code of codes) await ask(to, ['FUNCTION', 'LOAD', 'REPLACE', code])
}

const areAlike = (all: readonly ReadonlyMap<string, string>[]): boolean =>
  all.every((one) => same([...one.values()], [...(all[0]?.values() ?? [])]))

function same(a: readonly string[], b: readonly string[]): boolean {
  const [first, second] = [[...a].sort(), [...b].sort()]
  return first.length === second.length && first.every((code, i) => code === second[i])
}

/** Null where the server has no functions at all (before Redis 7). */
async function codesOf(lane: Lane): Promise<string[] | null> {
  const libraries = await answer(lane, ['FUNCTION', 'LIST', 'WITHCODE'])
  if (isReplyError(libraries)) {
    if (/unknown (command|subcommand)/i.test(libraries.error)) return null
    throw new Error(`${lane.side}: ${libraries.error}`)
  }
  return codesIn(libraries)
}

async function ask(lane: Lane, argv: readonly (string | Buffer)[]): Promise<Reply> {
  const reply = await answer(lane, argv)
  if (isReplyError(reply)) throw new Error(`${lane.side}: ${reply.error}`)
  return reply
}

async function answer(lane: Lane, argv: readonly (string | Buffer)[]): Promise<Reply> {
  const frame = encodeCommand(argv)
  return decodeReply(await exchange(lane, freshContext, 1, (to) => to.write(frame, 0, frame.length))).value
}
