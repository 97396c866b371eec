/** Whether the source's databases have a place on the target, looked at as long as they need one. */
import type { Core } from '../dispatch/core.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import { databasesUnfit, type Misfit, misfitHelp, misfitsOf, misfitText } from '../mover/database-fit.ts'

const everyMs = 2_000

export class DatabasePlaces {
  /** Databases that clients are in. */
  used: () => ReadonlySet<number> = () => new Set()
  readonly #core: Core
  readonly #lanes: Lanes
  #misfits: readonly Misfit[] = []
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(core: Core, lanes: Lanes) {
    this.#core = core
    this.#lanes = lanes
  }

  /** Which of them have none, in one line; null = all have one. */
  get problem(): string | null {
    return this.#misfits.length === 0 ? null : misfitText(this.#misfits)
  }

  /** For whoever wants to copy now. @throws FerryError `databases-unfit` */
  refuseMisfits(): void {
    if (this.#misfits.length > 0) throw databasesUnfit(this.#misfits)
  }

  lookIfDue(): void {
    if (performance.now() - this.#lookedMs > everyMs) void this.look()
  }

  /** What is found is told once, and stays known where a side cannot be asked. */
  async look(): Promise<void> {
    this.#lookedMs = performance.now()
    const before = this.problem
    if (this.#core.traffic.authority === 'target') this.#misfits = []
    else if (this.#lanes.lane('source').up && this.#lanes.lane('target').up) {
      this.#misfits = await misfitsOf(this.#lanes, 'source', null, this.used()).catch(() => this.#misfits)
    }
    const { problem } = this
    if (problem === before || (problem === null && this.#core.traffic.authority === 'target')) return
    if (problem === null) this.#core.events.record('databases', 'all databases of the source have a place on the target')
    else this.#core.events.record('databases', problem, { reason: misfitHelp.join('; ') })
  }
}
