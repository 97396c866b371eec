/**
 * `npm run bench [-- --json] [--quick] [--proxies] [--mover] [--backfill] [--verify]
 * [--large]`: Ferry's speed on this machine, beside the servers
 * themselves and the proxies that are installed. Without a part's name all parts run. Progress goes to stderr.
 */
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Servers } from '../../src/demo/servers.ts'
import { type BackfillResult, measureBackfill } from './backfill.ts'
import { type LargeValueResult, measureLargeValues } from './large-values.ts'
import { type MoverResult, measureMovers } from './mover.ts'
import { measureRoutes, type RouteResult } from './proxies.ts'
import { backfillTable, largeValueTable, moverTable, routeTable, verifyTable } from './table.ts'
import { measureVerify, type VerifyResult } from './verify.ts'

const totalLimitMs = 20 * 60_000

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    proxies: { type: 'boolean', default: false },
    mover: { type: 'boolean', default: false },
    backfill: { type: 'boolean', default: false },
    verify: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
  },
})

interface Results {
  readonly machine: { cores: number; model: string; node: string; redis: string }
  routes: RouteResult[]
  mover: MoverResult[]
  backfill: BackfillResult[]
  verify: VerifyResult[]
  largeValues: LargeValueResult[]
}

const progress = (text: string) => void process.stderr.write(`${text}\n`)

async function run(servers: Servers): Promise<Results> {
  const all = !flags.proxies && !flags.mover && !flags.backfill && !flags.verify && !flags.large
  const rounds = flags.quick ? 1 : 3
  const pair = { source: await servers.startRedis('source'), target: await servers.startRedis('target') }
  const results: Results = { machine: machine(), routes: [], mover: [], backfill: [], verify: [], largeValues: [] }
  if (all || flags.proxies) results.routes = await measureRoutes(servers, pair, rounds, flags.quick ? 1 : 2.5, progress)
  const scale = flags.quick ? 10 : 1
  if (all || flags.mover) results.mover = await measureMovers(servers, pair, scale, rounds, progress)
  if (all || flags.verify) {
    const cases = [
      { keys: 1_000_000 / scale, valueBytes: 64 },
      { keys: 10_000 / scale, valueBytes: 100_000 },
    ]
    for (const each of cases) results.verify.push(await measureVerify(pair, each, rounds, progress))
  }
  if (all || flags.backfill) {
    const size = flags.quick ? { keys: 300_000, seconds: 6, rounds } : { keys: 2_000_000, seconds: 12, rounds }
    results.backfill = await measureBackfill(servers, pair, size, progress)
  }
  if (all || flags.large)
    results.largeValues = await measureLargeValues(servers, pair, flags.quick ? [1, 8] : [1, 8, 64, 512], progress)
  return results
}

function machine(): Results['machine'] {
  const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout.split(' ').slice(0, 3).join(' ')
  return { cores: cpus().length, model: cpus()[0]?.model.trim() ?? 'unknown', node: process.version, redis }
}

function show({ machine: { cores, model, node, redis }, routes, mover, backfill, verify, largeValues }: Results): string {
  const parts = [`${cores} × ${model} · Node ${node} · ${redis} · everything on this machine`]
  if (routes.length > 0) parts.push(routeTable(routes))
  if (mover.length > 0) parts.push(moverTable(mover))
  if (backfill.length > 0) parts.push(backfillTable(backfill))
  if (verify.length > 0) parts.push(verifyTable(verify))
  if (largeValues.length > 0) parts.push(largeValueTable(largeValues))
  return `${parts.join('\n\n')}\n`
}

const servers = new Servers('ferry-bench-')
const giveUp = (why: string) => {
  process.stderr.write(`${why}\n`)
  process.exit(7)
}
process.once('SIGINT', () => giveUp('interrupted')).once('SIGTERM', () => giveUp('interrupted'))
const timer = setTimeout(() => giveUp(`the benchmark took longer than ${totalLimitMs / 60_000} minutes`), totalLimitMs)
try {
  const results = await run(servers)
  process.stdout.write(flags.json ? `${JSON.stringify(results)}\n` : show(results))
} finally {
  clearTimeout(timer)
  await servers.stop()
}
