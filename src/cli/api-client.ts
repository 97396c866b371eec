/** The control API as the commands use it: JSON in and out, problem documents as FerryError, the event stream as an iterable. */
import { readFileSync } from 'node:fs'
import type { EventDocument } from '../control/schemas.ts'
import { type ErrorCode, errorCatalogue, FerryError } from '../errors.ts'
import type { Io } from './io.ts'

const defaultControl = '127.0.0.1:7380'
/** A cut-over waits for the journal to empty; nothing takes longer than this. */
const requestTimeoutMs = 120_000

/** The environment fills in what is absent. */
export interface ApiAddress {
  readonly control?: string
  readonly tokenFile?: string
}

export class ApiClient {
  readonly #base: string
  readonly #token: string | null
  readonly #signal: AbortSignal

  constructor(base: string, token: string | null, signal: AbortSignal) {
    this.#base = base
    this.#token = token
    this.#signal = signal
  }

  /** @throws FerryError `invalid-config` for an address that is none or a token file that cannot be read. */
  static fromOptions(options: ApiAddress, io: Io): ApiClient {
    const address = options.control ?? (io.env.FERRY_CONTROL || defaultControl)
    const base = /^https?:\/\//.test(address) ? address.replace(/\/+$/, '') : `http://${address}`
    if (!URL.canParse(base))
      throw new FerryError('invalid-config', `--control: expected host:port or an http address, found "${address}"`)
    const file = options.tokenFile ?? io.env.FERRY_TOKEN_FILE
    const token = options.tokenFile === undefined && io.env.FERRY_TOKEN ? io.env.FERRY_TOKEN : file ? tokenIn(file) : null
    return new ApiClient(base, token, io.signal)
  }

  async get<Answer>(path: string): Promise<Answer> {
    return (await (await this.#request('GET', path)).json()) as Answer
  }

  async post<Answer>(path: string, body: object = {}): Promise<Answer> {
    return (await (await this.#request('POST', path, body)).json()) as Answer
  }

  async patch<Answer>(path: string, body: object): Promise<Answer> {
    return (await (await this.#request('PATCH', path, body)).json()) as Answer
  }

  /** The body as it comes, for exports that may be large. */
  async *text(path: string): AsyncGenerator<string> {
    const { body } = await this.#request('GET', path)
    if (body === null) return
    try {
      yield* body.pipeThrough(new TextDecoderStream())
    } catch (cause) {
      throw this.#failure(cause)
    }
  }

  /** Events with a higher id than `after`; with `follow` it goes on until the connection or the signal ends it. */
  async *events(after: number, follow: boolean): AsyncGenerator<EventDocument> {
    let rest = ''
    for await (const chunk of this.text(`/v1/events?after=${after}&follow=${follow}`)) {
      const frames = (rest + chunk).split('\n\n')
      rest = frames.pop() ?? ''
      for (const frame of frames) {
        const data = frame.split('\n').find((line) => line.startsWith('data: '))
        if (data !== undefined) yield JSON.parse(data.slice('data: '.length)) as EventDocument
      }
    }
  }

  async #request(method: string, path: string, body?: object): Promise<Response> {
    const endless = path.startsWith('/v1/events')
    const signal = endless ? this.#signal : AbortSignal.any([this.#signal, AbortSignal.timeout(requestTimeoutMs)])
    const headers: Record<string, string> = {}
    if (this.#token !== null) headers.authorization = `Bearer ${this.#token}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    let response: Response
    try {
      response = await fetch(this.#base + path, {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      throw this.#failure(cause)
    }
    if (!response.ok) throw await problemOf(response)
    return response
  }

  #failure(cause: unknown): FerryError {
    if (this.#signal.aborted) return new FerryError('interrupted', 'stopped', { cause })
    const { name, cause: inner } = cause as Error & { cause?: { code?: string; message?: string } }
    if (name === 'TimeoutError')
      return new FerryError('interrupted', `${this.#base} took longer than ${requestTimeoutMs / 1000} s`, { cause })
    const why = inner?.code ?? inner?.message ?? (cause as Error).message
    return new FerryError('endpoint-unreachable', `no Ferry answers at ${this.#base} (${why}); is \`ferry serve\` running?`, {
      cause,
    })
  }
}

async function problemOf(response: Response): Promise<FerryError> {
  const text = await response.text()
  try {
    const { code, detail, errors } = JSON.parse(text) as { code: ErrorCode; detail: string; errors: string[] }
    if (Object.hasOwn(errorCatalogue, code)) return new FerryError(code, detail, { details: errors })
  } catch {
    // Something else answered; told below.
  }
  return new FerryError(
    'endpoint-unreachable',
    `${response.url} answered ${response.status} but is no Ferry: ${text.slice(0, 200)}`,
  )
}

function tokenIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n', 1)[0]?.trim() ?? ''
  } catch (cause) {
    throw new FerryError('invalid-config', `token file ${path} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
