/** Every default bound, with the reason for its value. The configuration may change those that a reader could need to. */

import { throttleDefaults } from './throttle-limits.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const gibibyte = 1024 * mebibyte

export const limitDefaults = {
  /** Redis' client-query-buffer-limit. */
  queryBufferBytes: gibibyte,
  /** Redis' proto-max-bulk-len. */
  bulkBytes: 512 * mebibyte,
  /** Redis' own bound is 2^31 - 1; a million is what an honest MSET or a mover's batch may reach. */
  argumentsMax: 1024 * kibibyte,
  /** Redis' PROTO_INLINE_MAX_SIZE. */
  inlineBytes: 64 * kibibyte,
  /** Two of the largest values: a reader that is slower than this is cut off, as Redis does with output buffer limits. */
  outputBufferBytes: gibibyte,
  /** Redis' maxclients. */
  clientsMax: 10_000,
  /** About 20 s of traffic at 50,000 commands per second; then new commands are refused rather than queued. */
  inFlightCommandsMax: 1_000_000,
  /** What may wait in one lane's socket; then clients are no longer read from. */
  laneBufferBytes: 256 * mebibyte,
  /** A follower that is silent for so long with commands in flight is cut off; its keys go to the journal. */
  followerTimeoutMs: 2_000,
  /** How long commands wait for an authority that is being reconnected: a fail-over's usual length, a client's usual patience. */
  authorityWaitMs: 1_000,
  /** A copy that makes a client's write wait for longer is given up and retried with fewer keys. */
  holdWaitMs: 50,
  /** A stream with some hundred thousand entries, or pending ones, takes a second or two. */
  longHoldWaitMs: 5_000,
  /** DUMP and RESTORE of a value of this size keep a server busy for 10 to 20 ms; a longer one goes in pieces. */
  longValueBytes: mebibyte,
  /** About 1 GB in memory; beyond it a whole copy is cheaper than a key-by-key heal. */
  journalKeysMax: 5_000_000,
} as const

export const moverDefaults = {
  /** 0 = as fast as the servers answer. */
  keysPerSecondMax: 0,
  bytesPerSecondMax: 0,
  /** A batch is one round trip; 512 keys keep both servers busy and a hold short. */
  batchKeys: 512,
  /** Bounds the memory of a batch of large values. */
  batchBytes: 4 * mebibyte,
  /** Enough to hide the round trip; each adds at most batchBytes of memory. */
  batchesInFlight: 4,
  ...throttleDefaults,
} as const

/** Long enough for a server to be started anew, to load its data, or to be given memory; `ferry copy` ends then, and can be gone on with. */
export const standstillSecondsMax = 300

/** PTTL is read at two moments on two clocks; a second is well above both, and well below what an application notices. */
export const ttlToleranceMs = 1_000

/**
 * What is sent to both sides is noted on disk until it is settled, which takes two seconds and as long as the slower side needs. Beyond this
 * the notes are given up: after a crash everything would then be copied again.
 */
export const intentLogBytesMax = 256 * mebibyte

/** What `GET /v1/events` can still tell a reader who comes back; a migration makes a few hundred. */
export const eventsKept = 10_000

/** Event streams open at once; each is a socket of the control API. */
export const eventStreamsMax = 100

/** The largest page of the error queue: its answer stays below a few megabytes. */
export const errorsPageMax = 1_000

/** The control API's documents are small; anything larger is a mistake. */
export const controlBodyBytes = 256 * kibibyte

/** DogStatsD's usual flush interval. */
export const datadogTickMs = 10_000

/** How long after two sides answered differently they are asked again: longer than any write that was on its way then. */
export const secondLookMs = 100

/** Differences that wait for their second look. Beyond it one is passed over: the next read of its key finds it again. */
export const secondLooksMax = 1_000

/** Differences may come by the thousand; each is counted, so many are told. */
export const divergenceEventsPerSecondMax = 10

/** Replies up to this size are kept until the other side's is there; longer ones are compared by checksum. */
export const comparedReplyBytesMax = 4 * mebibyte

/** A value in which a version is looked for: JSON of this size takes about 10 ms to read, in which everybody waits. */
export const versionedValueBytesMax = mebibyte

/** Clients blocked at a time: as many as there may be at all, by default. */
export const blockedClientsMax = 10_000

/** Keys that blocked clients wait for; each is asked for once per change, and told of by the server. */
export const awaitedKeysMax = 100_000

/** Open cursors that are remembered per client; the one used longest ago is forgotten. */
export const cursorsPerClientMax = 1_000
