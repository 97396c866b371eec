/** Reads what the throttle heeds: Ferry's own measurements at every decision, and the servers' INFO every second while a copy runs. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Core } from '../dispatch/core.ts'
import { exchange } from '../dispatch/key-transfer.ts'
import type { Lanes } from '../dispatch/lanes.ts'
import type { LatencyHistogram } from '../observe/histograms.ts'
import { countOf, LatencyWindow, percentileMs } from '../observe/latency-window.ts'
import { encodeCommand } from '../resp/encode.ts'
import { type Side, sides } from '../routing/modes.ts'
import { freshContext } from '../upstream/lane.ts'
import { loadSignals, type ServerLoad, serverLoadOf } from './server-load.ts'
import { windowDecisions } from './throttle.ts'
import { noSignals, type Signals } from './throttle-signals.ts'

const infoEveryMs = 1_000
const infoFrame = encodeCommand(['INFO'])
const loopResolutionMs = 2
/** Fewer commands in a window say nothing about one in a hundred. */
const commandsMin = 20
const clientCommandsMin = 100
/** What was felt at rest counts from so many commands on, and is forgotten at this rate per decision: it looks back half a minute. */
const restingMin = 400
const restingKept = 0.99

export class SignalReader {
  readonly #lanes: Lanes
  readonly #windows: Readonly<Record<'client' | 'added' | Side, LatencyWindow>>
  readonly #resting: Float64Array
  readonly #loop = monitorEventLoopDelay({ resolution: loopResolutionMs })
  readonly #loads: Record<Side, ServerLoad | null> = { source: null, target: null }
  readonly #asked: Record<Side, boolean> = { source: false, target: false }
  #served: Signals = noSignals
  #infoMs = 0

  constructor(core: Core, lanes: Lanes) {
    const window = (histogram: LatencyHistogram): LatencyWindow => new LatencyWindow(histogram, windowDecisions)
    const { client, added, source, target } = core.latencies
    this.#lanes = lanes
    this.#windows = { client: window(client), added: window(added), source: window(source), target: window(target) }
    this.#resting = new Float64Array(client.fine.length)
  }

  /** A copy begins: from now on it is looked at what it does to the servers and to the event loop. */
  begin(): void {
    this.#served = noSignals
    this.#loads.source = null
    this.#loads.target = null
    this.#infoMs = 0
    this.#loop.reset()
    this.#loop.enable()
  }

  end(): void {
    this.#loop.disable()
  }

  /** Once per decision. `rested`: the mover did nothing since the last one. `copying`: between begin and end. */
  read(nowMs: number, rested: boolean, copying: boolean): Signals {
    const { client, added, source, target } = this.#windows
    const latest = client.advance()
    for (const window of [added, source, target]) window.advance()
    if (rested) this.#remember(latest)
    if (copying) this.#askServers(nowMs)
    const live = client.count > 0
    const signals: Signals = {
      ...this.#served,
      clientP99Ms: client.p99Ms(clientCommandsMin),
      restingP99Ms: countOf(this.#resting) < restingMin ? null : percentileMs(this.#resting, 0.99),
      addedP99Ms: live ? added.p99Ms(commandsMin) : null,
      sourceP99Ms: source.p99Ms(commandsMin),
      targetP99Ms: target.p99Ms(commandsMin),
      eventLoopLagMs: live && copying ? this.#loopLagMs() : null,
      sourceBufferBytes: this.#bufferedBytes('source'),
      targetBufferBytes: this.#bufferedBytes('target'),
    }
    this.#loop.reset()
    return signals
  }

  #remember(latest: Float64Array): void {
    const resting = this.#resting
    // Kept as they are while nobody is there: no traffic teaches nothing.
    if (countOf(latest) === 0) return
    for (let i = 0; i < resting.length; i++) resting[i] = (resting[i] as number) * restingKept + (latest[i] as number)
  }

  /** The timer's own interval is part of what is measured. */
  #loopLagMs(): number {
    return Math.max(0, this.#loop.percentile(99) / 1e6 - loopResolutionMs)
  }

  #bufferedBytes(side: Side): number {
    let most = 0
    for (const lane of this.#lanes.all()) if (lane.side === side) most = Math.max(most, lane.bufferedBytes)
    return most
  }

  #askServers(nowMs: number): void {
    if (nowMs - this.#infoMs < infoEveryMs) return
    this.#infoMs = nowMs
    for (const side of sides) if (!this.#asked[side]) void this.#ask(side)
  }

  /** A server that is away, or that keeps its INFO from Ferry's user, leaves its signals unknown. */
  async #ask(side: Side): Promise<void> {
    this.#asked[side] = true
    try {
      const reply = await exchange(this.#lanes.lane(side), freshContext, 1, (to) => to.write(infoFrame, 0, infoFrame.length))
      const load = serverLoadOf(reply.toString('latin1'), performance.now())
      this.#served = { ...this.#served, ...loadSignals(side, this.#loads[side], load) }
      this.#loads[side] = load
    } catch {
      this.#loads[side] = null
      this.#served = { ...this.#served, ...(side === 'source' ? unknownSource : unknownTarget) }
    } finally {
      this.#asked[side] = false
    }
  }
}

const unknownSource: Partial<Signals> = { sourceCpuPercent: null, sourceLagSeconds: null }
const unknownTarget: Partial<Signals> = {
  targetCpuPercent: null,
  targetLagSeconds: null,
  targetMemoryPercent: null,
  targetEvictionsPerSecond: null,
}
