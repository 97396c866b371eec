/** Clients of a stream's groups that do to it, at random, whatever consumers and producers do. */

import type { Random } from '../../src/demo/random.ts'
import { RawConnection, type Reply } from '../../src/demo/raw-connection.ts'

type Command = (string | number)[]

const streamGroups = ['head', 'behind', 'untouched']
const consumers = 8
/** With little pending, which they ask for again and again. */
const fewConsumers = 3
/** Of entries that the stream has from the beginning: `1-1`, `2-1`, … */
const firstIds = (n: number): string => `${n}-1`

/** Entries, three groups, and what is pending in two of them: also under ids that were deleted or trimmed since. */
export async function fillStream(port: number, key: string, entries: number, valueBytes: number): Promise<void> {
  const connection = await RawConnection.open(port)
  const value = 'v'.repeat(valueBytes)
  for (const group of streamGroups) await connection.command('XGROUP', 'CREATE', key, group, 0, 'MKSTREAM')
  for (let n = 1; n <= entries; n += 500)
    await connection.batch(Array.from({ length: 500 }, (_, i) => ['XADD', key, firstIds(n + i), 'n', n + i, 'value', value]))
  const read = (group: string, consumer: string, count: number): Promise<Reply> =>
    connection.command('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, '>')
  // Many small deliveries: what was delivered together is claimed together.
  let few = 0
  for (let left = entries, n = 0; left > 0; left -= 20, n++) {
    await read('head', `c${n % consumers}`, 20)
    if (n % 3 === 0) await read('behind', `c${n % consumers}`, 20)
    if (left <= entries / 2 && few < fewConsumers) await read('head', `few${few++}`, 100)
  }
  const each = (step: number, command: (n: number) => Command): Promise<unknown> =>
    connection.batch(Array.from({ length: Math.floor(entries / step) }, (_, i) => command(1 + i * step)))
  await each(7, (n) => ['XACK', key, 'head', firstIds(n), firstIds(n + 3)])
  await each(11, (n) => ['XDEL', key, firstIds(n)])
  await connection.command('XTRIM', key, 'MINID', firstIds(Math.floor(entries / 50)))
  connection.close()
}

export class StreamClient {
  /** How often each command was run, and not refused. */
  readonly counts = new Map<string, number>()
  readonly #connection: RawConnection
  readonly #random: Random
  readonly #key: string
  readonly #entries: number
  readonly #seen: string[] = []

  constructor(connection: RawConnection, random: Random, key: string, entries: number) {
    this.#connection = connection
    this.#random = random
    this.#key = key
    this.#entries = entries
  }

  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const command = this.#command()
      try {
        const reply = await this.#connection.command(...command)
        this.#note(reply)
        const name = `${command[0]}${command.includes('BLOCK') ? (reply === null ? ' in vain' : ' that waits') : ''}`
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
      } catch (error) {
        if (!/BUSYGROUP/.test(String(error))) throw new Error(`${command.join(' ')}: ${error}`, { cause: error })
      }
    }
    this.#connection.close()
  }

  #command(): Command {
    const random = this.#random
    const key = this.#key
    const group = streamGroups[random.below(2)] as string
    const consumer = `c${random.below(consumers)}`
    const count = random.between(1, 5)
    const reads = (...ids: string[]): Command => ['STREAMS', ...[key, `${key}:other`].slice(0, ids.length), ...ids]
    const deeds: (() => Command)[] = [
      () => ['XADD', key, '*', 'f', random.below(1_000)],
      () => ['XADD', key, '*', 'f', random.below(1_000)],
      () => ['XADD', key, 'MAXLEN', '~', this.#entries, '*', 'f', 1],
      () => ['XADD', key, 'MAXLEN', '=', this.#entries, '*', 'f', 2],
      () => ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, ...reads('>')],
      () => ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, ...reads('>')],
      () => ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'NOACK', ...reads('>')],
      () => ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, ...reads('>', '>')],
      () => ['XREADGROUP', 'GROUP', 'head', `b${random.below(3)}`, 'COUNT', count, 'BLOCK', 20, ...reads('>')],
      () => ['XREADGROUP', 'GROUP', 'head', `b${random.below(3)}`, 'COUNT', count, ...reads('0')],
      () => ['XREADGROUP', 'GROUP', 'head', `few${random.below(fewConsumers)}`, 'COUNT', count, ...reads('0')],
      () => ['XACK', key, group, ...this.#ids(count)],
      () => ['XACK', key, group, ...this.#ids(count)],
      () => ['XCLAIM', key, group, consumer, 0, ...this.#ids(count), ...(random.chance(0.3) ? ['JUSTID'] : [])],
      () => ['XCLAIM', key, group, consumer, 0, ...this.#ids(count), 'RETRYCOUNT', 7, 'FORCE'],
      () => ['XAUTOCLAIM', key, group, consumer, 0, ...this.#ids(1), 'COUNT', count],
      () => ['XDEL', key, ...this.#ids(count)],
      () => ['XTRIM', key, 'MINID', '=', firstIds(Math.floor(this.#entries / 50) + random.below(this.#entries / 50))],
      () => ['XGROUP', 'CREATE', key, group, '$'],
      () => ['XGROUP', 'CREATE', key, `new${random.below(2)}`, 0],
      () => ['XGROUP', 'CREATECONSUMER', key, group, `made${random.below(20)}`],
      () => ['XGROUP', 'DELCONSUMER', key, 'head', `b${random.below(3)}`],
    ]
    return (deeds[random.below(deeds.length)] as () => Command)()
  }

  /** Some that were there from the beginning, and some that were added since. */
  #ids(count: number): string[] {
    return Array.from({ length: count }, () => {
      const seen = this.#random.chance(0.4) ? this.#seen[this.#random.below(this.#seen.length)] : undefined
      return seen ?? firstIds(1 + this.#random.below(this.#entries))
    })
  }

  #note(reply: Reply): void {
    const id = Buffer.isBuffer(reply) ? String(reply) : ''
    if (!/^\d+-\d+$/.test(id)) return
    this.#seen.push(id)
    if (this.#seen.length > 500) this.#seen.shift()
  }
}
