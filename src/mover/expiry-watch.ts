/**
 * Two servers do not expire a key at the same instant. A write that falls between the two moments finds the key on one side and not on
 * the other, and both may answer alike. So whenever either side says that a key expired, the key is copied from the authority.
 *
 * The servers tell it by keyspace events (notify-keyspace-events must hold `E` and `x`; what is missing is switched on where allowed,
 * and put back at the end).
 */
import type { Redis } from 'ioredis'
import type { Core } from '../dispatch/core.ts'
import type { Side } from '../routing/modes.ts'
import { sides } from '../routing/modes.ts'
import { connectClient } from '../upstream/client-factory.ts'
import type { Endpoint } from '../upstream/endpoint.ts'

const setting = 'notify-keyspace-events'
const retryMs = 1_000

interface Watched {
  client: Redis | null
  /** What the server had before, where Ferry changed it. */
  former: string | null
  problem: string | null
  /** It has told expiries before. */
  heard: boolean
  /** Until it is tried again. */
  waits: boolean
}

export class ExpiryWatch {
  readonly #core: Core
  readonly #endpoints: Readonly<Record<Side, Endpoint>>
  readonly #watched: Record<Side, Watched> = {
    source: { client: null, former: null, problem: 'not connected yet', heard: false, waits: false },
    target: { client: null, former: null, problem: 'not connected yet', heard: false, waits: false },
  }
  #stopped = true

  constructor(core: Core, endpoints: Readonly<Record<Side, Endpoint>>) {
    this.#core = core
    this.#endpoints = endpoints
  }

  /** Why a side's expiries go unseen, per side that does not tell them. */
  problems(): string[] {
    return sides.flatMap((side) => {
      const { problem } = this.#watched[side]
      return problem === null ? [] : [`${side}: ${problem}`]
    })
  }

  /** Resolves when each side was tried once. Until it is heard, a side's expiries go unseen, unless its server itself refuses to tell. */
  async start(): Promise<void> {
    if (!this.#stopped) return
    this.#stopped = false
    for (const side of sides) this.#core.unseenExpiries.add(side)
    await Promise.all(sides.map((side) => this.#connect(side)))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const side of sides) {
      const { client, former } = this.#watched[side]
      this.#watched[side] = { client: null, former: null, problem: 'stopped', heard: false, waits: false }
      client?.disconnect()
      if (former !== null) await this.#restore(side, former)
    }
  }

  async #connect(side: Side): Promise<void> {
    const watched = this.#watched[side]
    let client: Redis | null = null
    try {
      const admin = await connectClient(this.#endpoints[side], 'expiry-setting')
      try {
        watched.former ??= await switchOn(admin)
      } finally {
        admin.disconnect()
      }
      client = await connectClient(this.#endpoints[side], 'expiry-watch')
      if (this.#stopped) {
        client.disconnect()
        return
      }
      // It may have gone since it was ready, which nobody will tell any more.
      if (client.status !== 'ready') throw new Error('the connection was lost')
      const ready = client
      watched.client = ready
      client.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer | string, key: Buffer) =>
        this.#expired(String(channel), key),
      )
      client.on('close', () => this.#lost(side, ready))
      await client.psubscribe('__keyevent@*__:expired')
      watched.problem = null
      watched.heard = true
      this.#core.unseenExpiries.delete(side)
    } catch (error) {
      client?.disconnect()
      watched.client = null
      watched.problem = (error as Error).message
      // It was never told, and status says so: to copy whatever is written would never end.
      if (!watched.heard && (error as Error).name === 'ReplyError') this.#core.unseenExpiries.delete(side)
      this.#again(side)
    }
  }

  #expired(channel: string, key: Buffer): void {
    const { traffic, journal } = this.#core
    if (!traffic.mirrored) return
    const db = Number(/^__keyevent@(\d+)__/.exec(channel)?.[1] ?? 0)
    journal.mark(db, key, journal.truthOf(db, key) ?? traffic.authority, 'it expired on one side')
  }

  /** A write that meets an expiry from now on is not told of: until the watch is back, every write is in doubt. */
  #lost(side: Side, client: Redis): void {
    if (this.#stopped || this.#watched[side].client !== client) return
    client.disconnect()
    this.#watched[side].client = null
    this.#watched[side].problem = 'the connection was lost'
    this.#core.unseenExpiries.add(side)
    this.#core.events.record(
      'side',
      `expiries on ${side} go unseen: what is written until they are seen again is copied afterwards`,
    )
    this.#again(side)
  }

  /** Whoever is lost while it is being set up is told of twice. */
  #again(side: Side): void {
    const watched = this.#watched[side]
    if (watched.waits) return
    watched.waits = true
    setTimeout(() => {
      watched.waits = false
      if (!this.#stopped && this.#watched[side].client === null) void this.#connect(side)
    }, retryMs).unref()
  }

  async #restore(side: Side, former: string): Promise<void> {
    try {
      const admin = await connectClient(this.#endpoints[side], 'expiry-setting')
      await admin.config('SET', setting, former)
      admin.disconnect()
    } catch {
      this.#core.events.record('side', `${setting} on ${side} could not be put back to '${former}'`)
    }
  }
}

/** Adds what is missing; returns what was there before if something was, else null. */
async function switchOn(admin: Redis): Promise<string | null> {
  const answer = (await admin.config('GET', setting)) as unknown as string[]
  const former = answer[1] ?? ''
  const classes = former.includes('A') || former.includes('x')
  if (former.includes('E') && classes) return null
  await admin.config('SET', setting, `${former}${former.includes('E') ? '' : 'E'}${classes ? '' : 'x'}`)
  return former
}
