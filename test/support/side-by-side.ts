/** Ferry between two servers, each behind a proxy that can misbehave, and a third server alone: what a server says by itself. */
import { ChaosProxy } from './chaos-proxy.ts'
import { Ferry, type FerrySettings } from './ferry.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { WireClient } from './wire-client.ts'

export class SideBySide {
  readonly source: RedisServer
  readonly target: RedisServer
  readonly plain: RedisServer
  readonly toSource: ChaosProxy
  readonly toTarget: ChaosProxy
  readonly ferry: Ferry
  readonly #open: WireClient[] = []

  /** `args` are of all three servers. */
  static async open(limits: FerrySettings['limits'] = {}, args: readonly string[] = []): Promise<SideBySide> {
    const [source, target, plain] = await Promise.all([startRedis({ args }), startRedis({ args }), startRedis({ args })])
    const [toSource, toTarget] = await Promise.all([ChaosProxy.start(source.port), ChaosProxy.start(target.port)])
    const ferry = await Ferry.start({ source: toSource.url, target: toTarget.url, limits })
    return new SideBySide({ source, target, plain, toSource, toTarget, ferry })
  }

  private constructor(parts: Pick<SideBySide, 'source' | 'target' | 'plain' | 'toSource' | 'toTarget' | 'ferry'>) {
    this.source = parts.source
    this.target = parts.target
    this.plain = parts.plain
    this.toSource = parts.toSource
    this.toTarget = parts.toTarget
    this.ferry = parts.ferry
  }

  /** A client of that port, by default Ferry's, that has sent these lines and taken the replies. */
  async connect(port = this.ferry.port, ...lines: string[]): Promise<WireClient> {
    const client = await WireClient.open(port)
    this.#open.push(client)
    if (lines.length > 0) await client.pipeline(lines)
    return client
  }

  closeClients(): void {
    for (const client of this.#open.splice(0)) client.close()
  }

  async flushAll(): Promise<void> {
    await Promise.all([this.source, this.target, this.plain].map((server) => server.client().flushall()))
  }

  async close(): Promise<void> {
    await this.ferry.dispose()
    await Promise.all([this.toSource.stop(), this.toTarget.stop()])
    await Promise.all([this.source.stop(), this.target.stop(), this.plain.stop()])
  }
}
