/** What Ferry knows about a command. Specs are made once, at load; every one has the same shape and is shared by all connections. */

/** How a command is carried. Each command has exactly one kind. */
export const Kind = {
  /** Reads the keys given by firstKey, lastKey, keyStep. */
  ReadPlain: 0,
  /** Reads, but names no key: SCAN, DBSIZE, CONFIG GET. */
  ReadKeyless: 1,
  /** Reads; `keyPositions` finds the keys. */
  ReadMovable: 2,
  /** Same result from the same state, keys in fixed places: may be sent to both sides as it is. */
  WritePlain: 3,
  /** Same result from the same state; `keyPositions` finds the keys. */
  WriteMovable: 4,
  /** As WritePlain; what it makes a side fill up that does not have the string is told by `reachOf`. */
  WriteFar: 5,
  /** Its arguments decide: ask `rewrite`. */
  WriteByArguments: 6,
  /** Two servers may do different things: runs on the authority, then its keys are copied. */
  WriteByCopy: 7,
  /** Touches every key: a barrier. */
  WriteGlobal: 8,
  /** Changes a server rather than keys, the same frame for both sides: FUNCTION LOAD, SCRIPT FLUSH. */
  BothKeyless: 9,
  /** EVAL, EVALSHA, FCALL: authority only, then the declared keys are copied. */
  Script: 10,
  /** PUBLISH, SPUBLISH: to both sides. */
  Publish: 11,
  /** Belongs to the client's connection and is answered by the session: HELLO, SELECT, PING. */
  Session: 12,
  /** MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
  Transaction: 13,
  /** Subscribing and unsubscribing. */
  PubSub: 14,
  /** May wait on the server, always a write or WAIT. Reads that may block are ReadMovable with `mayBlock`. */
  Blocking: 15,
  /** A parent such as CONFIG: ask `resolveSub`. */
  Container: 16,
  /** Not carried; `reason` says why. */
  Refused: 17,
  /** Not in the table: a write whose keys are not known. */
  Unknown: 18,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** Where the keys of a movable command stand. */
export const KeyForm = {
  /** firstKey, lastKey, keyStep say it all (keyStep 0: no keys). */
  Range: 0,
  /** A count at argument `keyArg`, then that many keys. */
  NumKeys: 1,
  /** As NumKeys at 2, and the destination at 1. */
  StoreNumKeys: 2,
  /** After the word STREAMS: keys, then as many ids. */
  Streams: 3,
  Sort: 4,
  /** Key at 1, and after STORE or STOREDIST. */
  GeoRadius: 5,
  /** A count at 1, then key value pairs. */
  MSetEx: 6,
  /** A key at 3, or after KEYS where that is empty. */
  Migrate: 7,
} as const
export type KeyForm = (typeof KeyForm)[keyof typeof KeyForm]

/** How two sides' replies to a read may be compared. */
export const Compare = {
  Exact: 0,
  /** Same elements, any order. */
  Unordered: 1,
  /** Remaining lifetimes: equal within a tolerance. */
  Lifetime: 2,
  /** Random, or the server's own business: says nothing about the data. */
  Never: 3,
  /** Field and value in turn (a map in RESP3); the pairs in any order. */
  UnorderedPairs: 4,
} as const
export type Compare = (typeof Compare)[keyof typeof Compare]

export interface CommandSpec {
  /** Lower case; a subcommand is `parent|sub`. */
  readonly name: string
  /** Dense from 0: an index for counter arrays of `commandCount` elements. */
  readonly id: number
  readonly kind: Kind
  /** As in COMMAND: with the name; negative = at least. */
  readonly arity: number
  /** Argument index; 0 = no keys. */
  readonly firstKey: number
  /** Argument index; negative counts from the end (-1 = the last). */
  readonly lastKey: number
  /** 0 = no keys in fixed places. */
  readonly keyStep: number
  readonly movable: boolean
  readonly keyForm: KeyForm
  /** Where the count of keys stands, for KeyForm.NumKeys. */
  readonly keyArg: number
  /** Can change data, or is carried like what can: true for every write kind, scripts, PUBLISH and Unknown. */
  readonly write: boolean
  /** Some form of it waits on the server: ask `blocks`. */
  readonly mayBlock: boolean
  /**
   * What it does to one key depends on another key: SUNIONSTORE, RENAME, LMPOP, MSETNX. Until all its keys are known to be equal on
   * both sides (the copy has passed them, none is dirty) it has to go the way of WriteByCopy, whatever its kind.
   */
  readonly derives: boolean
  /** Gives or takes a cursor that only the side it came from understands. */
  readonly cursor: boolean
  readonly compare: Compare
  /** Label for metrics: string, list, set, zset, hash, stream, … */
  readonly family: string
  /** Why it is refused, else ''. */
  readonly reason: string
}

/** What `lookup` gives for a name that is not in the table. */
export const unknownCommand: CommandSpec = {
  name: 'unknown',
  id: 0,
  kind: Kind.Unknown,
  arity: -1,
  firstKey: 0,
  lastKey: 0,
  keyStep: 0,
  movable: false,
  keyForm: KeyForm.Range,
  keyArg: 0,
  write: true,
  mayBlock: false,
  derives: false,
  cursor: false,
  compare: Compare.Never,
  family: 'unknown',
  reason: '',
}

/** Whether the argument count (with the name) is one the server would take. */
export function arityOk(spec: CommandSpec, argc: number): boolean {
  return spec.arity >= 0 ? argc === spec.arity : argc >= -spec.arity
}
