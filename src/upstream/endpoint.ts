/** Where one side is and how to get in: the one parser of addresses. */
import { readFileSync } from 'node:fs'
import { FerryError } from '../errors.ts'
import type { Dial } from './wire.ts'

/** File paths, as the configuration gives them; Buffers are taken as they are. */
export interface EndpointTlsOptions {
  readonly ca?: string | Buffer | undefined
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
  readonly servername?: string | undefined
  readonly rejectUnauthorized?: boolean | undefined
}

/** Ready for `tls.connect`: files are read when the address is parsed, so a missing one stops the start. */
export interface EndpointTls {
  readonly ca: Buffer | undefined
  readonly cert: Buffer | undefined
  readonly key: Buffer | undefined
  /** Undefined for IP addresses, which must not be sent as SNI. */
  readonly servername: string | undefined
  readonly rejectUnauthorized: boolean
}

export interface Endpoint {
  readonly kind: 'tcp' | 'tls' | 'unix' | 'cluster' | 'sentinel'
  /** Without brackets for IPv6; empty for a unix socket. Of a cluster or of Sentinels, that of the first one named. */
  readonly host: string
  /** 0 for a unix socket. */
  readonly port: number
  /** The socket's path; empty unless kind is `unix`. */
  readonly path: string
  readonly username: string | null
  readonly password: string | null
  readonly db: number
  /** Set when kind is `tls`, and where the servers of a cluster, or those that Sentinels name, are reached that way. */
  readonly tls: EndpointTls | null
  /** For logs, status and messages; holds no secret. */
  readonly redacted: string
  /** The servers named, with the same credentials and TLS; empty unless kind is `cluster` or `sentinel`. */
  readonly seeds: readonly Endpoint[]
  /** The name under which the Sentinels know the primary; empty unless kind is `sentinel`. */
  readonly service: string
  /** Of a cluster, or of Sentinels: read from replicas, where there are some. Nothing may be written there. */
  readonly readsReplicas: boolean
  /** How to get there, where a socket alone does not lead there; set by whoever knows the servers. */
  readonly dial: Dial | null
  /** What the server has before the keys of a database, and whoever writes here does not; null: nothing. It counts for their slots. */
  readonly keyPrefix: ((db: number) => Buffer) | null
  /** Where one key really is; null: here, as it is called. The place is null where nobody has it for now. */
  readonly placeOf: ((db: number, key: Buffer) => KeyPlace | null) | null
}

/** The one server that has a key, and what the key is called there. */
export interface KeyPlace {
  readonly endpoint: Endpoint
  readonly db: number
  readonly key: Buffer
}

const defaultPort = 6379
const queryOptions = ['db', 'username', 'password', 'ca', 'cert', 'key', 'servername', 'rejectUnauthorized', 'readFrom']
const defaultSentinelPort = 26_379
const schemes = 'redis://, rediss://, unix://, redis-cluster://, rediss-cluster://, redis-sentinel:// or rediss-sentinel://'
/** What only an address of one server has. */
const single = { seeds: [], service: '', readsReplicas: false, dial: null, keyPrefix: null, placeOf: null } as const

