/** What it means that a server did not take a key: how it is tried again, whether anything else would fare better, what a person can do. */

export interface FailurePolicy {
  /** Tries before the key goes to the error queue. Null: every key would fare alike, so the mover waits until one is taken again. */
  readonly attemptsMax: number | null
  /** The wait after the first refusal; each further one waits twice as long, up to the most. */
  readonly firstWaitMs: number
  readonly mostWaitMs: number
  readonly meaning: string
  readonly advice: string
}

export const failureClasses = [
  'target-out-of-memory',
  'read-only',
  'not-ready',
  'no-access',
  'no-permission',
  'busy-key',
  'type-changed',
  'conflict',
  'payload-refused',
  'unsupported-value',
  'too-large',
  'try-again',
  'lost',
  'unknown',
] as const
export type FailureClass = (typeof failureClasses)[number]

const waiting = { attemptsMax: null, firstWaitMs: 100, mostWaitMs: 1_000 } as const

export const failurePolicies: Readonly<Record<FailureClass, FailurePolicy>> = {
  'target-out-of-memory': {
    ...waiting,
    meaning: 'the server is at its memory limit and may evict nothing',
    advice: 'Free memory, raise maxmemory, or choose an eviction policy.',
  },
  'read-only': {
    ...waiting,
    meaning: 'the server takes no writes',
    advice: 'Make it a primary again, or give it the replicas or the disk that it asks for.',
  },
  'not-ready': {
    ...waiting,
    meaning: 'the server answers nobody for the moment',
    advice: 'It loads its data, runs a script or waits for its primary. Wait, or end the script.',
  },
  'no-access': {
    ...waiting,
    meaning: 'the user may not run the commands that copying needs',
    advice: 'Give the user SCAN, DUMP, RESTORE, DEL, PEXPIRETIME and the commands of each type, or other credentials.',
  },
  'no-permission': {
    attemptsMax: 3,
    firstWaitMs: 100,
    mostWaitMs: 1_000,
    meaning: 'the user may not touch this key',
    advice: 'Add the key to the patterns of the user, then replay; or skip it.',
  },
  'busy-key': {
    attemptsMax: 5,
    firstWaitMs: 50,
    mostWaitMs: 2_000,
    meaning: 'the key is there already',
    advice: 'Something else writes to the target: find it, then replay.',
  },
  'type-changed': {
    attemptsMax: 8,
    firstWaitMs: 20,
    mostWaitMs: 1_000,
    meaning: 'the key changed its type while it was read',
    advice: 'Something writes beside Ferry: find it, then replay.',
  },
  conflict: {
    attemptsMax: 1,
    firstWaitMs: 20,
    mostWaitMs: 20,
    meaning: 'both sides have the key, and the rules do not say what is to become of it',
    advice: 'Rename or delete one of the two, or choose another rule; then run the copy again.',
  },
  'payload-refused': {
    attemptsMax: 4,
    firstWaitMs: 20,
    mostWaitMs: 1_000,
    meaning: 'the server did not take the dumped value, nor its elements',
    advice: 'Look at the value on its own server; rewrite or delete it there, then replay.',
  },
  'unsupported-value': {
    attemptsMax: 2,
    firstWaitMs: 100,
    mostWaitMs: 100,
    meaning: 'the server has nothing that could hold this value',
    advice: 'Load the module, choose a newer version, or change the value; then replay. Or skip it.',
  },
  'too-large': {
    attemptsMax: 2,
    firstWaitMs: 100,
    mostWaitMs: 100,
    meaning: 'the value is longer than the server allows',
    advice: 'Raise proto-max-bulk-len there, or split the value; then replay.',
  },
  'try-again': {
    attemptsMax: 12,
    firstWaitMs: 50,
    mostWaitMs: 5_000,
    meaning: 'the key is being moved between nodes',
    advice: 'Let the resharding end, then replay.',
  },
  lost: {
    attemptsMax: 7,
    firstWaitMs: 20,
    mostWaitMs: 5_000,
    meaning: 'the connection went each time while this key alone was copied',
    advice:
      'Look into the log of the server: a limit of its query buffer, of bulk lengths or of time may be too low for the value.',
  },
  unknown: {
    attemptsMax: 8,
    firstWaitMs: 20,
    mostWaitMs: 5_000,
    meaning: 'the server said something else',
    advice: 'Read its words; correct what they name, then replay.',
  },
}

/**
 * In this order; the first that fits counts. Where the words come from:
 * OOM, READONLY, LOADING, BUSY, MASTERDOWN, MISCONF, NOREPLICAS, WRONGTYPE, NOAUTH, BUSYKEY, EXECABORT: `createSharedObjects` in server.c of
 * Redis 7.0 and Valkey 8 (`shared.oomerr`, `roslaveerr`, `loadingerr`, `slowscripterr`, `masterdownerr`, `bgsaveerr`, `noreplicaserr`,
 * `wrongtypeerr`, `noautherr`, `busykeyerr`). NOPERM: `getAclErrorMessage` and `rejectCommandFormat` in acl.c and server.c; 7.0 says "one of
 * the keys used as arguments", later ones "No permissions to access a key". WRONGPASS: acl.c. Payloads: `restoreCommand` in cluster.c. TRYAGAIN,
 * MOVED, ASK, CLUSTERDOWN, CROSSSLOT: `clusterRedirectClient` in cluster.c. Lengths: `checkStringLength` in t_string.c, `processMultibulkBuffer`
 * in networking.c. The rest are words of Ferry itself: value-transfer.ts, typed-read.ts, typed-write.ts, conflict.ts, ruled-copy.ts.
 */
const rules: readonly (readonly [RegExp, FailureClass])[] = [
  [/^OOM /, 'target-out-of-memory'],
  [/^(READONLY|NOREPLICAS|MISCONF) /, 'read-only'],
  [/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN) /, 'not-ready'],
  [/^(NOAUTH|WRONGPASS) /, 'no-access'],
  [/^NOPERM .*\bkeys?\b/i, 'no-permission'],
  [/^NOPERM /, 'no-access'],
  [/^BUSYKEY /, 'busy-key'],
  [/^WRONGTYPE /, 'type-changed'],
  [/^cannot be (merged|renamed|told apart by age)\b/, 'conflict'],
  [/has no expiry of fields|can only be copied by DUMP|does not have the module/, 'unsupported-value'],
  [/payload version or checksum|Bad data format/i, 'payload-refused'],
  [/exceeds maximum allowed size|invalid (multi)?bulk length|(hash|set|list|zset) is too big/i, 'too-large'],
  [/^(TRYAGAIN|MOVED|ASK|CROSSSLOT)\b/, 'try-again'],
  [/was lost|not reachable|was cut off|timed? ?out/i, 'lost'],
]

/** @param words what the server said; Ferry's own `source: ` or `target: ` before it does not matter. */
export function failureClassOf(words: string): FailureClass {
  const said = words.replace(/^(source|target): /, '')
  return rules.find(([pattern]) => pattern.test(said))?.[1] ?? 'unknown'
}

/** Whether every other key would fare alike, so that it is of no use to try any. */
export const stopsAll = (failure: FailureClass): boolean => failurePolicies[failure].attemptsMax === null
