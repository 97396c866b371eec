import { beforeEach, describe, expect, it } from 'vitest'
import { OrderBoard, Stripe } from '../../../src/dispatch/order-board.ts'
import { type Awaiting, WaitBoard } from '../../../src/dispatch/wait-board.ts'
import { stripeOf } from '../../../src/routing/stripe.ts'

const key = (text: string): Buffer => Buffer.from(text)
const stripe = (text: string, db = 0): number => stripeOf(key(text), 0, text.length, db)
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

let board: OrderBoard
let waits: WaitBoard
let tried: string[]
/** Elements that the next attempts find. */
let elements: number

class Waiter implements Awaiting {
  readonly #name: string

  constructor(name: string, keys: readonly string[], line: string | null = 'list', db = 0) {
    this.#name = name
    waits.join(this, db, keys.map(key), line)
  }

  async tryAgain(): Promise<boolean> {
    tried.push(this.#name)
    if (elements === 0) return false
    elements--
    waits.leave(this)
    return true
  }
}

beforeEach(() => {
  board = new OrderBoard()
  waits = new WaitBoard(board, 3, 4)
  tried = []
  elements = 0
})

describe('the wait board', () => {
  it('takes the writes of awaited keys off the hot path, for as long as somebody waits', () => {
    const [one, two] = [new Waiter('one', ['k']), new Waiter('two', ['k', 'l'])]
    expect([board.flags[stripe('k')], board.flags[stripe('l')], board.awaited]).toEqual([Stripe.awaited, Stripe.awaited, 2])
    waits.leave(two)
    expect([board.flags[stripe('k')], board.flags[stripe('l')]]).toEqual([Stripe.awaited, Stripe.free])
    waits.leave(one)
    waits.leave(one)
    expect([board.flags[stripe('k')], board.awaited, waits.clients, waits.keyCount]).toEqual([Stripe.free, 0, 0, 0])
  })

  it('keeps a stripe awaited through a hold and a dirty key', () => {
    new Waiter('one', ['k'])
    board.markDirty(stripe('k'))
    board.finish(board.hold([stripe('k')]))
    board.clearDirty(stripe('k'))
    expect(board.flags[stripe('k')]).toBe(Stripe.awaited)
  })

  it('tries the one that came first, and the next one only after a success', async () => {
    for (const name of ['one', 'two', 'three']) new Waiter(name, ['k'])
    waits.wake(0, key('k'))
    await turns()
    expect(tried).toEqual(['one'])
    elements = 2
    waits.wake(0, key('k'))
    await turns()
    expect([tried, waits.clients]).toEqual([['one', 'one', 'two', 'three'], 1])
  })

  it('does not try two of a line at a time; what is written meanwhile counts once more', async () => {
    new Waiter('one', ['k'])
    for (let i = 0; i < 3; i++) waits.wake(0, key('k'))
    expect(tried).toEqual(['one'])
    await turns()
    expect(tried).toEqual(['one', 'one'])
  })

  it('tries everybody who takes nothing away, and every line on its own', async () => {
    for (const [name, line] of [
      ['reader', null],
      ['list', 'list'],
      ['zset', 'zset'],
    ] as const)
      new Waiter(name, ['k'], line)
    waits.wake(0, key('k'))
    await turns()
    expect(tried.sort()).toEqual(['list', 'reader', 'zset'])
  })

  it('tries only who reads with a group where the key is gone', async () => {
    for (const [name, line] of [
      ['reader', null],
      ['list', 'list'],
      ['group', 'stream g'],
    ] as const)
      new Waiter(name, ['k'], line)
    waits.wakeGroups(0, key('k'))
    waits.wakeGroups(1, key('k'))
    await turns()
    expect(tried).toEqual(['group'])
  })

  it('knows its databases apart', () => {
    new Waiter('zero', ['k'])
    new Waiter('one', ['k'], 'list', 1)
    waits.wake(1, key('k'))
    expect([tried, waits.databasesOf(key('k')), waits.databasesOf(key('x'))]).toEqual([['one'], [0, 1], []])
  })

  it('is told of writes, of all keys where they are not known, and not by the attempts of waiters themselves', () => {
    new Waiter('one', ['k'])
    new Waiter('two', ['l'])
    waits.written([{ db: 0, key: key('x') }])
    waits.muted = true
    waits.written(null)
    expect(tried).toEqual([])
    waits.muted = false
    waits.written([{ db: 0, key: key('l') }])
    expect(tried).toEqual(['two'])
  })

  it('tells of everything it awaits', () => {
    new Waiter('one', ['k', 'l'])
    new Waiter('two', ['k'], 'list', 2)
    expect([...waits.keys()].map(({ db, key: name }) => `${db} ${name}`)).toEqual(['0 k', '2 k', '0 l'])
  })

  it('has room for so many clients and so many keys', () => {
    expect([waits.full(4), waits.full(5)]).toEqual([null, '4 keys may be waited for at a time'])
    for (const name of ['one', 'two', 'three']) new Waiter(name, ['k'])
    expect(waits.full(1)).toBe('3 clients may be blocked at a time')
  })
})
