/** Picks generators by their weights. */
import type { Random } from '../../../src/demo/random.ts'
import type { Generator } from './commands/family.ts'

export class Weighted {
  readonly #generators: readonly Generator[]
  readonly #upTo: number[] = []
  #sum = 0

  constructor(generators: readonly Generator[]) {
    this.#generators = generators
    for (const { weight } of generators) {
      this.#sum += weight
      this.#upTo.push(this.#sum)
    }
  }

  pick(random: Random): Generator {
    const point = random.next() * this.#sum
    const at = this.#upTo.findIndex((end) => point < end)
    return this.#generators[at] ?? (this.#generators[0] as Generator)
  }
}
