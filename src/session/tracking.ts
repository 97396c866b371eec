/**
 * CLIENT TRACKING of one client: what is on, over which connection its reads go meanwhile, and how the server's invalidations reach it.
 *
 * One rule carries it: a value that the client may keep was read over the connection that its invalidation would come by. Whatever is
 * read otherwise (in a transaction, by a script, while the connection is being made again) is invalidated right after its reply. One
 * invalidation too many costs a read; one too few would be a stale value for ever.
 */
import type { DbKey } from '../dispatch/command-keys.ts'
import type { Core } from '../dispatch/core.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import type { ReplyQueue } from '../dispatch/reply-queue.ts'
import { encodeBulk } from '../resp/encode.ts'
import type { Side } from '../routing/modes.ts'
import { TrackingLink } from './tracking-link.ts'
import { mergedTracking, type TrackingOptions } from './tracking-options.ts'

const invalidateHead = Buffer.from('>2\r\n$10\r\ninvalidate\r\n')
const messageHead = Buffer.from('*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n')
const allKeys3 = Buffer.from('_\r\n')
const allKeys2 = Buffer.from('$-1\r\n')
/** Keys that a transaction may have read before it counts as having read everything. */
const readKeysMax = 1_000

/** What tracking needs of its client. */
interface TrackingClient {
  readonly pair: LanePair
  readonly protocol: number
  readonly replies: ReplyQueue
  readonly shared: {
    readonly core: Core
    readonly sessions: ReadonlyMap<number, { receiveInvalidation(keys: Buffer | null): void }>
  }
}

export class Tracking {
  readonly #session: TrackingClient
  options: TrackingOptions
  /** CLIENT CACHING was said, and the command that it is about has not come. */
  caching = false
  /** The client that the invalidations were to go to is gone. */
  brokenRedirect = false
  /** Reads on the own connection without a reply; nothing else of this client is sent meanwhile. */
  inFlight = 0
  /** Something of this client went over the shared lane since the own connection was last used. */
  elsewhere = true
  /** Null where nothing could be told: RESP2 without REDIRECT. */
  link: TrackingLink | null = null
  /** For the flip that is being prepared. */
  #next: TrackingLink | null = null
  /** What the open transaction has read; null = more than is kept. */
  #readKeys: Buffer[] | null = []
  #onSettled: ((error: string | null) => void) | null = null
  /** Invalidations for after the replies that are owed now, where they go to another client. */
  #owed: Buffer[] = []

  constructor(session: TrackingClient, options: TrackingOptions) {
    this.#session = session
    this.options = mergedTracking(options, null)
  }

  /** Whether this client's commands have to come past here one by one. */
  get steers(): boolean {
    return this.inFlight > 0 || this.caching || (this.needed && !this.options.bcast && (!this.options.optin || this.caching))
  }

  /** Whether the client can be told anything. */
  get needed(): boolean {
    return this.options.redirect !== 0 || this.#session.protocol === 3
  }

  /** Whether the command that comes next is one whose keys are to be tracked. */
  get remembers(): boolean {
    const { bcast, optin, optout } = this.options
    return this.needed && !bcast && !(optin && !this.caching) && !(optout && this.caching)
  }

  /** Opens the connection; `settled` hears that tracking is on, or the server's error. Only the first time. */
  open(settled: (error: string | null) => void): void {
    this.#onSettled = settled
    if (this.needed) this.#connect()
    else this.#settle(null)
  }

  change(options: TrackingOptions): void {
    this.options = mergedTracking(options, this.options)
    this.brokenRedirect = false
    this.link?.reconfigure(options, this.options)
    this.refresh()
  }

  /** The client's user or protocol may have changed. What was tracked over the former connection is forgotten with it. */
  refresh(): void {
    const { pair, shared, protocol } = this.#session
    if (!this.needed || this.link?.fits(pair, shared.core.traffic.authority, protocol)) return
    this.link?.close()
    this.#connect()
    this.invalidate(null)
  }

  close(): void {
    this.link?.close()
    this.#next?.close()
    this.link = null
    this.#next = null
    this.#onSettled = null
  }

