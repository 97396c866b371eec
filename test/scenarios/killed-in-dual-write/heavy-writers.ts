/** Connections that write as fast as they are answered, to few keys, so that every key has something under way at any moment. */

import { Random } from '../../../src/demo/random.ts'
import { RawConnection } from '../../../src/demo/raw-connection.ts'

type Argv = (string | number)[]

export const keysPerType = 40
const pipelineMax = 40
/** Large enough to be noted by its key alone. */
const largeValueBytes = 4_096

export class HeavyWriters {
  commands = 0
  readonly #connections: RawConnection[]
  readonly #done: Promise<unknown>

  /** Half of them in another database. */
  static async start(port: number, connections: number, random: Random): Promise<HeavyWriters> {
    const opened = await Promise.all(Array.from({ length: connections }, () => RawConnection.open(port)))
    for (const [i, connection] of opened.entries()) if (i % 2 === 1) await connection.command('SELECT', 1)
    return new HeavyWriters(opened, random)
  }

  private constructor(connections: RawConnection[], random: Random) {
    this.#connections = connections
    this.#done = Promise.all(connections.map((connection) => this.#write(connection, new Random(random.below(2 ** 31)))))
  }

  /** Resolves once every connection is gone. */
  async ended(): Promise<void> {
    await this.#done
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
  }

  async #write(connection: RawConnection, random: Random): Promise<void> {
    try {
      while (true) {
        const pipeline: Argv[] = []
        for (let left = random.between(1, pipelineMax); left > 0; left--) pipeline.push(...someCommands(random))
        await connection.batch(pipeline)
        this.commands += pipeline.length
      }
    } catch {
      // Ferry is gone, which is the point.
    }
  }
}

function someCommands(random: Random): Argv[] {
  const key = (type: string): string => `${type}:${random.below(keysPerType)}`
  const member = (): string => `m${random.below(20)}`
  const one: readonly (() => Argv)[] = [
    () => ['INCR', key('counter')],
    () => ['INCRBY', key('counter'), random.between(-5, 9)],
    () => ['LPUSH', key('list'), random.word(6)],
    () => ['RPUSH', key('list'), random.word(6), random.word(3)],
    () => ['RPOP', key('list')],
    () => ['APPEND', key('text'), random.word(4)],
    () => ['SET', key('text'), random.word(8)],
    () => ['SET', key('large'), random.word(4) + 'x'.repeat(largeValueBytes)],
    () => ['SADD', key('set'), member(), member()],
    () => ['SPOP', key('set')],
    () => ['HINCRBY', key('hash'), member(), 1],
    () => ['ZINCRBY', key('sorted'), 1, member()],
    () => ['INCRBYFLOAT', key('float'), 0.5],
    () => ['XADD', key('stream'), 'MAXLEN', 20, '*', 'field', random.word(4)],
    () => ['RENAME', key('text'), key('text')],
    () => ['SUNIONSTORE', key('set'), key('set'), key('set')],
    () => ['SET', key('brief'), random.word(8), 'PX', random.between(1, 400)],
    () => ['EXPIRE', key('counter'), 100],
    () => ['DEL', key('list')],
  ]
  if (!random.chance(0.05)) return [random.pick(one)()]
  return [['MULTI'], ['INCR', key('counter')], ['LPUSH', key('list'), random.word(5)], ['SADD', key('set'), member()], ['EXEC']]
}
