import { until } from '../../../support/wait.ts'

/** Waits until a program has seen what it must see; its own limit, since a program may not hang where the other one does not. */
export const untilSeen = (what: string, condition: () => Promise<boolean> | boolean): Promise<true> =>
  until(condition, { what, intervalMs: 5, timeoutMs: 5_000 })
