/** The limits of the mover on the command line: `ferry mover set` has all of them, `ferry copy` those that mean something beside no clients. */
import type { Command } from 'commander'
import type { MoverLimits } from '../mover/progress.ts'
import { type ThrottleLimitName, throttleLimitNames, throttleLimits } from '../throttle-limits.ts'
import { fromZero, wholeNumber } from './numbers.ts'

type LimitName = keyof MoverLimits

/** By the name of the limit: what it means. */
const wholeLimits = {
  keysPerSecondMax: 'at most; 0 = unlimited',
  bytesPerSecondMax: 'of values, at most; 0 = unlimited',
  batchKeys: 'keys copied in one round trip',
  batchBytes: 'a batch is closed early when its values reach this',
  batchesInFlight: 'batches under way at once',
} as const satisfies Partial<Record<LimitName, string>>
export const moverLimitNames = Object.keys(wholeLimits) as (keyof typeof wholeLimits)[]

/** What a server tells of itself; the others are about what clients feel. */
export const serverLimitNames: readonly ThrottleLimitName[] = [
  'serverCpuPercentMax',
  'replicationLagSecondsMax',
  'targetMemoryPercentMax',
  'targetEvictionsPerSecondMax',
  'laneBufferBytesMax',
]

/** As the option is named in code; `--keys-per-second` sets keysPerSecondMax. */
const optionName = (limit: LimitName): string => limit.replace(/Max$/, '')
const flagOf = (limit: LimitName): string => `--${optionName(limit).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

export function withMoverLimits(command: Command, throttles: readonly ThrottleLimitName[]): Command {
  for (const name of moverLimitNames) command.option(`${flagOf(name)} <n>`, wholeLimits[name], wholeNumber)
  for (const name of throttles) command.option(`${flagOf(name)} <n>`, throttleLimits[name].help, fromZero)
  return command
}

/** Those that were named. */
export function moverLimitsOf(options: object): Partial<MoverLimits> {
  const named = options as Readonly<Record<string, number | undefined>>
  return Object.fromEntries(
    [...moverLimitNames, ...throttleLimitNames]
      .map((name) => [name, named[optionName(name)]] as const)
      .filter(([, value]) => value !== undefined),
  )
}
