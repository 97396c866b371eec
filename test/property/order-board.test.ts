import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OrderBoard, Stripe, type Ticket } from '../../src/dispatch/order-board.ts'
import { holds } from '../support/property.ts'

const stripesMax = 5
const stripes = fc.uniqueArray(fc.nat(stripesMax - 1), { minLength: 1, maxLength: 3 })
const step = fc.oneof(
  { weight: 4, arbitrary: stripes.map((on) => ({ do: 'write' as const, on })) },
  { weight: 2, arbitrary: stripes.map((on) => ({ do: 'reserve' as const, on })) },
  { weight: 2, arbitrary: fc.nat(9).map((at) => ({ do: 'arm' as const, at })) },
  { weight: 3, arbitrary: stripes.map((on) => ({ do: 'hold' as const, on })) },
  { weight: 3, arbitrary: fc.nat(9).map((at) => ({ do: 'defer' as const, at })) },
  { weight: 3, arbitrary: fc.nat(9).map((at) => ({ do: 'finish' as const, at })) },
  { weight: 1, arbitrary: fc.nat(stripesMax - 1).map((on) => ({ do: 'mark' as const, on })) },
  { weight: 1, arbitrary: fc.nat(stripesMax - 1).map((on) => ({ do: 'clear' as const, on })) },
  { weight: 1, arbitrary: fc.constant({ do: 'barrier' as const }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What is on the board, as the model sees it: in the order of opening. */
interface Entry {
  readonly on: readonly number[]
  readonly hold: Ticket | null
  /** A place that was taken before it is known what to do there. */
  reserved: Ticket | null
  closed: boolean
  over: boolean
}

/** Runs the steps as the write path and the mover do, and checks the board against a list of what was opened in which order. */
class Model {
  readonly board = new OrderBoard()
  readonly entries: Entry[] = []
  readonly dirty = new Array<number>(stripesMax).fill(0)
  /** Writers that met a closed stripe, with how often each was woken. */
  readonly parked: { readonly on: readonly number[]; woken: number }[] = []
  barriers = 0
  barriersRun = 0

  run(what: Step): void {
    if (what.do === 'write') this.#write(what.on, false)
    else if (what.do === 'reserve') this.#write(what.on, true)
    else if (what.do === 'arm') this.#arm(this.#reservedAt(what.at))
    else if (what.do === 'hold') this.#hold(what.on)
    else if (what.do === 'defer') this.#defer(this.#heldAt(what.at))
    else if (what.do === 'finish') this.#finish(this.#heldAt(what.at))
    else if (what.do === 'mark') this.#mark(what.on, 1)
    else if (what.do === 'clear') this.#mark(what.on, -1)
    else this.#barrier()
    this.check()
  }

  finishAll(): void {
    for (;;) {
      const [held, reserved] = [this.#heldAt(0), this.#reservedAt(0)]
      if (held === undefined && reserved === undefined) break
      this.#finish(held)
      this.#arm(reserved)
      this.check()
    }
  }

  #write(on: readonly number[], later: boolean): void {
    const closed = on.find((stripe) => ((this.board.flags[stripe] as number) & Stripe.closed) !== 0)
    if (closed !== undefined) {
      const waiting = { on, woken: 0 }
      this.parked.push(waiting)
      this.board.park(closed, { unpark: () => waiting.woken++ })
      return
    }
    const entry: Entry = { on, hold: null, reserved: null, closed: false, over: false }
    this.entries.push(entry)
    if (later) {
      entry.reserved = this.board.reserve(on)
      return
    }
    this.board.open(on, () => this.#ran(entry))
    expect(entry.over, 'runs at once exactly if nothing stands before it').toBe(this.#before(entry).length === 0)
  }

  #arm(entry: Entry | undefined): void {
    if (entry?.reserved == null) return
    const ticket = entry.reserved
    entry.reserved = null
    this.board.arm(ticket, () => this.#ran(entry))
  }

  #ran(entry: Entry): void {
    expect(entry.over, 'runs once').toBe(false)
    expect(this.#before(entry), 'nothing older on its stripes is unfinished').toEqual([])
    entry.over = true
  }

  #hold(on: readonly number[]): void {
    if (on.some((stripe) => this.board.isBusy(stripe))) return
    this.entries.push({ on, hold: this.board.hold(on), reserved: null, closed: true, over: false })
  }

  #defer(entry: Entry | undefined): void {
    if (entry?.hold == null || !entry.closed) return
    entry.closed = false
    this.board.defer(entry.hold)
  }

  #finish(entry: Entry | undefined): void {
    if (entry?.hold == null) return
    entry.over = true
    entry.closed = false
    this.board.finish(entry.hold)
  }

  #mark(on: number, by: 1 | -1): void {
    if (by < 0 && this.dirty[on] === 0) return
    this.dirty[on] = (this.dirty[on] as number) + by
    if (by > 0) this.board.markDirty(on)
    else this.board.clearDirty(on)
  }

  #barrier(): void {
    this.barriers++
    this.board.closeGate(() => {
      expect(this.board.openTickets).toBe(0)
      this.barriersRun++
      this.board.openGate()
    })
  }

  #heldAt(at: number): Entry | undefined {
    const held = this.entries.filter((entry) => entry.hold !== null && !entry.over)
    return held[at % Math.max(held.length, 1)]
  }

  #reservedAt(at: number): Entry | undefined {
    const reserved = this.entries.filter((entry) => entry.reserved !== null)
    return reserved[at % Math.max(reserved.length, 1)]
  }

  #before(entry: Entry): Entry[] {
    return this.entries
      .slice(0, this.entries.indexOf(entry))
      .filter((older) => !older.over && older.on.some((stripe) => entry.on.includes(stripe)))
  }

  check(): void {
    const open = this.entries.filter((entry) => !entry.over)
    expect(this.board.openTickets).toBe(open.length)
    for (const entry of open)
      if (entry.hold === null && entry.reserved === null) expect(this.#before(entry), 'who can run has run').not.toEqual([])
    for (let stripe = 0; stripe < stripesMax; stripe++) {
      const here = open.filter((entry) => entry.on.includes(stripe))
      const closed = here.some((entry) => entry.closed)
      const deferred = here.some((entry) => !entry.closed)
      const flags = this.board.flags[stripe] as number
      expect((flags & Stripe.closed) !== 0, `stripe ${stripe} closed`).toBe(closed)
      expect((flags & Stripe.deferred) !== 0, `stripe ${stripe} deferred`).toBe(deferred)
      expect((flags & Stripe.dirty) !== 0, `stripe ${stripe} dirty`).toBe((this.dirty[stripe] as number) > 0)
    }
    for (const { on, woken } of this.parked) {
      expect(woken).toBeLessThan(2)
      const mustWait = open.some((entry) => entry.closed && entry.on.some((stripe) => on.includes(stripe)))
      if (!mustWait) expect(woken, 'the way is free, so it was woken').toBe(1)
    }
    expect(this.barriersRun).toBe(open.length === 0 ? this.barriers : this.barriersRun)
    expect(this.board.gates).toBe(this.barriers - this.barriersRun)
  }
}

describe('the order board', () => {
  it('keeps the order of opening on every stripe, whatever is held, deferred and finished when', () => {
    holds(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const model = new Model()
        for (const what of steps) model.run(what)
        model.finishAll()
        expect(model.entries.every((entry) => entry.over)).toBe(true)
        expect(model.barriersRun).toBe(model.barriers)
        for (let stripe = 0; stripe < stripesMax; stripe++) {
          expect(model.board.flags[stripe]).toBe((model.dirty[stripe] as number) > 0 ? Stripe.dirty : Stripe.free)
        }
      }),
      // Each board has a flag for every stripe there is: a megabyte.
      150,
    )
  })
})
