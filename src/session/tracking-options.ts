/** The words of CLIENT TRACKING, read and judged in the order and with the texts of the servers (networking.c, clientTrackingCommand). */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'

export interface TrackingOptions {
  /** Another of Ferry's clients; 0 = none. */
  readonly redirect: number
  readonly bcast: boolean
  readonly optin: boolean
  readonly optout: boolean
  readonly noloop: boolean
  /** Latin1. Of BCAST only; sorted, as servers list them. One empty prefix stands for all keys. */
  readonly prefixes: readonly string[]
}

export interface TrackingRequest {
  readonly on: boolean
  readonly options: TrackingOptions
}

const syntaxError = 'ERR syntax error'

/** The request, or the text of the error. `exists`: whether there is a client of this id. */
export function readTracking(args: ArgView, exists: (id: number) => boolean): TrackingRequest | string {
  let redirect = 0
  const prefixes: string[] = []
  const words = new Set<string>()
  for (let i = 3; i < args.argc; i++) {
    const more = i + 1 < args.argc
    if (argIs(args, i, 'redirect') && more) {
      if (redirect !== 0) return 'ERR A client can only redirect to a single other client'
      redirect = argInteger(args, ++i)
      if (Number.isNaN(redirect)) return 'ERR value is not an integer or out of range'
      if (!exists(redirect)) return 'ERR The client ID you want redirect to does not exist'
    } else if (argIs(args, i, 'prefix') && more) prefixes.push(argBytes(args, ++i).toString('latin1'))
    else {
      const word = ['bcast', 'optin', 'optout', 'noloop'].find((known) => argIs(args, i, known))
      if (word === undefined) return syntaxError
      words.add(word)
    }
  }
  const on = argIs(args, 2, 'on')
  if (!on && !argIs(args, 2, 'off')) return syntaxError
  const [bcast, optin, optout, noloop] = ['bcast', 'optin', 'optout', 'noloop'].map((word) => words.has(word))
  return {
    on,
    options: {
      redirect,
      prefixes,
      bcast: bcast === true,
      optin: optin === true,
      optout: optout === true,
      noloop: noloop === true,
    },
  }
}

/** Why these options cannot be switched on, or null. `now`: what is on already. */
export function trackingProblem(wanted: TrackingOptions, now: TrackingOptions | null): string | null {
  const again = 'before disabling tracking for this client, and then re-enabling it with a different mode.'
  if (!wanted.bcast && wanted.prefixes.length > 0) return 'ERR PREFIX option requires BCAST mode to be enabled'
  if (now !== null && now.bcast !== wanted.bcast) return `ERR You can't switch BCAST mode on/off ${again}`
  if (wanted.bcast && (wanted.optin || wanted.optout)) return 'ERR OPTIN and OPTOUT are not compatible with BCAST'
  if (wanted.optin && wanted.optout) return "ERR You can't specify both OPTIN mode and OPTOUT mode"
  if (now !== null && ((wanted.optin && now.optout) || (wanted.optout && now.optin)))
    return `ERR You can't switch OPTIN/OPTOUT mode ${again}`
  return prefixProblem(wanted.prefixes, now?.prefixes ?? [])
}

function prefixProblem(given: readonly string[], known: readonly string[]): string | null {
  const overlap = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a)
  const rule = 'Prefixes for a single client must not overlap.'
  for (const [i, prefix] of given.entries()) {
    const existing = known.find((other) => overlap(prefix, other))
    if (existing !== undefined)
      return `ERR Prefix '${shown(prefix)}' overlaps with an existing prefix '${shown(existing)}'. ${rule}`
    const other = given.slice(i + 1).find((later) => overlap(prefix, later))
    if (other !== undefined)
      return `ERR Prefix '${shown(prefix)}' overlaps with another provided prefix '${shown(other)}'. ${rule}`
  }
  return null
}

const shown = (latin1: string): string => Buffer.from(latin1, 'latin1').toString()

/** What is on after `wanted` was switched on over `now`: modes are replaced, prefixes are added. */
export function mergedTracking(wanted: TrackingOptions, now: TrackingOptions | null): TrackingOptions {
  if (!wanted.bcast) return wanted
  const given = wanted.prefixes.length > 0 ? wanted.prefixes : ['']
  return { ...wanted, prefixes: [...new Set([...(now?.prefixes ?? []), ...given])].sort() }
}

/** CLIENT TRACKING ON for a server. `redirect`: the server's own id for the connection that takes the pushes; 0 = this one. */
export function trackingCommand(options: TrackingOptions, redirect: number): (string | Buffer)[] {
  const argv: (string | Buffer)[] = ['CLIENT', 'TRACKING', 'ON']
  if (redirect !== 0) argv.push('REDIRECT', String(redirect))
  if (options.bcast) argv.push('BCAST')
  if (options.optin) argv.push('OPTIN')
  if (options.optout) argv.push('OPTOUT')
  if (options.noloop) argv.push('NOLOOP')
  for (const prefix of options.prefixes) argv.push('PREFIX', Buffer.from(prefix, 'latin1'))
  return argv
}
