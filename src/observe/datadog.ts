/** The same metrics to a Datadog agent, on a tick. dd-trace is loaded only when it is configured, and instruments nothing. */
import { datadogTickMs } from '../limits.ts'
import { bucketBoundsUs, type LatencyHistogram } from './histograms.ts'
import { metrics, type Reading } from './metrics.ts'

export interface DatadogSettings {
  readonly enabled: boolean
  readonly host: string
  readonly port: number
  readonly service: string
  readonly env?: string | undefined
  readonly version?: string | undefined
  readonly tags: Readonly<Record<string, string>>
}

/** What is used of dd-trace; a test passes its own. */
export interface StatsSink {
  gauge(name: string, value: number, tags: string[]): void
  increment(name: string, value: number, tags: string[]): void
  flush(): void
}

/** Starts the tick; the returned function sends once more and ends it. Without `enabled` it does nothing. */
export async function startDatadog(settings: DatadogSettings, read: () => Reading, tickMs = datadogTickMs): Promise<() => void> {
  if (!settings.enabled) return () => {}
  const reporter = createReporter(await connect(settings), read)
  const timer = setInterval(reporter, tickMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    reporter()
  }
}

/** Sends everything once per call: gauges as they are, counters as their growth since the call before. */
export function createReporter(sink: StatsSink, read: () => Reading): () => void {
  const sent = new Map<string, number>()
  const grow = (name: string, tags: string[], total: number): void => {
    const key = `${name}|${tags.join()}`
    const growth = total - (sent.get(key) ?? 0)
    sent.set(key, total)
    if (growth > 0) sink.increment(name, growth, tags)
  }
  return () => {
    const reading = read()
    for (const metric of metrics) {
      const name = dotted(metric.name)
      if (metric.type === 'histogram') {
        for (const [labels, histogram] of metric.read(reading)) sendHistogram(sink, grow, name, tagsOf(labels), histogram)
        continue
      }
      for (const [labels, value] of metric.read(reading)) {
        if (metric.type === 'gauge') sink.gauge(name, value, tagsOf(labels))
        else grow(name, tagsOf(labels), value)
      }
    }
    sink.flush()
  }
}

/** Percentiles of the whole run as gauges; the buckets too, so that rates over a window can be made from them. */
function sendHistogram(
  sink: StatsSink,
  grow: (name: string, tags: string[], total: number) => void,
  name: string,
  tags: string[],
  histogram: LatencyHistogram,
): void {
  const { count, p50Us, p99Us, maxUs } = histogram.snapshot()
  if (count > 0) {
    sink.gauge(`${name}.p50`, p50Us / 1e6, tags)
    sink.gauge(`${name}.p99`, p99Us / 1e6, tags)
    sink.gauge(`${name}.max`, maxUs / 1e6, tags)
  }
  const buckets = histogram.buckets()
  buckets.cumulative.forEach((total, index) => {
    grow(`${name}.bucket`, [...tags, `upper_bound:${(bucketBoundsUs[index] ?? 0) / 1e6}`], total)
  })
  grow(`${name}.count`, tags, buckets.count)
}

const tagsOf = (labels: Record<string, string>): string[] => Object.entries(labels).map(([name, value]) => `${name}:${value}`)
const dotted = (name: string): string => name.replace('ferry_', 'ferry.').replace(/_total$/, '')

async function connect(settings: DatadogSettings): Promise<StatsSink> {
  const { default: tracer } = await import('dd-trace')
  tracer.init({
    plugins: false,
    startupLogs: false,
    service: settings.service,
    ...(settings.env === undefined ? {} : { env: settings.env }),
    ...(settings.version === undefined ? {} : { version: settings.version }),
    hostname: settings.host,
    dogstatsd: { hostname: settings.host, port: settings.port },
    tags: { ...settings.tags },
  })
  return tracer.dogstatsd
}
