/**
 * Changes as keyspace notifications tell them. Unlike client tracking they name the database and the changes of stream groups that have an
 * event (not XACK, XREADGROUP and XCLAIM), and they need a setting of the server, which is changed only where that is asked for. FLUSHALL,
 * FLUSHDB and SWAPDB have no event.
 */
import type { Redis } from 'ioredis'
import { FerryError } from '../errors.ts'
import { connectClient } from '../upstream/client-factory.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import type { ChangeFeed, ChangeListener } from './change-feed.ts'

const setting = 'notify-keyspace-events'
/** What `A` stands for, without what tells of no change. A module's `d` is not known to every version. */
const classes = 'g$lshzxet'
const retryMs = 1_000
/** A channel's name up to where the event (`E`), or the key (`K`), begins. */
const events = { flag: 'E', pattern: '__keyevent@*__:*', head: /^__keyevent@(\d+)__:/ }
const keys = { flag: 'K', pattern: '__keyspace@*__:*', head: /^__keyspace@(\d+)__:/ }

/** Which characters the setting lacks for every change to be told; '' = none. */
export function lackingIn(value: string): string {
  const channel = /[KE]/.test(value) ? '' : 'E'
  return channel + (value.includes('A') ? '' : [...classes].filter((name) => !value.includes(name)).join(''))
}

export class NotificationFeed implements ChangeFeed {
  readonly tellsFlush = false
  readonly #endpoint: Endpoint
  readonly #listener: ChangeListener
  readonly #maySet: boolean
  #admin: Redis | null = null
  #client: Redis | null = null
  /** What was there before Ferry changed it. */
  #former: string | null = null
  /** False where the server does not say how it is set: then nobody knows whether everything is told. */
  #canRead = true
  #patterns = [events.pattern, keys.pattern]
  #stopped = false

  /** `maySet`: what the setting lacks is switched on, and put back by `stop`. */
  constructor(endpoint: Endpoint, listener: ChangeListener, maySet: boolean) {
    this.#endpoint = endpoint
    this.#listener = listener
    this.#maySet = maySet
  }

  async start(): Promise<void> {
    this.#admin = await connectClient(this.#endpoint, 'live-setting')
    await this.#prepare(this.#admin)
    await this.#listen()
  }

  async caughtUp(): Promise<void> {
    const client = this.#client
    if (client === null || this.#admin === null) throw new Error('the connection was lost')
    // The answer stands behind every message of what was done before.
    await client.ping()
    if (!this.#canRead) return
    const lacking = lackingIn(await this.#read(this.#admin))
    if (lacking !== '') throw new FerryError('blocked', `source: somebody took ${lacking} out of ${setting}: changes go unseen`)
  }

  cut(reason: string): void {
    const client = this.#client
    if (client !== null) this.#lost(client, reason)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#client?.disconnect()
    this.#client = null
    const former = this.#former
    this.#former = null
    if (former !== null) await this.#admin?.config('SET', setting, former).catch(() => undefined)
    this.#admin?.disconnect()
    this.#admin = null
  }

  async #read(admin: Redis): Promise<string> {
    return ((await admin.config('GET', setting)) as unknown as string[])[1] ?? ''
  }

  async #prepare(admin: Redis): Promise<void> {
    let value: string
    try {
      value = await this.#read(admin)
    } catch {
      this.#canRead = false
      return
    }
    const lacking = lackingIn(value)
    // One of the two says it all.
    this.#patterns = [value.includes(keys.flag) && !value.includes(events.flag) ? keys.pattern : events.pattern]
    if (lacking === '') return
    if (!this.#maySet)
      throw new FerryError(
        'blocked',
        `source: ${setting} is '${value}' and lacks ${lacking}: set it (CONFIG SET ${setting} AE), allow Ferry to by --set-notifications, or use --live tracking`,
      )
    await admin.config('SET', setting, value + lacking)
    this.#former = value
  }

  /** Whether it is known that everything is told. */
  get isChecked(): boolean {
    return this.#canRead
  }

  async #listen(): Promise<void> {
    const client = await connectClient(this.#endpoint, 'live')
    this.#client = client
    client.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer, message: Buffer) => this.#told(Buffer.from(channel), message))
    client.on('close', () => this.#lost(client, 'the connection was lost'))
    await client.psubscribe(...this.#patterns)
    if (this.#client === client) this.#listener.listening()
  }

  #told(channel: Buffer, message: Buffer): void {
    const name = channel.toString('latin1')
    const byEvent = events.head.exec(name)
    const [head, db] = byEvent ?? keys.head.exec(name) ?? []
    if (head === undefined) return
    const rest = channel.subarray(head.length)
    const [key, event] = byEvent === null ? [rest, message] : [message, rest]
    // That one tells of a read.
    if (String(event) !== 'keymiss') this.#listener.changed(Number(db), [key])
  }

  #lost(client: Redis, reason: string): void {
    if (this.#stopped || this.#client !== client) return
    this.#client = null
    client.disconnect()
    this.#listener.deaf(reason)
    this.#again()
  }

  #again(): void {
    setTimeout(() => {
      if (this.#stopped || this.#client !== null) return
      this.#listen().catch(() => {
        this.#client?.disconnect()
        this.#client = null
        this.#again()
      })
    }, retryMs).unref()
  }
}