/** Hides the password of every URL in a text, whether it stands before the `@` or in a `password=` option. */
export function redactUrls(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+-]*:\/\/)([^\s:@/?#]*):([^\s]*)@/gi, '$1$2:***@')
    .replace(/([?&]password=)[^&\s"']*/gi, '$1***')
}

/**
 * Options in the query string count less than `tlsOptions`.
 * @throws FerryError `invalid-config` for a malformed address or an unreadable TLS file.
 */
export function parseEndpoint(url: string, tlsOptions: EndpointTlsOptions = {}): Endpoint {
  const scheme = /^([a-z][a-z0-9+-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme === undefined) throw invalid(url, `expected ${schemes}`)
  const parts = split(url, url.slice(scheme.length + 3))
  switch (scheme) {
    case 'unix':
      refuseReadFrom(url, parts)
      return unixEndpoint(url, parts, tlsOptions)
    case 'redis':
    case 'rediss':
      refuseReadFrom(url, parts)
      return tcpEndpoint(url, scheme, parts, tlsOptions)
    case 'redis-cluster':
    case 'rediss-cluster':
      return clusterEndpoint(url, scheme, parts, tlsOptions)
    case 'redis-sentinel':
    case 'rediss-sentinel':
      return sentinelEndpoint(url, scheme, parts, tlsOptions)
    default:
      throw invalid(url, `unknown scheme ${scheme}://, expected ${schemes}`)
  }
}

interface Parts {
  readonly username: string | null
  readonly password: string | null
  readonly authority: string
  readonly path: string
  readonly query: ReadonlyMap<string, string>
}

function split(url: string, rest: string): Parts {
  if (rest.includes('#')) throw invalid(url, 'a # in a user name or password must be written %23')
  const queryAt = rest.indexOf('?')
  const beforeQuery = queryAt < 0 ? rest : rest.slice(0, queryAt)
  const pathAt = beforeQuery.indexOf('/')
  const authority = pathAt < 0 ? beforeQuery : beforeQuery.slice(0, pathAt)
  const path = pathAt < 0 ? '' : beforeQuery.slice(pathAt)
  if (path.includes('@') && !authority.includes('@') && authority.includes(':') && !/:\d*$/.test(authority)) {
    throw invalid(url, 'a / in a user name or password must be written %2F')
  }
  const query = parseQuery(url, queryAt < 0 ? '' : rest.slice(queryAt + 1))
  const at = authority.lastIndexOf('@')
  const credentials = at < 0 ? '' : authority.slice(0, at)
  const colon = credentials.indexOf(':')
  const username = colon < 0 ? credentials : credentials.slice(0, colon)
  const password = colon < 0 ? '' : credentials.slice(colon + 1)
  return {
    username: query.get('username') ?? (decode(url, username) || null),
    password: query.get('password') ?? (decode(url, password) || null),
    authority: authority.slice(at + 1),
    path,
    query,
  }
}

function parseQuery(url: string, text: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    if (!queryOptions.includes(name)) throw invalid(url, `unknown option "${name}", expected one of ${queryOptions.join(', ')}`)
    query.set(name, equals < 0 ? '' : decode(url, pair.slice(equals + 1)))
  }
  return query
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(url, 'a % that is no percent-encoding must be written %25')
  }
}

function refuseReadFrom(url: string, { query }: Parts): void {
  if (query.has('readFrom')) throw invalid(url, 'readFrom is for clusters and Sentinels: name the replica itself')
}

function unixEndpoint(url: string, parts: Parts, tlsOptions: EndpointTlsOptions): Endpoint {
  if (parts.authority !== '' || parts.path.length < 2)
    throw invalid(url, 'expected an absolute path, as in unix:///run/redis.sock')
  refuseTls(url, parts, tlsOptions)
  const path = decode(url, parts.path)
  const db = databaseOf(url, parts.query.get('db') ?? '')
  const redacted = `unix://${redactedCredentials(parts)}${path}${db === 0 ? '' : `?db=${db}`}`
  return {
    kind: 'unix',
    host: '',
    port: 0,
    path,
    username: parts.username,
    password: parts.password,
    db,
    tls: null,
    redacted,
    ...single,
  }
}

function tcpEndpoint(url: string, scheme: 'redis' | 'rediss', parts: Parts, tlsOptions: EndpointTlsOptions): Endpoint {
  const { host, port } = hostAndPort(url, parts.authority)
  const inPath = parts.path.slice(1)
  const inQuery = parts.query.get('db') ?? ''
  if (inPath !== '' && inQuery !== '' && inPath !== inQuery)
    throw invalid(url, `the path says database ${inPath}, the option ${inQuery}`)
  const db = databaseOf(url, inPath || inQuery)
  if (scheme === 'redis') refuseTls(url, parts, tlsOptions)
  const shownHost = host.includes(':') ? `[${host}]` : host
  return {
    kind: scheme === 'redis' ? 'tcp' : 'tls',
    host,
    port,
    path: '',
    username: parts.username,
    password: parts.password,
    db,
    tls: scheme === 'redis' ? null : tlsOf(url, host, parts, tlsOptions),
    redacted: `${scheme}://${redactedCredentials(parts)}${shownHost}:${port}/${db}`,
    ...single,
  }
}

/** A cluster's databases are chosen by SELECT where it has several; the address begins in the first. */
function clusterEndpoint(url: string, scheme: string, parts: Parts, tlsOptions: EndpointTlsOptions): Endpoint {
  if (parts.path.length > 1 || parts.query.has('db')) throw invalid(url, 'a cluster address names no database')
  const secure = scheme.startsWith('rediss')
  const seeds = seedsOf(url, parts, defaultPort, secure, tlsOptions)
  const redacted = `${scheme}://${redactedCredentials(parts)}${parts.authority}`
  return { ...several('cluster', url, seeds, '', 0, redacted), readsReplicas: readsReplicas(url, parts) }
}

function sentinelEndpoint(url: string, scheme: string, parts: Parts, tlsOptions: EndpointTlsOptions): Endpoint {
  const [, name = '', db = '', ...rest] = parts.path.split('/')
  if (name === '' || rest.length > 0) throw invalid(url, 'expected the name of the primary behind the Sentinels, as in /mymaster')
  const secure = scheme.startsWith('rediss')
  const seeds = seedsOf(url, parts, defaultSentinelPort, secure, tlsOptions)
  const number = databaseOf(url, db || (parts.query.get('db') ?? ''))
  const redacted = `${scheme}://${redactedCredentials(parts)}${parts.authority}/${name}${number === 0 ? '' : `/${number}`}`
  return { ...several('sentinel', url, seeds, decode(url, name), number, redacted), readsReplicas: readsReplicas(url, parts) }
}

function readsReplicas(url: string, { query }: Parts): boolean {
  const from = query.get('readFrom') ?? 'primary'
  if (from !== 'primary' && from !== 'replica') throw invalid(url, `readFrom must be primary or replica, found "${from}"`)
  return from === 'replica'
}

function seedsOf(url: string, parts: Parts, port: number, secure: boolean, tlsOptions: EndpointTlsOptions): Endpoint[] {
  return parts.authority.split(',').map((authority) => {
    const named = /:\d+$/.test(authority) ? authority : `${authority}:${port}`
    const query = new Map([...parts.query].filter(([name]) => name !== 'db'))
    return tcpEndpoint(url, secure ? 'rediss' : 'redis', { ...parts, authority: named, path: '', query }, tlsOptions)
  })
}

function several(
  kind: 'cluster' | 'sentinel',
  url: string,
  seeds: readonly Endpoint[],
  service: string,
  db: number,
  redacted: string,
): Endpoint {
  const [first] = seeds
  if (first === undefined) throw invalid(url, 'expected at least one host:port')
  return { ...first, kind, db, seeds, service, redacted }
}

/** Another server like this one: same credentials, same TLS. */
export function endpointAt(like: Endpoint, host: string, port: number): Endpoint {
  const shown = host.includes(':') ? `[${host}]` : host
  const tls =
    like.tls === null ? null : { ...like.tls, servername: like.tls.servername === like.host ? host : like.tls.servername }
  const redacted = `${tls === null ? 'redis' : 'rediss'}://${shown}:${port}`
  return { ...like, ...single, kind: tls === null ? 'tcp' : 'tls', host, port, path: '', db: 0, tls, redacted }
}

function hostAndPort(url: string, authority: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.%a-z]+)\]|([^:[\]\s,]*))(?::(\d*))?$/i.exec(authority)
  if (match === null) {
    const hint = authority.includes(',')
      ? 'only redis-cluster:// and redis-sentinel:// take several addresses'
      : 'expected host, host:port or [IPv6]:port'
    throw invalid(url, hint)
  }
  const host = decode(url, match[1] ?? match[2] ?? '') || '127.0.0.1'
  const port = match[3] ? Number(match[3]) : defaultPort
  if (port < 1 || port > 65_535) throw invalid(url, `port ${port} is not between 1 and 65535`)
  return { host, port }
}

