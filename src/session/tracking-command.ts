/** CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO, with the texts of the servers. */
import { type ArgView, argIs } from '../commands/arg-view.ts'
import type { Sent } from '../dispatch/frame.ts'
import { ReplySlot } from '../dispatch/reply-queue.ts'
import { wireError } from '../errors.ts'
import { encodeArray, encodeBulk, encodeError, encodeInteger, encodeMap, encodeSet, replies } from '../resp/encode.ts'
import { answer } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import { Tracking } from './tracking.ts'
import { readTracking, type TrackingOptions, trackingProblem } from './tracking-options.ts'

/** How long the connection of a client's own may take to be made. */
const linkMs = 5_000

export function switchTracking(session: ClientSession, args: ArgView): Sent {
  const request = readTracking(args, (id) => session.shared.sessions.has(id))
  if (typeof request === 'string') return answer(session, encodeError(request))
  const { tracking } = session
  if (!request.on) {
    if (tracking !== null && tracking.inFlight > 0) return 'parked'
    endTracking(session)
    return answer(session, replies.ok)
  }
  const problem = trackingProblem(request.options, tracking?.options ?? null)
  if (problem !== null) return answer(session, encodeError(problem))
  if (tracking === null) return begin(session, request.options)
  tracking.change(request.options)
  return answer(session, replies.ok)
}

/** Nothing behind it is looked at until the server tracks: the next read is one that the client may keep. */
function begin(session: ClientSession, options: TrackingOptions): Sent {
  const { trackings } = session.shared
  const slot = new ReplySlot()
  const tracking = new Tracking(session, options)
  session.replies.push(slot)
  session.tracking = tracking
  trackings.add(tracking)
  session.holdBack()
  const settled = (bytes: Buffer | null): void => {
    clearTimeout(timer)
    if (session.tracking !== tracking) return
    if (bytes !== null) endTracking(session)
    const reply = bytes ?? replies.ok
    session.replies.deliver(slot, reply, 0, reply.length, true)
    session.goOn()
  }
  const late = (): void => settled(wireError('authority-unavailable', 'the connection for CLIENT TRACKING could not be made'))
  const timer = setTimeout(late, linkMs)
  tracking.open((error) => queueMicrotask(() => settled(error === null ? null : encodeError(error))))
  return 'sent'
}

export function endTracking(session: ClientSession): void {
  const { tracking } = session
  if (tracking === null) return
  session.tracking = null
  session.shared.trackings.delete(tracking)
  tracking.close()
}

export function caching(session: ClientSession, args: ArgView): Sent {
  const { tracking } = session
  const problem = cachingProblem(tracking, args)
  if (problem !== null || tracking === null) return answer(session, encodeError(problem ?? 'ERR syntax error'))
  tracking.caching = true
  tracking.elsewhere = true
  return answer(session, replies.ok)
}

function cachingProblem(tracking: Tracking | null, args: ArgView): string | null {
  if (tracking === null) {
    return 'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled'
  }
  const only = (word: string, mode: string): string =>
    `ERR CLIENT CACHING ${word} is only valid when tracking is enabled in ${mode} mode.`
  if (argIs(args, 2, 'yes')) return tracking.options.optin ? null : only('YES', 'OPTIN')
  if (argIs(args, 2, 'no')) return tracking.options.optout ? null : only('NO', 'OPTOUT')
  return 'ERR syntax error'
}

export const redirectOf = (session: ClientSession): number => session.tracking?.options.redirect ?? -1

export function trackingInfo(session: ClientSession): Buffer {
  const { tracking, protocol } = session
  const prefixes = (tracking?.options.prefixes ?? []).map((prefix) => encodeBulk(Buffer.from(prefix, 'latin1')))
  return encodeMap(
    [
      encodeBulk('flags'),
      encodeSet(
        flagsOf(tracking).map((flag) => encodeBulk(flag)),
        protocol,
      ),
      encodeBulk('redirect'),
      encodeInteger(redirectOf(session)),
      encodeBulk('prefixes'),
      encodeArray(prefixes),
    ],
    protocol,
  )
}

function flagsOf(tracking: Tracking | null): string[] {
  if (tracking === null) return ['off']
  const { bcast, optin, optout, noloop } = tracking.options
  const flags: readonly (readonly [boolean, string])[] = [
    [true, 'on'],
    [bcast, 'bcast'],
    [optin, 'optin'],
    [optin && tracking.caching, 'caching-yes'],
    [optout, 'optout'],
    [optout && tracking.caching, 'caching-no'],
    [noloop, 'noloop'],
    [tracking.brokenRedirect, 'broken_redirect'],
  ]
  return flags.filter(([set]) => set).map(([, name]) => name)
}
