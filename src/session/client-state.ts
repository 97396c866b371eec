/**
 * What is known of one client, and what it has set up: everything that its commands change, beside the flow of its bytes, which is
 * session.ts.
 */
import type { Socket } from 'node:net'
import type { CommandSpec } from '../commands/spec.ts'
import type { LanePair } from '../dispatch/lane-pair.ts'
import { contextOf } from '../upstream/lane.ts'
import type { ClientHints } from './client-session.ts'
import type { BlockedWait, ReplicaWait, WatchedKeys } from './client-waits.ts'
import type { SessionContext } from './session-context.ts'
import type { ClientSubscriptions } from './subscribers.ts'
import type { Tracking } from './tracking.ts'
import type { Transaction } from './transaction-queue.ts'

/** The part of a `ClientSession` that is no more than kept; what each field means stands there. */
export abstract class ClientState {
  readonly id: number
  readonly socket: Socket
  readonly shared: SessionContext
  readonly connectedAtMs = Date.now()
  pair: LanePair
  db = 0
  protocol = 2
  context = contextOf(2, 0)
  name = ''
  user = 'default'
  library = ''
  libraryVersion = ''
  readonly hints: ClientHints = { noEvict: false, noTouch: false, redirects: false, debugs: false }
  transaction: Transaction | null = null
  watch: WatchedKeys | null = null
  replicaWait: ReplicaWait | null = null
  blocked: BlockedWait | null = null
  tracking: Tracking | null = null
  subscriptions: ClientSubscriptions | null = null
  lastCommand: CommandSpec | null = null

  constructor(shared: SessionContext, socket: Socket, id: number, pair: LanePair) {
    this.shared = shared
    this.socket = socket
    this.id = id
    this.pair = pair
    pair.clients++
  }

  get watching(): boolean {
    return this.watch !== null
  }

  get tenant(): string {
    return this.name === '' ? this.user : this.name
  }

  setContext(protocol: number, db: number): void {
    this.protocol = protocol
    this.db = db
    this.context = contextOf(protocol, db)
  }

  moveTo(pair: LanePair): void {
    this.pair.clients--
    this.pair = pair
    pair.clients++
  }
}
