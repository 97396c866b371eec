/** Every limit of the throttle off: for tests on a machine that others keep busy, which a mover that heeds live traffic would wait for. */
import { type ThrottleLimits, throttleLimitNames } from '../../src/throttle-limits.ts'

export const unthrottled = Object.fromEntries(throttleLimitNames.map((name) => [name, 0])) as ThrottleLimits
