/**
 * What neither way of noticing tells, found out by how often the source ran certain commands (`INFO commandstats`, where commands of
 * scripts and transactions count as well). That it was done is known then, not to which key.
 */

export interface CommandCounts {
  /** FLUSHALL and FLUSHDB. */
  readonly flush: string
  readonly swap: string
  /** Change a stream's groups or last id, and nothing else of it. */
  readonly groups: string
  /** XGROUP: may take a stream's last group away. */
  readonly group: string
  readonly functions: string
}

const patterns: Readonly<Record<keyof CommandCounts, RegExp>> = {
  flush: /^cmdstat_flush(?:all|db):calls=\d+/gm,
  swap: /^cmdstat_swapdb:calls=\d+/gm,
  groups: /^cmdstat_(?:xreadgroup|xack|xackdel|xnack|xclaim|xautoclaim|xsetid|xgroup[^:]*):calls=\d+/gm,
  group: /^cmdstat_xgroup[^:]*:calls=\d+/gm,
  functions: /^cmdstat_function[^:]*:calls=\d+/gm,
}

/** Two of these are equal where none of the commands ran in between. @param info the section `commandstats` */
export function commandCounts(info: string): CommandCounts {
  const counted = Object.entries(patterns).map(([name, pattern]) => [name, [...info.matchAll(pattern)].sort().join()])
  return Object.fromEntries(counted) as Record<keyof CommandCounts, string>
}
