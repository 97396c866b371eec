/** Each generator against one plain server: mostly commands that a server takes, or the convergence runs would prove little. */
import { afterAll, describe, expect, it } from 'vitest'
import { Random } from '../../../../src/demo/random.ts'
import { isReplyError, type Reply } from '../../../../src/resp/decode.ts'
import { engineMissing, type RedisServer, startRedis } from '../../../support/redis-server.ts'
import { Engine } from '../engine.ts'
import { isPlainError } from '../errors.ts'
import { RawClient } from '../raw-client.ts'
import type { Generator } from './family.ts'
import { library } from './scripts.ts'
import { beginning, blocking, prompt } from './table.ts'
import { type Argv, hotDatabases, Memory, World } from './world.ts'

const times = 80
const together = 20
/** A server looks for waits that are over as often as this per second. */
const oftenAwake = ['--hz', '500', '--dynamic-hz', 'no']
const refusedShareMax = 0.05
const syntax = /^ERR (syntax|wrong number|unknown|unsupported|invalid|.*not allowed|.*must be|.*at the same time|Mandatory)/i

/** What puts something of every type there for the others to work on. */
const fills = ({ name }: Generator): boolean =>
  /^(set|mset|incr|setbit|hset|rpush|sadd|zadd|geoadd|pfadd|xadd|vadd|dump|xgroup\|create|xgroup\|createconsumer)$/.test(name)

class Trial {
  readonly #client: RawClient
  readonly #world: World
  readonly #fill: readonly Generator[]

  constructor(client: RawClient, world: World, known: readonly Generator[]) {
    this.#client = client
    this.#world = world
    this.#fill = known.filter(fills)
  }

  /** What is wrong with it, in words. */
  async of(generator: Generator): Promise<string[]> {
    const refused: string[] = []
    const strange: string[] = []
    let taken = 0
    await this.#send([['FLUSHDB']])
    for (let done = 0; done < times; done += together) {
      await this.#send(Array.from({ length: 60 }, () => this.#world.random.pick(this.#fill).make(this.#world)))
      const commands = Array.from({ length: together }, () => hurried(generator.make(this.#world)))
      for (const [position, reply] of (await this.#send(commands)).entries()) {
        const words = isReplyError(reply) ? `${reply.error}: ${(commands[position] as Argv).join(' ').slice(0, 200)}` : ''
        if (!isReplyError(reply)) taken++
        else if (syntax.test(reply.error)) refused.push(words)
        else if (!isPlainError(reply.error)) strange.push(words)
      }
    }
    const wrong = strange.slice(0, 1).map((words) => `an error that is not listed: ${words}`)
    if (refused.length > times * refusedShareMax) wrong.push(`refused ${refused.length} of ${times} times: ${refused[0]}`)
    if (taken === 0) wrong.push('never taken')
    return wrong.map((words) => `${generator.name}: ${words}`)
  }

  async #send(commands: readonly Argv[]): Promise<Reply[]> {
    const replies = await this.#client.send(commands)
    for (const [position, reply] of replies.entries()) this.#world.memory.learn(commands[position] as Argv, reply)
    return replies
  }
}

describe.each([undefined, 'redis-8.0', 'valkey-8.1', 'valkey-9.1'])('on %s', (engine) => {
  const servers: RedisServer[] = []
  afterAll(async () => {
    for (const server of servers) await server.stop()
  })

  const missing = engine !== undefined && engineMissing(engine)
  it.skipIf(missing)('every generator makes commands that a server takes', { timeout: 60_000 }, async () => {
    const server = await startRedis({ args: oftenAwake, ...(engine !== undefined && { engine }) })
    servers.push(server)
    const world = new World(
      new Random(7),
      await Engine.of(server.port),
      { keysPerType: 6, shortLived: false, hidden: false, databases: hotDatabases, tags: 0 },
      new Memory(),
    )
    const client = await RawClient.open(server.port)
    await client.send([['FUNCTION', 'LOAD', library(0)]])
    const known = [...prompt, ...blocking, ...beginning].filter(({ name }) => world.engine.commands.has(name))
    expect(known.length).toBeGreaterThan(150)
    const trial = new Trial(client, world, known)
    const wrong: string[] = []
    for (const generator of known) wrong.push(...(await trial.of(generator)))
    client.close()
    expect(wrong).toEqual([])
  })
})

/** With the shortest wait: here nobody will come and end it. */
function hurried(argv: Argv): Argv {
  const block = argv.indexOf('BLOCK')
  const waits = /^B[LRZ]/.test(String(argv[0]))
  return argv.map((argument, position) => {
    if (block > 0 && position === block + 1) return 1
    return waits && /^0\.\d+$/.test(String(argument)) ? '0.001' : argument
  })
}
