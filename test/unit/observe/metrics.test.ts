import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createReporter, startDatadog } from '../../../src/observe/datadog.ts'
import { metrics } from '../../../src/observe/metrics.ts'
import { createExposition } from '../../../src/observe/prometheus.ts'
import { sampleReading } from '../../support/reading.ts'

const deploy = join(import.meta.dirname, '../../../deploy')
const seriesNames = new Set(
  metrics.flatMap(({ name, type }) => (type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name])),
)

describe('the declaration', () => {
  test('names, help and labels keep to the rules', () => {
    expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length)
    for (const { name, type, help, labels } of metrics) {
      expect(name).toMatch(/^ferry_[a-z_]+[a-z]$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(help, name).toMatch(/\.$/)
      for (const label of labels) expect(['key', 'client', 'address', 'message', 'url']).not.toContain(label)
    }
  })

  test('every sample carries exactly the labels that are declared', () => {
    for (const metric of metrics) {
      for (const [labels] of metric.read(sampleReading()))
        expect(Object.keys(labels).sort(), metric.name).toEqual([...metric.labels].sort())
    }
  })
})

describe('Prometheus', () => {
  test('reads the plain numbers at the scrape, not before', async () => {
    const reading = sampleReading()
    let reads = 0
    const scrape = createExposition(() => {
      reads += 1
      return reading
    })
    expect(reads).toBe(0)
    const { body, contentType } = await scrape()
    expect(reads).toBe(1)
    expect(contentType).toContain('text/plain')
    for (const line of [
      'ferry_commands_total{family="string",kind="read"} 12',
      'ferry_commands_total{family="hash",kind="write"} 11',
      'ferry_replies_total{side="target",outcome="error"} 2',
      'ferry_client_errors_total{code="overloaded"} 1',
      'ferry_client_errors_total{code="aborted"} 0',
      'ferry_divergences_total{family="hash"} 1',
      'ferry_phase{phase="mirror"} 1',
      'ferry_phase{phase="canary"} 0',
      'ferry_hold_wait_max_seconds 0.02',
      'ferry_hold_wait_seconds_total 0.03',
      'ferry_journal_dirty_keys 7',
      'ferry_mover_eta_seconds 2',
      'ferry_client_latency_seconds_bucket{le="0.000016"} 2',
      'ferry_client_latency_seconds_bucket{le="0.000032"} 3',
      'ferry_client_latency_seconds_bucket{le="0.001024"} 4',
      'ferry_client_latency_seconds_bucket{le="+Inf"} 5',
      'ferry_client_latency_seconds_count 5',
      '# TYPE ferry_client_latency_seconds histogram',
    ]) {
      expect(body.split('\n')).toContain(line)
    }
    reading.counters.commands[2] = 12
    expect((await scrape()).body).toContain('ferry_commands_total{family="hash",kind="write"} 12')
  })

  test('every line is a comment or a declared series with a number', async () => {
    const { body } = await createExposition(sampleReading)()
    for (const line of body.split('\n').filter((text) => text !== '' && !text.startsWith('#'))) {
      const [, name = '', value = ''] = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line) ?? []
      expect(seriesNames, line).toContain(name)
      expect(value, line).toMatch(/^-?[\d.e+-]+$/)
    }
  })
})

describe('Datadog', () => {
  test('gauges as they are, counters by their growth', () => {
    const reading = sampleReading()
    const sent: string[] = []
    const report = createReporter(
      {
        gauge: (name, value, tags) => sent.push(`g ${name} ${value} ${tags}`),
        increment: (name, value, tags) => sent.push(`c ${name} ${value} ${tags}`),
        flush: () => sent.push('flush'),
      },
      () => reading,
    )
    report()
    expect(sent).toContain('c ferry.commands 12 family:string,kind:read')
    expect(sent).toContain('g ferry.journal_dirty_keys 7 ')
    expect(sent).toContain('g ferry.client_latency_seconds.max 60 ')
    expect(sent.at(-1)).toBe('flush')
    sent.length = 0
    reading.counters.commands[0] = 8
    report()
    expect(sent.filter((line) => line.startsWith('c ferry.commands'))).toEqual(['c ferry.commands 3 family:string,kind:read'])
  })

  test('is not even loaded unless enabled', async () => {
    const never = () => {
      throw new Error('read')
    }
    const stop = await startDatadog({ enabled: false, host: '', port: 0, service: '', tags: {} }, never)
    expect(stop).not.toThrow()
  })
})

describe('what is deployed', () => {
  const used = (text: string): string[] => [...new Set(text.match(/\bferry_[a-z_]+\b/g) ?? [])]

  test('the dashboard asks only for metrics that exist, and shows every one', () => {
    const text = readFileSync(join(deploy, 'grafana/ferry.json'), 'utf8')
    const asked = used(text)
    expect(asked.filter((name) => !seriesNames.has(name))).toEqual([])
    const shown = metrics.filter(({ name, type }) => !asked.includes(type === 'histogram' ? `${name}_bucket` : name))
    expect(shown.map(({ name }) => name)).toEqual([])
    const { panels } = JSON.parse(text) as { panels: { id: number; datasource?: { uid: string } }[] }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    // No panel names a datasource of its own: whoever imports the dashboard chooses it.
    const sources = new Set(panels.flatMap(({ datasource }) => (datasource === undefined ? [] : [datasource.uid])))
    expect([...sources]).toEqual(['$'.concat('{DS_PROMETHEUS}')])
  })

  test('the alert rules ask only for metrics that exist', () => {
    const text = readFileSync(join(deploy, 'prometheus/alerts.yaml'), 'utf8')
    expect(used(text).length).toBeGreaterThan(10)
    expect(used(text).filter((name) => !seriesNames.has(name))).toEqual([])
    const { groups } = parse(text) as { groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, annotations } of rules)
      expect([alert, typeof expr, typeof annotations.summary]).toEqual([alert, 'string', 'string'])
  })
})
