/** Which commands this Ferry does not carry: asked with one command of each generator, before the load begins. */
import { Random } from '../../../src/demo/random.ts'
import { isReplyError } from '../../../src/resp/decode.ts'
import type { Generator } from './commands/family.ts'
import { type Argv, type Memory, type Mix, World } from './commands/world.ts'
import type { Engine } from './engine.ts'
import { isUnsupported } from './errors.ts'
import { RawClient } from './raw-client.ts'

export interface Probe {
  /** Name and Ferry's words. */
  readonly refused: ReadonlyMap<string, string>
}

/** Each on a connection of its own: what SUBSCRIBE and its like do to one must not decide about the next. */
export async function probe(
  port: number,
  generators: readonly Generator[],
  engine: Engine,
  mix: Mix,
  memory: Memory,
): Promise<Probe> {
  const world = new World(new Random(1), engine, mix, memory)
  const refused = new Map<string, string>()
  const ask = async (name: string, argv: Argv): Promise<void> => {
    const client = await RawClient.open(port)
    const [reply] = await client.send([argv])
    client.close()
    if (isReplyError(reply) && isUnsupported(reply.error)) refused.set(name, reply.error)
  }
  // Together, since those that block would each be waited for.
  await Promise.all(generators.map(({ name, make }) => ask(name, make(world))))
  await ask('watch', ['WATCH', 'k'])
  await ask('subscribe', ['SUBSCRIBE', 'c'])
  return { refused }
}
