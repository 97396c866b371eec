import { describe, expect, it, test } from 'vitest'
import {
  type FailureClass,
  failureClasses,
  failureClassOf,
  failurePolicies,
  stopsAll,
} from '../../../src/routing/copy-failure.ts'

const words: readonly (readonly [string, FailureClass])[] = [
  ["OOM command not allowed when used memory > 'maxmemory'.", 'target-out-of-memory'],
  ["READONLY You can't write against a read only replica.", 'read-only'],
  ['NOREPLICAS Not enough good replicas to write.', 'read-only'],
  ["MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", 'read-only'],
  ['LOADING Redis is loading the dataset in memory', 'not-ready'],
  ['source: LOADING Redis is loading the dataset in memory', 'not-ready'],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.', 'not-ready'],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'not-ready'],
  ['CLUSTERDOWN The cluster is down', 'not-ready'],
  ['NOAUTH Authentication required.', 'no-access'],
  ["NOPERM User ferry has no permissions to run the 'restore' command", 'no-access'],
  ["NOPERM this user has no permissions to run the 'restore' command or its subcommand", 'no-access'],
  ['NOPERM this user has no permissions to access one of the keys used as arguments', 'no-permission'],
  ['NOPERM No permissions to access a key', 'no-permission'],
  ['BUSYKEY Target key name already exists.', 'busy-key'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'type-changed'],
  ['cannot be merged: it is a list on the source and a hash on the target', 'conflict'],
  ['cannot be renamed: a:1 would be called b:1 as well', 'conflict'],
  ['cannot be told apart by age: source: ERR An LFU maxmemory policy is selected', 'conflict'],
  ['ERR DUMP payload version or checksum are wrong', 'payload-refused'],
  ['ERR Bad data format', 'payload-refused'],
  ['the target does not have the module of this value, or in another version: ERR Bad data format', 'unsupported-value'],
  [
    'values of type MBbloom-- can only be copied by DUMP, which the target does not take: ERR Bad data format',
    'unsupported-value',
  ],
  ['its hash fields expire, and the target (redis 7.0.15) has no expiry of fields', 'unsupported-value'],
  ['ERR string exceeds maximum allowed size (proto-max-bulk-len)', 'too-large'],
  ['ERR Protocol error: invalid bulk length', 'too-large'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'try-again'],
  ['MOVED 3999 127.0.0.1:6381', 'try-again'],
  ['target was lost: connection closed', 'lost'],
  ['EXECABORT Transaction discarded because of previous errors.', 'unknown'],
  ['ERR something new', 'unknown'],
]

test.each(words)('%s', (said, failure) => {
  expect(failureClassOf(said)).toBe(failure)
})

describe('the table', () => {
  it('is reached in every line', () => {
    expect(new Set(words.map(([, failure]) => failure))).toEqual(new Set(failureClasses))
  })

  it('ends every wait and every number of tries, and has the mover wait only for what no key escapes', () => {
    for (const { attemptsMax, firstWaitMs, mostWaitMs } of Object.values(failurePolicies)) {
      expect(attemptsMax ?? 1).toBeGreaterThan(0)
      expect(firstWaitMs).toBeGreaterThan(0)
      expect(mostWaitMs).toBeGreaterThanOrEqual(firstWaitMs)
    }
    expect(failureClasses.filter(stopsAll)).toEqual(['target-out-of-memory', 'read-only', 'not-ready', 'no-access'])
  })
})
