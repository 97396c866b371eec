/** The ways from redis-benchmark to a server that are compared: none, Ferry twice, and the proxies that people know. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RawConnection } from '../../src/demo/raw-connection.ts'
import { freePort, type RedisServer, type Servers } from '../../src/demo/servers.ts'
import { type Case, cases, type Measurement, measure } from './redis-benchmark.ts'

export const routes = [
  'direct',
  'ferry pass-through',
  'ferry to both sides',
  'twemproxy',
  'twemproxy, default log',
  'haproxy',
] as const
export type Route = (typeof routes)[number]

export interface RouteResult extends Case, Measurement {
  readonly route: Route
}

interface Way {
  readonly port: number
  /** Null = no proxy. */
  readonly pid: number | null
}

interface Pair {
  readonly source: RedisServer
  readonly target: RedisServer
}

const versionFlags: Partial<Record<Route, [program: string, flag: string]>> = {
  twemproxy: ['nutcracker', '-V'],
  'twemproxy, default log': ['nutcracker', '-V'],
  haproxy: ['haproxy', '-v'],
}

/** False for a proxy that is not on this machine. */
function installed(route: Route): boolean {
  const [program, flag] = versionFlags[route] ?? []
  return program === undefined || spawnSync(program, flag === undefined ? [] : [flag]).error === undefined
}

/** All routes in turn, and that `rounds` times, so that what else the machine does falls on all of them; then the median of each number. */
export async function measureRoutes(
  servers: Servers,
  pair: Pair,
  rounds: number,
  seconds: number,
  progress: (text: string) => void,
): Promise<RouteResult[]> {
  const present = routes.filter((route) => {
    const there = installed(route)
    if (!there) progress(`SKIPPED: ${route} is not installed here`)
    return there
  })
  const results: RouteResult[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const route of present) {
      progress(`round ${round} of ${rounds}: ${route}`)
      results.push(...(await measureRoute(servers, pair, route, seconds)))
    }
  }
  return present.flatMap((route) => cases.map((wanted) => medianOf(route, wanted, results)))
}

/** The proxy lives for its own turn only: an idle one could still be told of the others' writes. */
async function measureRoute(servers: Servers, pair: Pair, route: Route, seconds: number): Promise<RouteResult[]> {
  for (const { port } of [pair.source, pair.target]) await flush(port)
  const way = await open(servers, pair, route)
  const results: RouteResult[] = []
  for (const each of cases) results.push({ route, ...each, ...(await measure(way.port, each, seconds, way.pid)) })
  if (way.pid !== null) await servers.stopOne(way.pid)
  return results
}

async function open(servers: Servers, { source, target }: Pair, route: Route): Promise<Way> {
  switch (route) {
    case 'direct':
      return { port: source.port, pid: null }
    case 'ferry pass-through':
      return servers.startFerry(source, target, 'observe')
    case 'ferry to both sides':
      return servers.startFerry(source, target, 'mirror')
    // Its default log level nearly doubles its cost per pipelined command, though nothing more is written; quiet is the fairer rival.
    case 'twemproxy':
      return startTwemproxy(servers, source, ['-v', '4'])
    case 'twemproxy, default log':
      return startTwemproxy(servers, source, ['-o', join(servers.directory, 'nutcracker.log')])
    case 'haproxy':
      return startHaproxy(servers, source)
  }
}

async function startTwemproxy(servers: Servers, source: RedisServer, log: readonly string[]): Promise<Way> {
  const [port, statsPort] = [await freePort(), await freePort()]
  const path = join(servers.directory, 'nutcracker.yml')
  const lines = [
    'pool:',
    `  listen: 127.0.0.1:${port}`,
    '  redis: true',
    '  hash: fnv1a_64',
    '  distribution: ketama',
    '  preconnect: true',
    '  auto_eject_hosts: false',
    '  server_connections: 1',
    '  servers:',
    `    - 127.0.0.1:${source.port}:1`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return startProxy(servers, 'nutcracker', ['-c', path, '-a', '127.0.0.1', '-s', String(statsPort), ...log], port)
}

async function startHaproxy(servers: Servers, source: RedisServer): Promise<Way> {
  const port = await freePort()
  const path = join(servers.directory, 'haproxy.cfg')
  const lines = [
    'global',
    '  nbthread 1',
    '  maxconn 1024',
    'defaults',
    '  mode tcp',
    '  timeout connect 5s',
    '  timeout client 60s',
    '  timeout server 60s',
    'listen redis',
    `  bind 127.0.0.1:${port}`,
    `  server source 127.0.0.1:${source.port}`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return startProxy(servers, 'haproxy', ['-f', path, '-db'], port)
}

async function startProxy(servers: Servers, program: string, args: readonly string[], port: number): Promise<Way> {
  const child = servers.start(program, program, args)
  await servers.until(child, program, () => answers(port))
  return { port, pid: child.pid as number }
}

/** A read, which every proxy carries; not all know PING. */
async function answers(port: number): Promise<boolean> {
  try {
    const connection = await RawConnection.open(port)
    await connection.command('GET', 'is anybody there').finally(() => connection.close())
    return true
  } catch {
    return false
  }
}

export async function flush(port: number): Promise<void> {
  const connection = await RawConnection.open(port)
  await connection.command('FLUSHALL').finally(() => connection.close())
}

function medianOf(route: Route, { command, pipeline }: Case, results: readonly RouteResult[]): RouteResult {
  const own = results.filter((result) => result.route === route && result.command === command && result.pipeline === pipeline)
  const middle = (pick: (result: RouteResult) => number | null) => {
    const values = own.map(pick)
    return values.some((value) => value === null) ? null : median(values as number[])
  }
  return {
    route,
    command,
    pipeline,
    commandsPerSecond: median(own.map((result) => result.commandsPerSecond)),
    p50Us: middle((result) => result.p50Us),
    p99Us: middle((result) => result.p99Us),
    cpuUsPerCommand: middle((result) => result.cpuUsPerCommand),
  }
}

/** The lower one of two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}
