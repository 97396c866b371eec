/** Opens a socket to an endpoint: TCP, TLS or a unix socket. The only place where one is made for raw use. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './endpoint.ts'
import { readInto } from './receive.ts'
import type { DialOptions, Wire } from './wire.ts'

const keepAliveMs = 30_000

/** As `openSocket`, also where the endpoint is more than one server. */
export function openWire(endpoint: Endpoint, options: DialOptions, connected: () => void, take: (chunk: Buffer) => void): Wire {
  return endpoint.dial === null ? openSocket(endpoint, connected, take) : endpoint.dial(options, connected, take)
}

/** The socket is connecting; `connected` is called once it can be written to (for TLS: once the peer is verified). */
export function openSocket(endpoint: Endpoint, connected: () => void, take: (chunk: Buffer) => void): Socket {
  const onread = readInto(take)
  if (endpoint.kind === 'unix') return connectTcp({ path: endpoint.path, onread }, connected)
  if (endpoint.tls === null) {
    return connectTcp(
      { host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs, onread },
      connected,
    )
  }
  const { ca, cert, key, servername, rejectUnauthorized } = endpoint.tls
  const socket = connectTls(
    {
      host: endpoint.host,
      port: endpoint.port,
      rejectUnauthorized,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(servername && { servername }),
    },
    connected,
  )
  socket.on('data', take)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, keepAliveMs)
  return socket
}
