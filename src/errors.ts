/**
 * The one catalogue of Ferry's own errors. A code means the same on the wire (`-ERR FERRY <code>: …`), in a problem document
 * (`type`, `code`) and on the command line (exit status). Server errors never pass through here: they reach the client byte for byte.
 */
interface ErrorKind {
  readonly http: number
  readonly exit: number
  /** What the reader can do about it; shown in docs/errors.md. */
  readonly advice: string
}

export const errorCatalogue = {
  'authority-unavailable': {
    http: 503,
    exit: 4,
    advice: 'The side that holds the truth cannot be reached; nothing was sent. Retry once it is back.',
  },
  'unknown-outcome': {
    http: 502,
    exit: 1,
    advice: 'The connection was lost after the command was sent: it may or may not have run. Read before repeating it.',
  },
  'both-required': {
    http: 502,
    exit: 1,
    advice: 'One side refused or lost the write; the key is in the journal and is healed from the authority.',
  },
  aborted: { http: 409, exit: 1, advice: 'The two-phase write was taken back on both sides. It can be repeated.' },
  unsupported: {
    http: 400,
    exit: 2,
    advice: 'Ferry does not do this, and the message says what it is; docs/commands.md lists the commands that it carries.',
  },
  limit: {
    http: 503,
    exit: 1,
    advice: 'A named limit was reached; the message says which. Raise it in the configuration or send less.',
  },
  overloaded: { http: 503, exit: 1, advice: 'Too much is waiting already. Send less, or wait.' },
  'shutting-down': { http: 503, exit: 7, advice: 'Ferry is stopping. Reconnect.' },
  'bad-request': { http: 400, exit: 2, advice: 'The request does not fit its schema; the message says where.' },
  'not-found': { http: 404, exit: 1, advice: 'There is no such thing; check the path or the id.' },
  unauthorized: { http: 401, exit: 6, advice: 'Send a bearer token.' },
  forbidden: { http: 403, exit: 6, advice: 'The token lacks the role this route needs.' },
  'phase-conflict': { http: 409, exit: 6, advice: 'The migration is not in the phase this step needs.' },
  blocked: { http: 409, exit: 6, advice: 'A safety rule holds this step back; the message lists what blocks it.' },
  'databases-unfit': {
    http: 409,
    exit: 6,
    advice:
      'The target lacks databases that the source has keys in; nothing was copied. The message names them: see `target.databases`.',
  },
  'invalid-config': { http: 400, exit: 3, advice: 'Correct the named file, line or variable.' },
  'endpoint-unreachable': { http: 502, exit: 4, advice: 'Check the address, the credentials and the TLS files.' },
  'differences-found': { http: 409, exit: 5, advice: 'The two sides differ; run `ferry verify --repair`.' },
  interrupted: { http: 503, exit: 7, advice: 'The command was stopped or ran out of time before it finished.' },
  internal: { http: 500, exit: 1, advice: 'A defect in Ferry; please report it with the message.' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorCatalogue

/** An operating error with a stable code. Programmer errors are plain assertions instead. */
export class FerryError extends Error {
  readonly code: ErrorCode
  /** Further facts for people and scripts, e.g. the list of blockers. Never holds a secret. */
  readonly details: readonly string[]

  constructor(code: ErrorCode, message: string, options: { details?: readonly string[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'FerryError'
    this.code = code
    this.details = options.details ?? []
  }

  get httpStatus(): number {
    return errorCatalogue[this.code].http
  }

  get exitStatus(): number {
    return errorCatalogue[this.code].exit
  }
}

/** The wire form of one of Ferry's own errors. Line breaks would split the reply, so they become spaces, as in Redis. */
export function wireError(code: ErrorCode, message: string): Buffer {
  return Buffer.from(`-ERR FERRY ${code}: ${message.replace(/[\r\n]+/g, ' ')}\r\n`)
}
