/** redis-benchmark as the clients: 50 connections, random keys, one command at a time or sixteen. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { cpuMicroseconds } from './process-usage.ts'

const connections = 50
const keySpace = 100_000
const runLimitMs = 120_000
/** Enough to see the rate, and to let a proxy warm up. */
const calibrationCommands = { 1: 30_000, 16: 200_000 } as const

export interface Case {
  readonly command: 'SET' | 'GET'
  readonly pipeline: 1 | 16
}

export const cases: readonly Case[] = [
  { command: 'SET', pipeline: 1 },
  { command: 'GET', pipeline: 1 },
  { command: 'SET', pipeline: 16 },
  { command: 'GET', pipeline: 16 },
]

export interface Measurement {
  readonly commandsPerSecond: number
  /** Null where this redis-benchmark is too old to say. */
  readonly p50Us: number | null
  readonly p99Us: number | null
  /** Of the proxy alone; null where there is none. */
  readonly cpuUsPerCommand: number | null
}

/** @param proxyPid null = the port is the server's own. */
export async function measure(
  port: number,
  { command, pipeline }: Case,
  seconds: number,
  proxyPid: number | null,
): Promise<Measurement> {
  const calibration = await run(port, command, pipeline, calibrationCommands[pipeline])
  const commands = Math.max(Math.round(calibration.commandsPerSecond * seconds), calibrationCommands[pipeline])
  const cpuBefore = proxyPid === null ? 0 : cpuMicroseconds(proxyPid)
  const measured = await run(port, command, pipeline, commands)
  const cpuUsPerCommand = proxyPid === null ? null : (cpuMicroseconds(proxyPid) - cpuBefore) / commands
  return { ...measured, cpuUsPerCommand }
}

async function run(
  port: number,
  command: string,
  pipeline: number,
  commands: number,
): Promise<Omit<Measurement, 'cpuUsPerCommand'>> {
  const sizes = ['-c', connections, '-P', pipeline, '-n', commands, '-r', keySpace].map(String)
  const args = ['-h', '127.0.0.1', '-p', String(port), ...sizes, '-t', command.toLowerCase(), '--csv']
  const { stdout } = await promisify(execFile)('redis-benchmark', args, { timeout: runLimitMs })
  return parseCsv(stdout, command)
}

/** Answers the row of one test. Before Redis 6.2 it has no header and holds the rate alone. */
export function parseCsv(csv: string, command: string): Omit<Measurement, 'cpuUsPerCommand'> {
  const rows = csv
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '').trim()))
  const header = rows.find((row) => row[0] === 'test') ?? ['test', 'rps']
  const row = rows.find((candidate) => candidate[0] === command)
  const commandsPerSecond = Number(row?.[1])
  if (!row || !(commandsPerSecond > 0)) throw new Error(`redis-benchmark gave no result for ${command}: ${csv}`)
  const microseconds = (column: string): number | null => {
    const cell = row[header.indexOf(column)]
    return cell === undefined ? null : Math.round(Number(cell) * 1000)
  }
  return { commandsPerSecond, p50Us: microseconds('p50_latency_ms'), p99Us: microseconds('p99_latency_ms') }
}
