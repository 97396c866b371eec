/** One large value each way: the time has to grow with the size, the memory must not. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ControlClient } from '../../src/demo/control-client.ts'
import type { RedisServer, Servers } from '../../src/demo/servers.ts'
import { peakResidentBytes, resetPeakResident } from './process-usage.ts'
import { flush } from './proxies.ts'

const megabyte = 1 << 20
const transferLimitMs = 120_000
const pollMs = 10

/** What every megabyte of a value is: bytes that show when one is lost or out of place. */
const pattern = Buffer.from(Array.from({ length: megabyte }, (_, position) => (position * 31 + (position >> 8)) & 0xff))

export interface LargeValueResult {
  readonly megabytes: number
  readonly directSetSeconds: number
  readonly directGetSeconds: number
  readonly setSeconds: number
  readonly getSeconds: number
  /** Of Ferry, while it wrote the value to both sides and while it gave it back. */
  readonly setPeakMegabytes: number
  readonly getPeakMegabytes: number
}

export async function measureLargeValues(
  servers: Servers,
  { source, target }: { source: RedisServer; target: RedisServer },
  sizes: readonly number[],
  progress: (text: string) => void,
): Promise<LargeValueResult[]> {
  for (const { port } of [source, target]) await flush(port)
  const ferry = await servers.startFerry(source, target, 'mirror')
  const control = new ControlClient(ferry.controlUrl)
  const results: LargeValueResult[] = []
  for (const megabytes of sizes) {
    progress(`a value of ${megabytes} MB`)
    const directSetSeconds = await timed(source.port, (socket) => set(socket, megabytes))
    const directGetSeconds = await timed(source.port, (socket) => get(socket, megabytes))
    resetPeakResident(ferry.pid)
    const setSeconds = await timed(ferry.port, (socket) => set(socket, megabytes))
    await untilAnswered(control)
    const setPeakMegabytes = peakResidentBytes(ferry.pid) / megabyte
    resetPeakResident(ferry.pid)
    const getSeconds = await timed(ferry.port, (socket) => get(socket, megabytes))
    const getPeakMegabytes = peakResidentBytes(ferry.pid) / megabyte
    results.push({ megabytes, directSetSeconds, directGetSeconds, setSeconds, getSeconds, setPeakMegabytes, getPeakMegabytes })
  }
  await servers.stopOne(ferry.pid)
  for (const { port } of [source, target]) await flush(port)
  return results
}

/** The follower's half goes on after the client's reply, and counts. */
async function untilAnswered(control: ControlClient): Promise<void> {
  const deadlineMs = performance.now() + transferLimitMs
  for (;;) {
    const { source, target, journal } = await control.status()
    if (source.inFlight + target.inFlight + journal.dirtyKeys === 0) return
    if (performance.now() > deadlineMs) throw new Error('the target did not get the value in time')
    await sleep(pollMs)
  }
}

async function timed(port: number, transfer: (socket: Socket) => Promise<void>): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.setTimeout(transferLimitMs, () => socket.destroy(new Error(`nothing moved for ${transferLimitMs / 1000} s`)))
  await once(socket, 'connect')
  const startMs = performance.now()
  await transfer(socket)
  const seconds = (performance.now() - startMs) / 1000
  socket.destroy()
  return seconds
}

async function set(socket: Socket, megabytes: number): Promise<void> {
  const answered = receive(socket, Buffer.from('+OK\r\n'), 0, '')
  socket.write(`*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$${megabytes * megabyte}\r\n`)
  for (let sent = 0; sent < megabytes; sent++) if (!socket.write(pattern)) await Promise.race([once(socket, 'drain'), answered])
  socket.write('\r\n')
  await answered
}

async function get(socket: Socket, megabytes: number): Promise<void> {
  const answered = receive(socket, Buffer.from(`$${megabytes * megabyte}\r\n`), megabytes * megabyte, '\r\n')
  socket.write('*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n')
  await answered
}

/** Resolves once `head`, `length` bytes of the pattern and `tail` have come, every byte as it must be. */
function receive(socket: Socket, head: Buffer, length: number, tail: string): Promise<void> {
  const end = Buffer.from(tail)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let position = 0
  const fail = (chunk: Buffer) => reject(new Error(`byte ${position} is not what it must be: ${chunk.toString('latin1', 0, 80)}`))
  socket.on('error', reject).on('close', () => reject(new Error('the connection was closed')))
  socket.on('data', (chunk) => {
    let rest = chunk
    while (rest.length > 0) {
      const wanted = expectedAt(position, head, length, end)
      const part = rest.subarray(0, wanted.length)
      if (wanted.length === 0 || !part.equals(wanted.subarray(0, part.length))) return fail(rest)
      position += part.length
      rest = rest.subarray(part.length)
    }
    if (position === head.length + length + end.length) resolve()
  })
  return promise
}

/** The bytes that must come next, as far as they lie together. */
function expectedAt(position: number, head: Buffer, length: number, end: Buffer): Buffer {
  if (position < head.length) return head.subarray(position)
  const inValue = position - head.length
  if (inValue < length) return pattern.subarray(inValue % megabyte)
  return end.subarray(inValue - length)
}
