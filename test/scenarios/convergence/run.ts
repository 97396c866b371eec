/**
 * The convergence run for as long as wanted: `npm run converge -- --seconds 60 --seed 1`. `--mutant hold` takes a safety away, which has to be
 * noticed; `--mutants` does that for each. `--deeds copy,killFollower`, `--only incr,del`, `--clients 2` and the like make a case smaller;
 * `--topology cluster:single` makes the source a cluster, `--replicas 1` gives its primaries heirs, `--databases 1` has all share one database;
 * `--policy best-effort` and `--reads ratio` are kept to the end where `--deeds` leaves out what changes them.
 */
import { parseArgs } from 'node:util'
import type { ReadMode, Side, WritePolicy } from '../../../src/routing/modes.ts'
import { engineNames } from '../../support/redis-server.ts'
import { deedNames, type Finale } from './deeds.ts'
import { huntMutant, type Mutant, mutants } from './mutants.ts'
import { isGood, printReport } from './report.ts'
import { type Topology, topologies } from './side.ts'
import { type StressOptions, stress } from './stress.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string' },
    source: { type: 'string' },
    target: { type: 'string' },
    topology: { type: 'string', default: 'single:single' },
    replicas: { type: 'string' },
    databases: { type: 'string' },
    deeds: { type: 'string' },
    only: { type: 'string' },
    without: { type: 'string' },
    short: { type: 'boolean', default: true },
    hidden: { type: 'boolean', default: true },
    users: { type: 'boolean' },
    keys: { type: 'string' },
    finale: { type: 'string' },
    policy: { type: 'string' },
    reads: { type: 'string' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
  allowNegative: true,
})

/** From here on every write command has to have been used. */
const longSeconds = 60

/** The newest installed, as it has the most commands; the one on PATH where none is. */
const preferred = ['redis-8.0', 'valkey-9.1', 'valkey-8.1'].find((name) => engineNames().includes(name))
const engineOf = (name: string | undefined): string | undefined => {
  const wanted = name ?? preferred
  return wanted === 'path' ? undefined : wanted
}

function topologyOf(words: string): Record<Side, Topology> {
  const [source, target] = words.split(':').map((word) => topologies.find((name) => name === word))
  if (source === undefined || target === undefined)
    throw new Error(`--topology is source:target, each ${topologies.join(' or ')}`)
  return { source, target }
}

function optionsOf(seed: number): StressOptions {
  const [source, target] = [engineOf(values.source), engineOf(values.target ?? values.source)]
  return {
    seed,
    seconds: Number(values.seconds),
    engines: { ...(source !== undefined && { source }), ...(target !== undefined && { target }) },
    shortLived: values.short,
    hidden: values.hidden,
    topology: topologyOf(values.topology),
    ...(values.replicas !== undefined && { replicas: Number(values.replicas) }),
    ...(values.databases !== undefined && { databases: Number(values.databases) }),
    ...(values.finale !== undefined && { finale: values.finale as Finale }),
    ...(values.policy !== undefined && { policy: values.policy as WritePolicy }),
    ...(values.reads !== undefined && { reads: values.reads as ReadMode }),
    ...(values.users !== undefined && { users: values.users }),
    ...(values.keys !== undefined && { keysPerType: Number(values.keys) }),
    ...(values.clients !== undefined && { clients: Number(values.clients) }),
    ...(values.deeds !== undefined && { deeds: values.deeds.split(',').filter((name) => deedNames.includes(name)) }),
    ...(values.only !== undefined && { only: values.only.split(',') }),
    ...(values.without !== undefined && { without: values.without.split(',') }),
    ...(values.verbose && { log: (line: string) => console.log(`${(performance.now() / 1_000).toFixed(1)} s ${line}`) }),
  }
}

async function round(seed: number): Promise<boolean> {
  const options = optionsOf(seed)
  console.log(
    `seed ${seed}: ${options.engines?.source ?? 'redis on PATH'} to ${options.engines?.target ?? 'redis on PATH'}, ${values.topology}`,
  )
  try {
    const report = await stress(options)
    printReport(report)
    // A short run cannot use everything.
    const good = isGood(report, options.seconds >= longSeconds && options.only === undefined && options.without === undefined)
    if (!good && values.log) console.log(report.log)
    return good
  } catch (error) {
    console.log('  FAILED', (error as Error).message)
    return false
  }
}

/** Whether the run without this safety was found out. */
async function withoutSafety(mutant: Mutant, seed: number): Promise<boolean> {
  const verdict = await huntMutant(mutant, optionsOf(seed))
  console.log(`seed ${seed}, without ${mutant}: ${verdict.caught ? 'CAUGHT' : 'NOT CAUGHT'}: ${verdict.how}`)
  return verdict.caught
}

// So that the servers end as well.
process.once('SIGTERM', () => process.exit(143))

const first = Number(values.seed)
let failed = 0
if (values.mutants || values.mutant !== undefined) {
  const chosen = values.mutants ? mutants : mutants.filter((name) => name === values.mutant)
  if (chosen.length === 0) throw new Error(`there is no mutant ${values.mutant}: ${mutants.join()}`)
  let missed = 0
  for (const mutant of chosen) if (!(await withoutSafety(mutant, first))) missed++
  console.log(`${chosen.length - missed} of ${chosen.length} mutants were caught`)
  // A Ferry that is broken on purpose has to fail the run: only `--mutants`, the test of the test, is content with that.
  failed = values.mutants ? missed : chosen.length - missed
} else {
  for (let index = 0; index < Number(values.rounds); index++) if (!(await round(first + index))) failed++
  console.log(`${failed} of ${values.rounds} rounds failed`)
}
process.exit(failed === 0 ? 0 : 1)
