/** A client's command onto a lane, as it came: whole, or in pieces where it is large. */
import type { Lane } from '../upstream/lane.ts'
import type { Waiter } from '../upstream/waiter.ts'
import type { Core } from './core.ts'
import type { Frame } from './frame.ts'

export function putFrame(core: Core, lane: Lane, context: number, frame: Frame, waiter: Waiter): void {
  lane.prepare(context)
  core.counters.sides[lane.side].commands++
  if (frame.pieces === null) lane.send(frame.buf, frame.start, frame.end, waiter, 1)
  else lane.sendPieces(frame.pieces, waiter)
}
