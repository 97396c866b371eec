/** The metrics in Prometheus' text format. Nothing happens between two scrapes. */
import { type Metric as ClientMetric, Registry } from '@prometheus-io/client'
import { bucketBoundsUs, type LatencyHistogram } from './histograms.ts'
import { type Metric, metrics, type Reading } from './metrics.ts'

interface Exposition {
  readonly contentType: string
  readonly body: string
}

interface Series {
  readonly metricName?: string
  readonly labels: Record<string, string | number>
  readonly value: number
}

/** `read` is called once per scrape, so that all the numbers of one scrape are of one moment. */
export function createExposition(read: () => Reading): () => Promise<Exposition> {
  const registry = new Registry()
  let reading: Reading | null = null
  for (const metric of metrics) {
    const { name, help, type } = metric
    const get = () => ({ name, help, type, values: reading === null ? [] : seriesOf(metric, reading) })
    // The library asks its metrics for `get` alone; its own classes would keep a second copy of each value.
    registry.registerMetric({ name, help, type, get } as unknown as ClientMetric)
  }
  return async () => {
    reading = read()
    return { contentType: registry.contentType, body: await registry.metrics() }
  }
}

function seriesOf(metric: Metric, reading: Reading): Series[] {
  if (metric.type !== 'histogram') return metric.read(reading).map(([labels, value]) => ({ labels, value }))
  return metric.read(reading).flatMap(([labels, histogram]) => bucketsOf(metric.name, labels, histogram))
}

function bucketsOf(name: string, labels: Record<string, string>, histogram: LatencyHistogram): Series[] {
  const { cumulative, count, sumUs } = histogram.buckets()
  const buckets = cumulative.map((value, index) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: (bucketBoundsUs[index] ?? 0) / 1e6 },
    value,
  }))
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumUs / 1e6 },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
