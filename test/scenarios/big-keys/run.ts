/**
 * `npm run bigkeys -- --scale 1`: the keys in full size take about 2 GB on each server. `--only hash,list`, `--source redis-8.0`,
 * `--cluster` (the target), `--no-writes` and the like make another case of it. Ends with 1 where a server was kept busy for more than 50 ms, Ferry took more than
 * 300 MB over idle, or anything differs.
 */
import { parseArgs } from 'node:util'
import { copyBigKeys } from './big-keys.ts'

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    only: { type: 'string', default: 'hash,list,string,stream,set,zset' },
    source: { type: 'string' },
    target: { type: 'string' },
    writes: { type: 'boolean', default: true },
    cluster: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '600' },
  },
  allowNegative: true,
})
const busyMsMax = 50
const memoryMax = 300e6
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`

const report = await copyBigKeys(
  {
    scale: Number(values.scale),
    engines: {
      ...(values.source !== undefined && { source: values.source }),
      ...(values.target !== undefined && { target: values.target }),
    },
    clustered: values.cluster,
    only: values.only.split(','),
    writes: values.writes,
    longValueBytes: 1 << 20,
    limitMs: Number(values.seconds) * 1000,
  },
  (text) => console.error(text),
)
console.log(`copied in ${report.copySeconds.toFixed(1)} s`)
for (const side of ['source', 'target'] as const) {
  const slowest = report.slow[side].slice(0, 6).map(({ command, ms }) => `${command} ${ms.toFixed(1)} ms`)
  console.log(`${side}: slowest PING ${report.pingMs[side].toFixed(1)} ms; SLOWLOG: ${slowest.join(', ')}`)
}
console.log(`Ferry: idle ${megabytes(report.idleBytes)}, at most ${megabytes(report.mostBytes - report.idleBytes)} over it`)
for (const { key, count, slowestMs, errors } of report.writes)
  console.log(
    `${key}: ${count} writes, the slowest took ${slowestMs.toFixed(0)} ms${errors.length > 0 ? `, errors: ${errors.join('; ')}` : ''}`,
  )
console.log(`differences: ${report.differences.length}${report.differences.map((line) => `\n  ${line.slice(0, 300)}`).join('')}`)
const busiest = Math.max(...[...report.slow.source, ...report.slow.target].map(({ ms }) => ms), 0)
const errors = report.writes.reduce((sum, written) => sum + written.errors.length, 0)
const isGood =
  busiest <= busyMsMax && report.mostBytes - report.idleBytes <= memoryMax && report.differences.length === 0 && errors === 0
process.exit(isGood ? 0 : 1)
