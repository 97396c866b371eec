import { describe, expect, it } from 'vitest'
import { OrderBoard, Stripe } from '../../../src/dispatch/order-board.ts'

const parkedInto = (log: string[], name: string) => ({ unpark: () => void log.push(name) })

describe('tickets', () => {
  it('on free stripes run at once and leave nothing behind', () => {
    const board = new OrderBoard()
    const log: string[] = []
    board.open([1, 2], () => log.push('a'))
    expect(log).toEqual(['a'])
    expect(board.openTickets).toBe(0)
    expect([board.flags[1], board.flags[2]]).toEqual([Stripe.free, Stripe.free])
  })

  it('of several stripes wait for the last of them', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const [one, two] = [board.hold([1]), board.hold([2])]
    board.defer(one)
    board.defer(two)
    board.open([1, 2, 1], () => log.push('both'))
    board.open([1], () => log.push('behind'))
    board.finish(one)
    expect(log).toEqual([])
    expect(board.isBusy(1)).toBe(true)
    board.finish(two)
    expect(log).toEqual(['both', 'behind'])
    expect(board.isBusy(1) || board.isBusy(2)).toBe(false)
  })

  it('a hundred thousand of them may stand behind one hold', () => {
    const board = new OrderBoard()
    const hold = board.hold([7])
    board.defer(hold)
    let next = 0
    for (let n = 0; n < 100_000; n++) {
      board.open([7], () => {
        if (next === n) next++
      })
    }
    board.finish(hold)
    expect(next).toBe(100_000)
    expect(board.openTickets).toBe(0)
    expect(board.flags[7]).toBe(Stripe.free)
  })

  it('opened by one that runs come behind those that wait already', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([1])
    board.defer(hold)
    board.open([1], () => {
      log.push('a')
      board.open([1], () => log.push('c'))
    })
    board.open([1], () => log.push('b'))
    board.finish(hold)
    expect(log).toEqual(['a', 'b', 'c'])
  })
})

describe('a reserved place', () => {
  it('is kept: what comes later waits for it, and it for what came before', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([1])
    board.defer(hold)
    const place = board.reserve([1, 2])
    board.open([2], () => log.push('later'))
    board.finish(hold)
    expect([log, board.openTickets, board.isBusy(1), board.isBusy(2)]).toEqual([[], 2, true, true])
    board.arm(place, () => log.push('reserved'))
    expect(log).toEqual(['reserved', 'later'])
    expect([board.openTickets, board.isBusy(1), board.isBusy(2)]).toEqual([0, false, false])
  })

  it('that is armed while it waits runs in its turn', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([1])
    board.defer(hold)
    board.open([1], () => log.push('first'))
    board.arm(board.reserve([1]), () => log.push('reserved'))
    expect(log).toEqual([])
    board.finish(hold)
    expect(log).toEqual(['first', 'reserved'])
  })
})

describe('one that throws', () => {
  it('does not stop those of other stripes', () => {
    const board = new OrderBoard()
    const log: string[] = []
    expect(() =>
      board.open([1], () => {
        throw new Error('a defect')
      }),
    ).toThrow('a defect')
    board.open([2], () => log.push('another stripe'))
    expect(log).toEqual(['another stripe'])
  })
})

describe('a hold', () => {
  it('closes, then defers, then is gone', () => {
    const board = new OrderBoard()
    board.markDirty(3)
    const hold = board.hold([3, 4])
    expect(board.flags[3]).toBe(Stripe.closed | Stripe.dirty)
    expect(board.flags[4]).toBe(Stripe.closed)
    board.defer(hold)
    expect(board.flags[3]).toBe(Stripe.deferred | Stripe.dirty)
    board.finish(hold)
    expect(board.flags[3]).toBe(Stripe.dirty)
    expect(board.flags[4]).toBe(Stripe.free)
    board.clearDirty(3)
    expect(board.flags[3]).toBe(Stripe.free)
  })

  it('that is given up while closed wakes who waits', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([3])
    board.park(3, parkedInto(log, 'client'))
    expect(log).toEqual([])
    board.finish(hold)
    expect(log).toEqual(['client'])
  })

  it('wakes who waits as soon as it is deferred, and those who come then at once', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([3])
    board.park(3, parkedInto(log, 'first'))
    board.defer(hold)
    expect(log).toEqual(['first'])
    board.finish(hold)
    board.park(3, parkedInto(log, 'late'))
    expect(log).toEqual(['first', 'late'])
  })

  it('ends cleanly if somebody opened a ticket while it was closed and it is then given up', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([3, 4])
    board.open([3], () => log.push('ran'))
    board.finish(hold)
    expect(log).toEqual(['ran'])
    expect([board.flags[3], board.flags[4]]).toEqual([Stripe.free, Stripe.free])
  })
})

