/**
 * A connection of its own to the one server that has a name, for what has to reach it as it is written: a wire to several servers, or to
 * other databases, reads each command whole first.
 */
import { encodeCommand } from '../../resp/encode.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { redirectionOf } from '../../routing/slot-map.ts'
import { type Endpoint, endpointAt } from '../../upstream/endpoint.ts'
import { contextOf, type Lane } from '../../upstream/lane.ts'
import { exchange, TransferLost } from '../key-transfer.ts'

/** How often it is sent on to another server before that is what it says. */
export const redirectionsMax = 5

export interface DirectWay {
  /** Connected, and nobody else's. Whoever has it closes it. */
  readonly lane: Lane
  readonly db: number
  /** What the name is there. */
  readonly name: Buffer
}

/**
 * The server's words where it would not take the name: also where its slot is on its way to another server, since what is written there
 * cannot take the place of a key that may still be here. Rejects with TransferLost where there is no connection to be had.
 */
export async function directWay(to: Lane, db: number, name: Buffer): Promise<DirectWay | string> {
  const { endpoint } = to
  if (endpoint.placeOf === null) return { lane: await connected(to, endpoint), db, name }
  const place = endpoint.placeOf(db, name)
  if (place === null) throw new TransferLost(`${to.side}: nobody serves the slot of this key`)
  let at = place.endpoint
  for (let redirections = 0; ; redirections++) {
    const way = { lane: await connected(to, at), db: place.db, name: place.key }
    const error = endpoint.kind === 'cluster' ? await refusalOf(way) : null
    if (error === null) return way
    way.lane.close()
    const elsewhere = redirectionOf(`-${error}`)
    if (elsewhere?.kind !== 'moved' || redirections === redirectionsMax) return error
    at = endpointAt(at, elsewhere.host || at.host, elsewhere.port)
  }
}

/** Rejects where it fails the first time: whoever copies tries again anyway. */
function connected(like: Lane, endpoint: Endpoint): Promise<Lane> {
  return new Promise((resolve, reject) => {
    const lane = like.siblingAt(endpoint, {
      laneUp: () => resolve(lane),
      laneDown: (_lane, error) => {
        lane.close()
        reject(new TransferLost(`${like.side}: ${error.message}`))
      },
    })
    lane.connect()
  })
}

/** A command on the name that costs nothing, ahead of one that may have some hundred megabytes. */
async function refusalOf({ lane, db, name }: DirectWay): Promise<string | null> {
  const exists = encodeCommand(['EXISTS', name])
  return new ReplyCursor(await exchange(lane, contextOf(2, db), 1, (to) => to.write(exists, 0, exists.length))).firstError()
}
