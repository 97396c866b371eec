/** Two real servers, each behind a proxy that can misbehave, a Ferry between them, and a load that knows what it was acknowledged. */
import { findUnkept } from '../../src/demo/acknowledged.ts'
import { fillDataset } from '../../src/demo/dataset.ts'
import { Load } from '../../src/demo/load.ts'
import { ChaosProxy } from './chaos-proxy.ts'
import { differencesOf, Ferry, type FerrySettings } from './ferry.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

export interface StageSettings {
  /** Keys of every type on the source before Ferry starts. */
  readonly keys?: number
  readonly targetArgs?: readonly string[]
  readonly ferry?: Omit<FerrySettings, 'source' | 'target'>
}

/** What the load saw since it was started or the last `forget`. */
export interface Seen {
  readonly commands: number
  /** Error replies, lost connections, and reads that were not what was written before. */
  readonly errors: readonly string[]
  readonly slowestMs: number
}

export class Stage {
  readonly source: RedisServer
  target: RedisServer
  readonly toSource: ChaosProxy
  readonly toTarget: ChaosProxy
  readonly ferry: Ferry
  readonly #keys: number
  readonly #targetArgs: readonly string[]
  #load: Load | null = null

  static async open({ keys = 0, targetArgs = [], ferry: settings = {} }: StageSettings = {}): Promise<Stage> {
    const [source, target] = await Promise.all([startRedis(), startRedis({ args: targetArgs })])
    if (keys > 0) await fillDataset(source.port, keys, () => {})
    const [toSource, toTarget] = await Promise.all([ChaosProxy.start(source.port), ChaosProxy.start(target.port)])
    const ferry = await Ferry.start({ source: toSource.url, target: toTarget.url, ...settings })
    return new Stage({ source, target, toSource, toTarget, ferry, keys, targetArgs })
  }

  private constructor(
    parts: Pick<Stage, 'source' | 'target' | 'toSource' | 'toTarget' | 'ferry'> & Required<Omit<StageSettings, 'ferry'>>,
  ) {
    this.source = parts.source
    this.target = parts.target
    this.toSource = parts.toSource
    this.toTarget = parts.toTarget
    this.ferry = parts.ferry
    this.#keys = parts.keys
    this.#targetArgs = parts.targetArgs
  }

  /** Ten clients that read and write everything, with about so many commands per second together. */
  async startLoad(commandsPerSecond = 1_500): Promise<void> {
    this.#load ??= await Load.connect({ port: this.ferry.port, keys: this.#keys, commandsPerSecond })
    this.#load.start()
  }

  async stopLoad(): Promise<Seen> {
    await this.#load?.stop()
    return this.seen()
  }

  seen(): Seen {
    if (this.#load === null) return { commands: 0, errors: [], slowestMs: 0 }
    const { commands, clientErrors, messages, latencyNs } = this.#load.tally
    const errors = clientErrors > messages.length ? [...messages, `${clientErrors} errors in all`] : messages
    return { commands, errors, slowestMs: latencyNs.max / 1e6 }
  }

  /** From here on `slowestMs` counts anew. */
  forgetLatencies(): void {
    this.#load?.tally.latencyNs.reset()
  }

  /** Whatever is wrong with the two servers, in words: where they differ, and where one of them lacks what the load was acknowledged. */
  async wrong(): Promise<string[]> {
    const expected = this.#load?.expected() ?? new Map()
    return [
      ...(await differencesOf(this.source, this.target)),
      ...(await findUnkept(this.source.port, expected)).map((line) => `source: ${line}`),
      ...(await findUnkept(this.target.port, expected)).map((line) => `target: ${line}`),
    ]
  }

  /** Another server in place of the target, on its port. What it holds is up to the stage's arguments for the target. */
  async startTargetAgain(): Promise<void> {
    const { port } = this.target
    await this.target.stop()
    this.target = await startRedis({ port, args: this.#targetArgs })
  }

  async close(): Promise<void> {
    this.#load?.close()
    await this.ferry.dispose()
    await Promise.all([this.toSource.stop(), this.toTarget.stop()])
    await Promise.all([this.source.stop(), this.target.stop()])
  }
}