function databaseOf(url: string, text: string): number {
  if (text === '') return 0
  if (!/^\d{1,9}$/.test(text)) throw invalid(url, `the database must be a number, found "${text}"`)
  return Number(text)
}

function refuseTls(url: string, parts: Parts, tlsOptions: EndpointTlsOptions): void {
  const names = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'] as const
  const given = names.filter((name) => tlsOptions[name] !== undefined || parts.query.has(name))
  if (given.length > 0)
    throw invalid(url, `TLS options (${given.join(', ')}) need a rediss:// address; this one would go in plain text`)
}

function tlsOf(url: string, host: string, parts: Parts, options: EndpointTlsOptions): EndpointTls {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':')
  const verify = parts.query.get('rejectUnauthorized')
  if (verify !== undefined && verify !== 'true' && verify !== 'false') {
    throw invalid(url, `rejectUnauthorized must be true or false, found "${verify}"`)
  }
  const cert = fileOf('cert', options.cert ?? parts.query.get('cert'))
  const key = fileOf('key', options.key ?? parts.query.get('key'))
  if ((cert === undefined) !== (key === undefined)) throw invalid(url, 'a client certificate needs both cert and key')
  return {
    ca: fileOf('ca', options.ca ?? parts.query.get('ca')),
    cert,
    key,
    servername: options.servername ?? parts.query.get('servername') ?? (isAddress ? undefined : host),
    rejectUnauthorized: options.rejectUnauthorized ?? verify !== 'false',
  }
}

function fileOf(name: string, value: string | Buffer | undefined): Buffer | undefined {
  if (value === undefined || typeof value !== 'string') return value
  try {
    return readFileSync(value)
  } catch (cause) {
    throw new FerryError('invalid-config', `TLS ${name} file ${value} cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function redactedCredentials(parts: Parts): string {
  if (parts.password !== null) return `${parts.username ?? ''}:***@`
  return parts.username === null ? '' : `${parts.username}@`
}

function invalid(url: string, expectation: string): FerryError {
  return new FerryError('invalid-config', `address ${redactUrls(url.replace(/\s/g, '%20'))}: ${expectation}`)
}
