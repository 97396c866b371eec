/** Something for the metrics to read. */
import { Counters } from '../../src/observe/counters.ts'
import { createLatencies } from '../../src/observe/histograms.ts'
import type { Reading } from '../../src/observe/metrics.ts'
import { FakeOperations } from './fake-operations.ts'

export function sampleReading(): Reading {
  const counters = new Counters(3)
  counters.commands.set([5, 7, 11])
  counters.sides.target.error = 2
  counters.clientError('overloaded')
  counters.divergence('hash')
  counters.holdWait(20)
  counters.holdWait(10)
  const latencies = createLatencies()
  for (const us of [0.4, 16, 17, 1000, 1e9]) latencies.client.record(us)
  const commandLabels = [
    { family: 'string', kind: 'read' },
    { family: 'string', kind: 'read' },
    { family: 'hash', kind: 'write' },
  ]
  return { counters, latencies, commandLabels, status: new FakeOperations().status() }
}
