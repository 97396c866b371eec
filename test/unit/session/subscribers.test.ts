/** The one thing that every subscriber depends on at a flip: when what is prepared, fenced and moved, and who has to wait meanwhile. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Core } from '../../../src/dispatch/core.ts'
import { EventLog } from '../../../src/observe/events.ts'
import { prepareMs, type Subscriber, Subscribers } from '../../../src/session/subscribers.ts'

const never = new Promise<void>(() => undefined)

class FakeSubscriber implements Subscriber {
  readonly log: string[] = []
  preparing: Promise<void> = Promise.resolve()
  fencing: Promise<void> = Promise.resolve()
  moves = true

  prepare(side: string): Promise<void> {
    this.log.push(`prepare ${side}`)
    return this.preparing
  }

  fence(): Promise<void> {
    this.log.push('fence')
    return this.fencing
  }

  flipped(): boolean {
    this.log.push('flipped')
    return this.moves
  }

  standDown(): void {
    this.log.push('stand down')
  }
}

let events: EventLog
let subscribers: Subscribers

beforeEach(() => {
  vi.useFakeTimers()
  events = new EventLog()
  subscribers = new Subscribers({ events } as unknown as Core)
})

afterEach(() => {
  vi.useRealTimers()
})

function joined(changes: Partial<FakeSubscriber> = {}): FakeSubscriber {
  const subscriber = Object.assign(new FakeSubscriber(), changes)
  subscribers.add(subscriber)
  return subscriber
}

describe('subscribers at a flip', () => {
  it('waits for the other side only so long', async () => {
    joined({ preparing: never })
    let done = false
    const prepared = subscribers.prepare('target').then(() => {
      done = true
    })
    expect(subscribers.next).toBe('target')
    await vi.advanceTimersByTimeAsync(prepareMs - 1)
    expect(done).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await prepared
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is fenced when everybody is, and lets nobody change subscriptions until it is over', async () => {
    let arrive = (): void => undefined
    joined()
    joined({
      fencing: new Promise((resolve) => {
        arrive = resolve
      }),
    })
    const order: string[] = []
    subscribers.whenOpen(() => order.push('before'))
    const fenced = subscribers.fence().then(() => order.push('fenced'))
    subscribers.whenOpen(() => order.push('after'))
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(['before'])
    arrive()
    await fenced
    subscribers.flipped('target')
    expect(order).toEqual(['before', 'fenced'])
    subscribers.unfence()
    subscribers.unfence()
    expect(order).toEqual(['before', 'fenced', 'after'])
  })

  it('tells how many moved and how many had to be closed', () => {
    joined()
    joined({ moves: false })
    subscribers.flipped('target')
    expect(events.since(0).map(({ message, data }) => ({ message, data }))).toEqual([
      { message: 'subscriptions moved to the new authority', data: { authority: 'target', moved: 1, closed: 1 } },
    ])
  })

  it('gives up what was prepared when the attempt is over', async () => {
    const [staying, gone] = [joined(), joined()]
    await subscribers.prepare('source')
    subscribers.remove(gone)
    subscribers.over()
    expect(subscribers.next).toBeNull()
    expect([staying.log, gone.log]).toEqual([['prepare source', 'stand down'], ['prepare source']])
  })
})
