/** Clients that each write to one key all the time, and know how long they had to wait. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RawConnection } from '../../../src/demo/raw-connection.ts'

type Command = readonly (string | number)[]

/** Of number `n`, on a value of which `size` is the number of elements, or bytes. */
const deeds: Record<string, { readonly size: number; readonly command: (n: number, size: number) => Command }> = {
  hash: {
    size: 5_000_000,
    command: (n, size) => {
      const field = `field:${(n * 7_919) % Math.floor(size * 1.1)}`
      if (n % 5 === 0) return ['HDEL', 'hash', field]
      return n % 5 === 1 ? ['HINCRBY', 'hash', `counter:${n % 10}`, 1] : ['HSET', 'hash', field, `written:${n}`]
    },
  },
  set: {
    size: 500_000,
    command: (n, size) => [n % 3 === 0 ? 'SREM' : 'SADD', 'set', `member:${(n * 7_919) % Math.floor(size * 1.1)}`],
  },
  zset: {
    size: 500_000,
    command: (n, size) => {
      const member = `member:${(n * 7_919) % Math.floor(size * 1.1)}`
      return n % 3 === 0 ? ['ZREM', 'zset', member] : ['ZINCRBY', 'zset', n / 7, member]
    },
  },
  list: {
    size: 1_000_000,
    command: (n) =>
      n % 7 === 0
        ? ['RPOP', 'list']
        : n % 2 === 0
          ? ['LPOP', 'list']
          : n % 5 === 1
            ? ['LPUSH', 'list', `left:${n}`]
            : ['RPUSH', 'list', `right:${n}`],
  },
  string: {
    size: 400_000_000,
    command: (n, size) => ['SETRANGE', 'string', Math.floor((n * 104_729) % (size - 100)), `written:${n}`],
  },
  stream: {
    size: 200_000,
    command: (n) =>
      n % 3 === 0
        ? ['XREADGROUP', 'GROUP', 'group', 'live', 'COUNT', 1, 'STREAMS', 'stream', '>']
        : n % 3 === 1
          ? ['XADD', 'stream', '*', 'f', n]
          : ['XACK', 'stream', 'group', `${n}-1`],
  },
}

export interface Written {
  readonly key: string
  readonly count: number
  readonly slowestMs: number
  readonly errors: readonly string[]
}

export class Writer {
  readonly #key: string
  readonly #connection: RawConnection
  readonly #ended: Promise<void>
  #running = true
  #count = 0
  #slowestMs = 0
  #errors: string[] = []

  constructor(key: string, scale: number, connection: RawConnection) {
    this.#key = key
    this.#connection = connection
    this.#ended = this.#run(scale)
  }

  /** What was until now does not count. */
  forget(): void {
    this.#count = 0
    this.#slowestMs = 0
  }

  async stop(): Promise<Written> {
    this.#running = false
    await this.#ended
    this.#connection.close()
    return { key: this.#key, count: this.#count, slowestMs: this.#slowestMs, errors: this.#errors }
  }

  async #run(scale: number): Promise<void> {
    const deed = deeds[this.#key]
    if (deed === undefined) throw new Error(`no writer for ${this.#key}`)
    for (let n = 0; this.#running; n++) {
      const startMs = performance.now()
      try {
        await this.#connection.command(...deed.command(n, Math.floor(deed.size * scale)))
      } catch (error) {
        this.#errors.push(String(error))
        if (this.#errors.length > 10) return
      }
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startMs)
      this.#count++
      await sleep(1)
    }
  }
}

export const writersTo = (port: number, keys: readonly string[], scale: number): Promise<Writer[]> =>
  Promise.all(keys.map(async (key) => new Writer(key, scale, await RawConnection.open(port))))
