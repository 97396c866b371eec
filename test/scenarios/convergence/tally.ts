/** What the clients of one run saw: counts by command and by error, and everything that no plain server would have answered. */
import { isReplyError, type Reply } from '../../../src/resp/decode.ts'
import type { Argv } from './commands/world.ts'
import { isClusterError, isLossError, isPlainError, isPolicyError, kindOf } from './errors.ts'

const samplesMax = 12

export class Tally {
  commands = 0
  reconnects = 0
  messages = 0
  /** Times that EXEC answered nil to a client that watched hot keys. */
  conflicts = 0
  /** By the name in the command table: how often a reply said that it ran. */
  readonly ran = new Map<string, number>()
  readonly errors = new Map<string, number>()
  /** Error replies that neither the load nor what was done to the connections explains. */
  unexpected = 0
  readonly unexpectedSamples: string[] = []
  /** What no server would have answered. */
  readonly wrong: string[] = []
  readonly #onCluster: () => boolean

  /** `onCluster`: whether what a client has just been answered may have come from a cluster. */
  constructor(onCluster: () => boolean) {
    this.#onCluster = onCluster
  }

  note(name: string, argv: Argv, reply: Reply | undefined): void {
    if (!isReplyError(reply)) {
      this.ran.set(name, (this.ran.get(name) ?? 0) + 1)
      return
    }
    this.noteError(argv, reply.error)
  }

  noteError(argv: Argv, error: string): void {
    const kind = kindOf(error)
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1)
    if (isPlainError(error) || isLossError(error) || isPolicyError(error)) return
    if (this.#onCluster() && isClusterError(error)) return
    this.unexpected++
    if (this.unexpectedSamples.length < samplesMax) this.unexpectedSamples.push(`${error} (to ${argv.join(' ').slice(0, 160)})`)
  }

  noteWrong(what: string): void {
    if (this.wrong.length < samplesMax) this.wrong.push(what)
  }
}