  /** Makes a connection to the side that is about to become the authority; resolves whether or not it is ready. */
  async prepare(authority: Side, limitMs: number): Promise<void> {
    if (this.link === null) return
    const { pair, protocol } = this.#session
    if (this.#next?.fits(pair, authority, protocol) !== true) {
      this.#next?.close()
      this.#next = this.#linkTo(authority)
    }
    const next = this.#next
    const deadlineMs = performance.now() + limitMs
    while (!next.ready && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  flipped(): void {
    const { pair, shared, protocol } = this.#session
    const side = shared.core.traffic.authority
    if (this.link === null || this.link.side === side) return
    this.link.close()
    this.elsewhere = true
    const next = this.#next
    this.#next = null
    this.link = next?.fits(pair, side, protocol) ? next : null
    if (this.link === null) {
      next?.close()
      this.#connect()
    }
    this.invalidate(null)
  }

  discardNext(): void {
    this.#next?.close()
    this.#next = null
  }

  /** Notes keys that a transaction reads. */
  noteRead(keys: readonly DbKey[] | null): void {
    if (keys === null || this.#readKeys === null || this.#readKeys.length + keys.length > readKeysMax) this.#readKeys = null
    else this.#readKeys.push(...keys.map(({ key }) => Buffer.from(key)))
  }

  /** The transaction is over; `ran`: its reads were answered, or will be. */
  endTransaction(ran: boolean): void {
    const keys = this.#readKeys
    this.#readKeys = []
    if (ran && (keys === null || keys.length > 0)) this.invalidateAfter(keys)
  }

  /** The client must not keep what the replies that are owed now say of these keys; null = of any. */
  invalidateAfter(keys: readonly Buffer[] | null): void {
    if (!this.needed || keys?.length === 0) return
    const payload = payloadOf(keys)
    const { replies } = this.#session
    if (this.options.redirect === 0) replies.follow(Buffer.concat([invalidateHead, payload ?? allKeys3]))
    else if (replies.length === 0) this.#tell(payload)
    else this.#owed.push(payload ?? allKeys3)
  }

  /** Every reply is out. */
  drained(): void {
    const owed = this.#owed
    if (owed.length === 0) return
    this.#owed = []
    for (const payload of owed) this.#tell(payload === allKeys3 ? null : payload)
  }

  /** At once; null = all keys. */
  invalidate(keys: readonly Buffer[] | null): void {
    this.#tell(payloadOf(keys))
  }

  #connect(): void {
    this.elsewhere = true
    this.link = this.#linkTo(this.#session.shared.core.traffic.authority)
  }

  #linkTo(side: Side): TrackingLink {
    const { pair, protocol } = this.#session
    const link: TrackingLink = new TrackingLink(pair, side, protocol, this.options, {
      ready: () => this.#ready(link),
      refused: (error) => link === this.link && this.#settle(error),
      down: () => link === this.link && this.invalidate(null),
      pushed: (push) => link === this.link && this.#tell(push.subarray(invalidateHead.length)),
    })
    return link
  }

  #ready(link: TrackingLink): void {
    if (link !== this.link) return
    // In this mode the client keeps what it reads over any connection: changes may have gone unheard until now.
    if (this.options.bcast && this.#onSettled === null) this.invalidate(null)
    this.#settle(null)
  }

  #settle(error: string | null): void {
    const settled = this.#onSettled
    this.#onSettled = null
    settled?.(error)
  }

  /** `payload`: an array of keys as RESP, or null for all keys. */
  #tell(payload: Buffer | null): void {
    const session = this.#session
    const all = payload === null || payload.equals(allKeys3)
    const { redirect } = this.options
    if (redirect === 0) {
      if (session.protocol === 3) session.replies.interject(Buffer.concat([invalidateHead, all ? allKeys3 : payload]))
      return
    }
    const other = session.shared.sessions.get(redirect)
    if (other !== undefined) {
      other.receiveInvalidation(all ? null : payload)
      return
    }
    this.brokenRedirect = true
    if (session.protocol === 3) {
      session.replies.interject(Buffer.from(`>2\r\n$21\r\ntracking-redir-broken\r\n:${redirect}\r\n`))
    }
  }
}

/** An invalidation for a client that another one redirects to, in the client's own protocol; null where it can take none. */
export function redirectedInvalidation(keys: Buffer | null, protocol: number, subscribed: boolean): Buffer | null {
  if (protocol === 3) return Buffer.concat([invalidateHead, keys ?? allKeys3])
  return subscribed ? Buffer.concat([messageHead, keys ?? allKeys2]) : null
}

function payloadOf(keys: readonly Buffer[] | null): Buffer | null {
  if (keys === null) return null
  return Buffer.concat([Buffer.from(`*${keys.length}\r\n`), ...keys.map((key) => encodeBulk(key))])
}