describe('a hold of a busy stripe', () => {
  it('lets nothing new in, and begins when what was there is through', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const effect = board.reserve([3])
    const hold = board.holdBehind([3], () => log.push('held'))
    expect((board.flags[3] as number) & Stripe.closed).toBe(Stripe.closed)
    board.park(3, parkedInto(log, 'woken'))
    board.arm(effect, () => log.push('effect'))
    expect(log).toEqual(['effect', 'held'])
    expect((board.flags[3] as number) & Stripe.closed).toBe(Stripe.closed)
    board.defer(hold)
    board.open([3], () => log.push('behind'))
    expect(log).toEqual(['effect', 'held', 'woken'])
    board.finish(hold)
    expect(log).toEqual(['effect', 'held', 'woken', 'behind'])
    expect([board.flags[3], board.openTickets]).toEqual([Stripe.free, 0])
  })

  it('is there at once where the stripe is free', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.holdBehind([3], () => log.push('held'))
    expect(log).toEqual(['held'])
    board.finish(hold)
    expect([board.flags[3], board.openTickets]).toEqual([Stripe.free, 0])
  })

  it('that is given up before it begins lets in who waits, and holds nothing in its turn', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const effect = board.reserve([3])
    const hold = board.holdBehind([3], () => log.push('turn'))
    board.park(3, parkedInto(log, 'woken'))
    board.finish(hold)
    expect(log).toEqual(['woken'])
    expect(board.flags[3]).toBe(Stripe.deferred)
    board.open([3], () => log.push('behind'))
    board.arm(effect, () => log.push('effect'))
    expect(log).toEqual(['woken', 'effect', 'turn', 'behind'])
    expect([board.flags[3], board.openTickets]).toEqual([Stripe.free, 0])
  })
})

describe('dirty marks', () => {
  it('are counted: two keys of one stripe need two clearings', () => {
    const board = new OrderBoard()
    board.markDirty(9)
    board.markDirty(9)
    board.clearDirty(9)
    expect(board.flags[9]).toBe(Stripe.dirty)
    board.clearDirty(9)
    expect(board.flags[9]).toBe(Stripe.free)
  })

  it('leave an open ticket alone', () => {
    const board = new OrderBoard()
    const hold = board.hold([9])
    board.markDirty(9)
    board.clearDirty(9)
    expect(board.flags[9]).toBe(Stripe.closed)
    board.finish(hold)
  })
})

describe('a gate', () => {
  it('runs its barrier once no ticket is open, and lets those in who waited, in order', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const hold = board.hold([1])
    board.closeGate(() => log.push('barrier'))
    board.parkAtGate(parkedInto(log, 'a'))
    board.parkAtGate(parkedInto(log, 'b'))
    expect(board.gates).toBe(1)
    expect(log).toEqual([])
    board.finish(hold)
    expect(log).toEqual(['barrier'])
    board.openGate()
    expect(log).toEqual(['barrier', 'a', 'b'])
    expect(board.gates).toBe(0)
  })

  it('is there at once if nothing is open', () => {
    const board = new OrderBoard()
    let ran = false
    board.closeGate(() => {
      ran = true
    })
    expect(ran).toBe(true)
  })

  it('stays shut until the last barrier opens it', () => {
    const board = new OrderBoard()
    const log: string[] = []
    board.closeGate(() => undefined)
    board.closeGate(() => undefined)
    board.parkAtGate(parkedInto(log, 'a'))
    board.openGate()
    expect(log).toEqual([])
    board.openGate()
    expect(log).toEqual(['a'])
  })

  it('that is shut again by the first one let in keeps the others for the next opening', () => {
    const board = new OrderBoard()
    const log: string[] = []
    const again = (name: string) => ({
      unpark(): void {
        if (board.gates > 0) board.parkAtGate(again(name))
        else {
          log.push(name)
          board.closeGate(() => undefined)
        }
      },
    })
    board.closeGate(() => undefined)
    board.parkAtGate(again('a'))
    board.parkAtGate(again('b'))
    board.openGate()
    expect(log).toEqual(['a'])
    board.openGate()
    expect(log).toEqual(['a', 'b'])
  })
})
