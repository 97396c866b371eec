/** A client that waits on the server: blocking pops and reads on the hot keys, now and then gone while it waits. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Actor, type Load, type Place } from './actor.ts'
import { World } from './commands/world.ts'
import { Weighted } from './weighted.ts'

export class Popper extends Actor {
  readonly #world: World
  readonly #commands: Weighted

  constructor(load: Load, place: Place) {
    super(load, place)
    this.#world = new World(this.random, load.engine, load.mix, load.memory)
    this.#commands = new Weighted(load.blocking)
  }

  protected override async connected(): Promise<void> {
    await this.select(this.random.pick(this.load.mix.databases))
  }

  protected override async turn(): Promise<void> {
    const { name, make } = this.#commands.pick(this.random)
    const argv = make(this.#world)
    const marker = `${this.id}/${this.load.tally.commands}`
    const sent = this.send([argv, ['ECHO', marker]])
    if (this.random.chance(0.03)) {
      await Promise.race([sent, sleep(this.random.between(0, 20))])
      this.client.close()
    }
    const [reply, echoed] = await sent
    this.load.tally.note(name, argv, reply)
    this.load.memory.learn(argv, reply)
    if (String(echoed) !== marker) this.wrong(`ECHO ${marker} after ${argv.join(' ')} answered ${String(echoed)}`)
  }
}
