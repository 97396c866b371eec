/** The running Ferry as an operator's script sees it: its control API over HTTP, and nothing else. */
import { type StatusDocument, statusDocument } from '../control/schemas.ts'
import { type ErrorCode, errorCatalogue, FerryError } from '../errors.ts'

const requestLimitMs = 60_000

export class ControlClient {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async status(): Promise<StatusDocument> {
    return statusDocument.parse(await this.#request('GET', '/v1/status'))
  }

  /** Answers what Ferry says; a problem document rejects with its code and details. */
  post(path: string, body: Record<string, unknown> = {}): Promise<unknown> {
    return this.#request('POST', path, JSON.stringify(body))
  }

  async #request(method: string, path: string, body?: string): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      signal: AbortSignal.timeout(requestLimitMs),
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    })
    const document: unknown = await response.json()
    if (response.ok) return document
    throw problem(method, path, response.status, document)
  }
}

function problem(method: string, path: string, status: number, document: unknown): FerryError {
  const { code, detail, errors } = (document ?? {}) as { code?: string; detail?: string; errors?: string[] }
  const known: ErrorCode = code !== undefined && code in errorCatalogue ? (code as ErrorCode) : 'internal'
  return new FerryError(known, `${method} ${path} answered ${status}: ${detail ?? 'no detail'}`, { details: errors ?? [] })
}
