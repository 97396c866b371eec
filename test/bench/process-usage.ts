/** What a process has used so far, as the kernel counts it: all of its threads. Linux only. */
import { readFileSync, writeFileSync } from 'node:fs'

/** The kernel reports processor time in ticks of this length whatever its own clock is. */
const microsecondsPerTick = 10_000

/** User and system time in µs. */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The program's name is in parentheses and may hold spaces: what is counted starts after it, at field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick
}

/** The largest resident size in bytes since the start or the last resetPeakResident(). */
export function peakResidentBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) * 1024
}

export function resetPeakResident(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
