/** The one place where ioredis clients are made: for topology, control and verification, never for a client's command. */
import assert from 'node:assert'
import { Redis } from 'ioredis'
import { FerryError } from '../errors.ts'
import type { Endpoint } from './endpoint.ts'
import { connectorTo } from './wire-stream.ts'

/** A command that takes longer is rejected: its outcome is then unknown. */
const commandTimeoutMs = 15_000
const connectTimeoutMs = 5_000

const endpoints = new WeakMap<Redis, Endpoint>()

/**
 * A client that is not connected yet; await `client.connect()` before the first command. RESP3 where the server knows it, else RESP2;
 * replies have the same shapes in both. It reconnects on its own, but a command that cannot be sent, or whose answer is lost, is rejected
 * and never repeated: only the caller knows whether it may be. `purpose` becomes part of the connection's name (`ferry-<purpose>`).
 *
 * ioredis attaches the arguments of the failed command, and so a password of HELLO, to its errors: pass on an error's message, not the object.
 */
export function createClient(endpoint: Endpoint, purpose: string): Redis {
  const client = new Redis({
    ...(endpoint.dial === null ? {} : { Connector: connectorTo(endpoint, endpoint.dial) }),
    ...(endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port }),
    ...(endpoint.tls === null ? {} : { tls: endpoint.tls }),
    ...(endpoint.password === null
      ? {}
      : { password: endpoint.password, ...(endpoint.username === null ? {} : { username: endpoint.username }) }),
    db: endpoint.db,
    protocol: 3,
    replyMapping: 'legacy',
    connectionName: `ferry-${purpose}`,
    disableClientInfo: true,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
  })
  endpoints.set(client, endpoint)
  // Without a listener ioredis prints every connection error. Those who need the state listen for it themselves.
  client.on('error', () => {})
  return client
}

/**
 * A client that is ready, or nothing left behind.
 * @throws FerryError `endpoint-unreachable`, with the reason and the redacted address.
 */
export async function connectClient(endpoint: Endpoint, purpose: string): Promise<Redis> {
  const client = createClient(endpoint, purpose)
  let reason = ''
  const remember = (error: Error) => {
    reason = error.message
  }
  client.on('error', remember)
  try {
    await client.connect()
    return client
  } catch (error) {
    client.disconnect()
    // The rejection itself often says no more than "Connection is closed."; the reason came as an event.
    throw new FerryError('endpoint-unreachable', `${endpoint.redacted}: ${reason || (error as Error).message}`)
  } finally {
    client.off('error', remember)
  }
}

/** Where a client of this factory leads: for raw connections beside it. */
export function endpointOf(client: Redis): Endpoint {
  const endpoint = endpoints.get(client)
  assert(endpoint !== undefined, 'clients are made by createClient only')
  return endpoint
}
