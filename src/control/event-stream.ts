/** Events as they happen (server-sent events): a reader who comes back with Last-Event-ID misses none that is still kept. */
import type { FastifyReply } from 'fastify'
import { FerryError } from '../errors.ts'
import { eventStreamsMax } from '../limits.ts'
import type { Operations } from './operations.ts'
import type { EventDocument } from './schemas.ts'

/** Proxies cut connections that are silent for a minute or less. */
const keepAliveMs = 15_000
/** A reader further behind than this is cut off; it comes back with the last id it has. */
const unreadBytesMax = 1 << 20

export class EventStreams {
  readonly #open = new Set<() => void>()
  readonly #operations: Operations

  constructor(operations: Operations) {
    this.#operations = operations
  }

  /** Takes the reply over. With `follow` false it ends after the events that are kept. */
  open(reply: FastifyReply, after: number, follow: boolean): void {
    if (this.#open.size >= eventStreamsMax) throw new FerryError('limit', `${eventStreamsMax} event streams are open already`)
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    raw.write('retry: 1000\n\n')
    let unsubscribe = (): void => {}
    const timer = setInterval(() => raw.write(': still here\n\n'), keepAliveMs)
    const close = (): void => {
      clearInterval(timer)
      unsubscribe()
      this.#open.delete(close)
      raw.end()
    }
    this.#open.add(close)
    raw.on('close', close)
    raw.on('error', close)
    unsubscribe = this.#operations.events(after, (event) => {
      raw.write(frameOf(event))
      if (raw.writableLength > unreadBytesMax) raw.destroy()
    })
    if (!follow) close()
  }

  /** Open streams would keep the server from stopping. */
  closeAll(): void {
    for (const close of [...this.#open]) close()
  }
}

const frameOf = (event: EventDocument): string => `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`
