/**
 * What a server holds beside its keys, and how far the two sides differ in it: function libraries, which the mover brings along, and ACL users
 * and settings, which it does not. Only counted: what the servers answered, secrets among it, is let go of at once.
 */
import type { BesideKeys } from '../control/schemas.ts'
import { type Side, sides } from '../routing/modes.ts'
import { connectClient } from '../upstream/client-factory.ts'
import type { Endpoint } from '../upstream/endpoint.ts'

const staleMs = 60_000

/** What is a server's own: where it listens, where its files are, whom it follows. */
const ownSetting =
  /^(port|tls-port|bind|bind-source-addr|dir|dbfilename|pidfile|logfile|unixsocket|unixsocketperm|daemonize|supervised|replicaof|slaveof|aclfile|proc-title-template|oom-score-adj-values|availability-zone|databases)$|^(cluster|replica|slave)-announce-|^(rdma|syslog)-/

type Facts = ReadonlyMap<string, string>
interface Holdings {
  readonly functions: Facts | null
  readonly users: Facts | null
  readonly settings: Facts | null
}

const unknown = { source: null, target: null, differing: null }
const unasked: BesideKeys = { functions: unknown, users: unknown, settings: unknown, askedAt: null }

export class BesideKeysWatch {
  readonly #endpoints: Readonly<Record<Side, Endpoint>>
  #last = unasked
  #askedMs = Number.NEGATIVE_INFINITY
  #busy = false

  constructor(endpoints: Readonly<Record<Side, Endpoint>>) {
    this.#endpoints = endpoints
  }

  /** As of the last time, for this reader; `refresh` is for the next one. */
  last(): BesideKeys {
    return this.#last
  }

  /** Never rejects: what may not be asked, or is out of reach, is null. Does nothing while the last answer is fresh. */
  async refresh(): Promise<void> {
    const nowMs = performance.now()
    if (this.#busy || nowMs - this.#askedMs < staleMs) return
    this.#busy = true
    this.#askedMs = nowMs
    const [source, target] = await Promise.all(sides.map((side) => holdingsOf(this.#endpoints[side])))
    this.#last = {
      functions: compared(source?.functions, target?.functions),
      users: compared(source?.users, target?.users),
      settings: compared(source?.settings, target?.settings),
      askedAt: new Date().toISOString(),
    }
    this.#busy = false
  }
}

async function holdingsOf(endpoint: Endpoint): Promise<Holdings> {
  let client: Awaited<ReturnType<typeof connectClient>>
  try {
    client = await connectClient(endpoint, 'beside-keys')
  } catch {
    return { functions: null, users: null, settings: null }
  }
  const ask = (...argv: [string, ...string[]]): Promise<unknown> => client.call(...argv).catch(() => null)
  try {
    const [functions, users, settings] = await Promise.all([
      ask('FUNCTION', 'LIST', 'WITHCODE'),
      ask('ACL', 'LIST'),
      ask('CONFIG', 'GET', '*'),
    ])
    return { functions: librariesIn(functions), users: usersIn(users), settings: settingsIn(settings) }
  } finally {
    client.disconnect()
  }
}

/** By name and code. */
function librariesIn(answer: unknown): Facts | null {
  if (!Array.isArray(answer)) return null
  return new Map(answer.map((library) => [fieldOf(library, 'library_name'), fieldOf(library, 'library_code')]))
}

const fieldOf = (fields: unknown, name: string): string =>
  Array.isArray(fields) ? String(fields[fields.findIndex((field) => String(field) === name) + 1]) : ''

/** `user <name> <rules>` */
function usersIn(answer: unknown): Facts | null {
  if (!Array.isArray(answer)) return null
  return new Map(answer.map((line) => [String(line).split(' ')[1] ?? '', String(line)]))
}

function settingsIn(answer: unknown): Facts | null {
  if (!Array.isArray(answer)) return null
  const settings = new Map<string, string>()
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const name = String(answer[i])
    if (!ownSetting.test(name)) settings.set(name, String(answer[i + 1]))
  }
  return settings
}

/** A setting or user that one side does not have differs. */
function compared(source: Facts | null = null, target: Facts | null = null): BesideKeys['functions'] {
  const counts = { source: source?.size ?? null, target: target?.size ?? null }
  if (source === null || target === null) return { ...counts, differing: null }
  const names = new Set([...source.keys(), ...target.keys()])
  return { ...counts, differing: [...names].filter((name) => source.get(name) !== target.get(name)).length }
}
