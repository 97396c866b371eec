/** The listeners: TCP and unix sockets, how many clients there may be, and the orderly end. */

import { unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { FerryError } from '../errors.ts'
import { encodeError } from '../resp/encode.ts'
import { Session } from '../session/session.ts'
import type { SessionContext } from '../session/session-context.ts'
import { adopt } from '../upstream/receive.ts'

const backlog = 511

export class ProxyServer {
  readonly #shared: SessionContext
  readonly #clientsMax: number
  readonly #servers: Server[] = []
  #nextId = 1
  #draining = false

  constructor(shared: SessionContext, clientsMax: number) {
    this.#shared = shared
    this.#clientsMax = clientsMax
  }

  /** `addresses`: host:port or unix:///path. Returns where it listens, with the ports that were given for 0. Throws FerryError. */
  async listen(addresses: readonly string[]): Promise<string[]> {
    const listening: string[] = []
    for (const address of addresses) listening.push(await this.#listenOn(address))
    return listening
  }

  /** No new clients; the ones that are here are answered what they asked for, and closed. Gives up after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)))
    for (const session of this.#shared.sessions.values()) session.closeAfterReplies()
    const deadline = setTimeout(() => {
      for (const session of this.#shared.sessions.values()) session.abort('shutting down')
    }, graceMs)
    await Promise.all(closed)
    clearTimeout(deadline)
  }

  #listenOn(address: string): Promise<string> {
    const server = createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) => this.#accept(socket))
    this.#servers.push(server)
    const path = address.startsWith('unix://') ? address.slice('unix://'.length) : null
    if (path !== null) removeStale(path)
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new FerryError('endpoint-unreachable', `cannot listen on ${address}: ${cause.message}`, { cause }))
      })
      const ready = (): void => {
        const bound = server.address()
        resolve(
          bound === null || typeof bound === 'string' ? address : `${address.slice(0, address.lastIndexOf(':'))}:${bound.port}`,
        )
      }
      if (path !== null) server.listen({ path, backlog }, ready)
      else {
        const colon = address.lastIndexOf(':')
        const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
        server.listen({ host, port: Number(address.slice(colon + 1)), backlog }, ready)
      }
    })
  }

  #accept(accepted: Socket): void {
    const { sessions, core, lanes } = this.#shared
    const { clients } = core.counters
    clients.accepted++
    if (sessions.size >= this.#clientsMax || this.#draining) {
      clients.refused++
      accepted.on('error', () => accepted.destroy())
      accepted.end(encodeError('ERR max number of clients reached'))
      return
    }
    const socket = adopt(accepted, (buf, start, end) => session.receive(buf, start, end))
    const session: Session = new Session(this.#shared, socket, this.#nextId++, lanes.anonymousPair())
    sessions.set(session.id, session)
    clients.open = sessions.size
    socket.on('close', () => {
      sessions.delete(session.id)
      clients.open = sessions.size
      session.closed()
    })
    socket.resume()
  }
}

/** A socket file that a killed process left behind would stop the start. */
function removeStale(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
