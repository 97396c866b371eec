/** The results as tables for people. */
import type { BackfillResult } from './backfill.ts'
import type { LargeValueResult } from './large-values.ts'
import type { MoverResult } from './mover.ts'
import type { RouteResult } from './proxies.ts'
import type { VerifyResult } from './verify.ts'

const grouped = (value: number): string => Math.round(value).toLocaleString('en-US')
const fixed = (value: number | null, digits: number): string => (value === null ? '-' : value.toFixed(digits))

/** The first column to the left, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

export function routeTable(results: readonly RouteResult[]): string {
  const rows = results.map((result) => {
    const peer = results.find(
      ({ route, command, pipeline }) => route === 'twemproxy' && command === result.command && pipeline === result.pipeline,
    )
    const share = result.cpuUsPerCommand !== null && peer?.cpuUsPerCommand ? result.cpuUsPerCommand / peer.cpuUsPerCommand : null
    return [
      result.route,
      `${result.command} × ${result.pipeline}`,
      grouped(result.commandsPerSecond),
      result.p50Us === null ? '-' : grouped(result.p50Us),
      result.p99Us === null ? '-' : grouped(result.p99Us),
      fixed(result.cpuUsPerCommand, 2),
      fixed(share, 2),
    ]
  })
  return table(['route', 'pipeline', 'commands/s', 'p50 µs', 'p99 µs', 'proxy CPU µs', '÷ twemproxy'], rows)
}

export function moverTable(results: readonly MoverResult[]): string {
  const rows = results.map((result) => [
    `${grouped(result.keys)} × ${grouped(result.valueBytes)} B, ${result.way}`,
    fixed(result.seconds, 2),
    grouped(result.keysPerSecond),
    fixed(result.megabytesPerSecond, 1),
    fixed(result.cpuSeconds, 2),
    fixed(result.pipeSeconds, 2),
    fixed(result.pipeSeconds === null ? null : result.pipeSeconds / result.seconds, 2),
  ])
  return table(['mover', 'seconds', 'keys/s', 'MB/s', 'Ferry CPU s', 'redis-cli --pipe s', 'speed ÷ pipe'], rows)
}

export function verifyTable(results: readonly VerifyResult[]): string {
  const rows = results.map((result) => [
    `${grouped(result.keys)} × ${grouped(result.valueBytes)} B`,
    fixed(result.seconds, 2),
    grouped(result.keysPerSecond),
    fixed(result.megabytesPerSecond, 1),
    fixed(result.sourceCpuSeconds, 2),
    fixed(result.targetCpuSeconds, 2),
    fixed(result.cpuSeconds, 2),
  ])
  return table(['verify', 'seconds', 'keys/s', 'MB/s', 'source CPU s', 'target CPU s', 'Ferry CPU s'], rows)
}

export function backfillTable(results: readonly BackfillResult[]): string {
  const withoutUs = results.find(({ way }) => way === 'no backfill')?.p99Us ?? Number.NaN
  const rows = results.map((result) => [
    result.way,
    grouped(result.commandsPerSecond),
    grouped(result.p50Us),
    grouped(result.p99Us),
    fixed(result.p99Us / withoutUs, 2),
    result.moverKeysPerSecond === null ? '-' : grouped(result.moverKeysPerSecond),
  ])
  return table(['backfill', 'commands/s', 'p50 µs', 'p99 µs', '÷ without', 'mover keys/s'], rows)
}

export function largeValueTable(results: readonly LargeValueResult[]): string {
  const rows = results.map((result) => [
    `${result.megabytes} MB`,
    fixed(result.directSetSeconds, 3),
    fixed(result.setSeconds, 3),
    fixed(result.setPeakMegabytes, 0),
    fixed(result.directGetSeconds, 3),
    fixed(result.getSeconds, 3),
    fixed(result.getPeakMegabytes, 0),
  ])
  return table(['value', 'SET direct s', 'SET s', 'peak MB', 'GET direct s', 'GET s', 'peak MB'], rows)
}
