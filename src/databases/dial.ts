/** The way to a target whose databases are others than the source's. */
import type { DatabaseLayout } from '../routing/database-layout.ts'
import { openWire } from '../upstream/connect.ts'
import type { Endpoint } from '../upstream/endpoint.ts'
import { contextOf } from '../upstream/lane.ts'
import type { Dial } from '../upstream/wire.ts'
import { DatabaseWire } from './database-wire.ts'

/** `endpoint` leads to the server, or to the servers, as they are. */
export function dialWith(layout: DatabaseLayout, endpoint: Endpoint): Dial {
  return (options, connected, take) => {
    const wire = new DatabaseWire(layout, take)
    const reordered = (frame: Buffer, context: number): void => {
      const { frame: own, db } = wire.translator.restored(frame, context >> 2)
      options.reordered(own, contextOf(context & 3, db))
    }
    return wire.over(openWire(endpoint, { ...options, reordered }, connected, (chunk) => wire.took(chunk)))
  }
}
