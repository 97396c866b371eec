/**
 * Every metric there is: name, help, labels and where its value is read from. Prometheus and Datadog both go through this list, the
 * dashboard and the alert rules are tested against it. Labels are of low cardinality and never hold a key, an address or a message.
 */
import { errorCatalogue } from '../errors.ts'
import { type MigrationState, migrationStates, type Phase, phases, type Side, sides } from '../routing/modes.ts'
import type { Counters } from './counters.ts'
import type { Latencies, LatencyHistogram } from './histograms.ts'

/** What a command counts as; indexed by command spec id. */
export interface CommandLabel {
  readonly family: string
  readonly kind: string
}

interface SideNumbers {
  readonly state: string
  readonly connections: number
  readonly inFlight: number
}

/** The gauges, as the status document has them. */
export interface StatusNumbers {
  readonly version: string
  readonly phase: Phase
  readonly state: MigrationState
  readonly authority: Side
  readonly source: SideNumbers
  readonly target: SideNumbers
  readonly traffic: { readonly readPercentage: number }
  readonly journal: {
    readonly dirtyKeys: number
    readonly openHolds: number
    readonly failed: number
    readonly resyncNeeded: string | null
  }
  readonly mover: {
    readonly state: string
    readonly keysTotal: number
    readonly keysPerSecond: number
    readonly bytesPerSecond: number
    readonly speedPercent: number
    readonly etaSeconds: number | null
  }
  readonly coveragePercent: number
  readonly blockers: readonly string[]
  readonly uptimeSeconds: number
}

/** All that one scrape or one tick reads. */
export interface Reading {
  readonly counters: Counters
  readonly latencies: Latencies
  readonly commandLabels: readonly CommandLabel[]
  readonly status: StatusNumbers
}

type Labels = Record<string, string>
type Sample = readonly [labels: Labels, value: number]

interface NumberMetric {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly help: string
  readonly read: (reading: Reading) => readonly Sample[]
}

interface HistogramMetric {
  readonly name: string
  readonly type: 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  readonly read: (reading: Reading) => readonly (readonly [labels: Labels, histogram: LatencyHistogram])[]
}

export type Metric = NumberMetric | HistogramMetric

type One = (reading: Reading) => number

const counter = (name: string, help: string, read: One): NumberMetric => single(name, 'counter', help, read)
const gauge = (name: string, help: string, read: One): NumberMetric => single(name, 'gauge', help, read)
const single = (name: string, type: 'counter' | 'gauge', help: string, read: One): NumberMetric => ({
  name,
  type,
  labels: [],
  help,
  read: (reading) => [[{}, read(reading)]],
})

const labelled = (
  type: 'counter' | 'gauge',
  name: string,
  labels: readonly string[],
  help: string,
  read: NumberMetric['read'],
): NumberMetric => ({ name, type, labels, help, read })

const bySide =
  (read: (side: Side, reading: Reading) => number) =>
  (reading: Reading): Sample[] =>
    sides.map((side) => [{ side }, read(side, reading)])

/** One series per possible value; the present one is 1, the rest 0. */
const oneOf =
  (label: string, values: readonly string[], read: (reading: Reading) => string) =>
  (reading: Reading): Sample[] =>
    values.map((value) => [{ [label]: value }, value === read(reading) ? 1 : 0])

const migration: Metric[] = [
  labelled('gauge', 'ferry_info', ['version'], 'Always 1; carries the version.', ({ status }) => [
    [{ version: status.version }, 1],
  ]),
  gauge('ferry_uptime_seconds', 'Seconds since the process began.', ({ status }) => status.uptimeSeconds),
  labelled(
    'gauge',
    'ferry_phase',
    ['phase'],
    '1 for the present phase.',
    oneOf('phase', phases, ({ status }) => status.phase),
  ),
  labelled(
    'gauge',
    'ferry_migration_state',
    ['state'],
    '1 for the present state of the migration.',
    oneOf('state', migrationStates, ({ status }) => status.state),
  ),
  labelled(
    'gauge',
    'ferry_authority',
    ['side'],
    '1 for the side that holds the truth.',
    oneOf('side', sides, ({ status }) => status.authority),
  ),
  gauge(
    'ferry_read_target_percent',
    'Share of reads meant for the target, 0 to 100.',
    ({ status }) => status.traffic.readPercentage,
  ),
  gauge('ferry_coverage_percent', 'Share of the key space known to be copied, 0 to 100.', ({ status }) => status.coveragePercent),
  gauge('ferry_blockers', 'How many things stand in the way of the next step.', ({ status }) => status.blockers.length),
]

const traffic: Metric[] = [
  labelled('counter', 'ferry_commands_total', ['family', 'kind'], 'Client commands.', commandSamples),
  labelled(
    'counter',
    'ferry_reads_served_total',
    ['side'],
    'Reads whose reply came from this side.',
    bySide((side, { counters }) => counters.sides[side].readsServed),
  ),
  labelled(
    'counter',
    'ferry_side_commands_total',
    ['side'],
    'Commands sent to this side for clients.',
    bySide((side, { counters }) => counters.sides[side].commands),
  ),
  labelled(
    'counter',
    'ferry_replies_total',
    ['side', 'outcome'],
    'Answers by outcome: ok, error, or lost with the connection.',
    replySamples,
  ),
  labelled(
    'counter',
    'ferry_side_bytes_total',
    ['side', 'direction'],
    'Bytes from (in) and to (out) this side.',
    ({ counters }) =>
      sides.flatMap((side): Sample[] => [
        [{ side, direction: 'in' }, counters.sides[side].bytesIn],
        [{ side, direction: 'out' }, counters.sides[side].bytesOut],
      ]),
  ),
  labelled(
    'counter',
    'ferry_side_connects_total',
    ['side'],
    'Connections opened to this side.',
    bySide((side, { counters }) => counters.sides[side].connects),
  ),
  labelled(
    'gauge',
    'ferry_side_up',
    ['side'],
    '1 while this side answers.',
    bySide((side, { status }) => (status[side].state === 'up' ? 1 : 0)),
  ),
  labelled(
    'gauge',
    'ferry_side_connections',
    ['side'],
    'Connections open to this side.',
    bySide((side, { status }) => status[side].connections),
  ),
  labelled(
    'gauge',
    'ferry_side_in_flight',
    ['side'],
    'Commands sent to this side and not answered yet.',
    bySide((side, { status }) => status[side].inFlight),
  ),
  gauge('ferry_clients', 'Client connections open.', ({ counters }) => counters.clients.open),
  counter('ferry_clients_accepted_total', 'Client connections accepted.', ({ counters }) => counters.clients.accepted),
  counter(
    'ferry_clients_refused_total',
    'Client connections refused, by clientsMax or while stopping.',
    ({ counters }) => counters.clients.refused,
  ),
  labelled('counter', 'ferry_client_bytes_total', ['direction'], 'Bytes from (in) and to (out) the clients.', ({ counters }) => [
    [{ direction: 'in' }, counters.clients.bytesIn],
    [{ direction: 'out' }, counters.clients.bytesOut],
  ]),
  labelled(
    'counter',
    'ferry_client_errors_total',
    ['code'],
    "Ferry's own error replies; a server's errors are in ferry_replies_total.",
    ({ counters }) =>
      (Object.keys(errorCatalogue) as (keyof typeof errorCatalogue)[]).map((code) => [
        { code },
        counters.clientErrors.get(code) ?? 0,
      ]),
  ),
]

const safety: Metric[] = [
  labelled(
    'counter',
    'ferry_divergences_total',
    ['family'],
    'Reads that differed on both sides, checked twice.',
    ({ counters }) => [...counters.divergences].map(([family, count]) => [{ family }, count]),
  ),
  gauge(
    'ferry_journal_dirty_keys',
    'Keys whose two sides may differ until they are healed.',
    ({ status }) => status.journal.dirtyKeys,
  ),
  gauge('ferry_resync_needed', '1 when the whole data set must be copied again.', ({ status }) =>
    status.journal.resyncNeeded === null ? 0 : 1,
  ),
  gauge('ferry_error_queue_keys', 'Keys that failed after all retries.', ({ status }) => status.journal.failed),
  counter('ferry_journal_marks_total', 'Keys put in the journal.', ({ counters }) => counters.journal.marks),
  counter('ferry_journal_heals_total', 'Keys healed from the authority.', ({ counters }) => counters.journal.heals),
  counter(
    'ferry_journal_heal_failures_total',
    'Attempts to heal a key that failed.',
    ({ counters }) => counters.journal.healFailures,
  ),
  counter(
    'ferry_script_undeclared_keys_total',
    'Keys changed while a script ran that does not declare them; each is copied.',
    ({ counters }) => counters.scripts.undeclaredKeys,
  ),
  gauge('ferry_holds_open', 'Keys held at this moment.', ({ status }) => status.journal.openHolds),
  counter('ferry_holds_total', 'Keys held for a copy or an effect.', ({ counters }) => counters.holds.taken),
  counter(
    'ferry_holds_given_up_total',
    'Batches given up because a write waited too long.',
    ({ counters }) => counters.holds.givenUp,
  ),
  counter('ferry_hold_waits_total', 'Writes that a hold kept waiting.', ({ counters }) => counters.holds.waits),
  counter(
    'ferry_hold_wait_seconds_total',
    'Time that writes waited for holds.',
    ({ counters }) => counters.holds.waitSumMs / 1000,
  ),
  gauge(
    'ferry_hold_wait_max_seconds',
    'Longest wait of a write since the process began.',
    ({ counters }) => counters.holds.waitMaxMs / 1000,
  ),
]

const moverStates = ['idle', 'running', 'paused', 'done', 'failed']

const mover: Metric[] = [
  labelled(
    'gauge',
    'ferry_mover_state',
    ['state'],
    '1 for the present state of the mover.',
    oneOf('state', moverStates, ({ status }) => status.mover.state),
  ),
  gauge('ferry_mover_keys_expected', "The authority's key count when the pass began.", ({ status }) => status.mover.keysTotal),
  labelled('counter', 'ferry_mover_keys_total', ['outcome'], 'Keys by what became of them.', ({ counters: { mover } }) => [
    [{ outcome: 'scanned' }, mover.keysScanned],
    [{ outcome: 'copied' }, mover.keysCopied],
    [{ outcome: 'deleted' }, mover.keysDeleted],
    [{ outcome: 'retried' }, mover.keysRetried],
    [{ outcome: 'failed' }, mover.keysFailed],
  ]),
  counter('ferry_mover_bytes_total', 'Bytes of values copied.', ({ counters }) => counters.mover.bytesCopied),
  gauge('ferry_mover_keys_per_second', 'Present speed.', ({ status }) => status.mover.keysPerSecond),
  gauge('ferry_mover_bytes_per_second', 'Present speed.', ({ status }) => status.mover.bytesPerSecond),
  gauge(
    'ferry_mover_speed_percent',
    'What live traffic leaves the mover of full speed; 0 = it rests.',
    ({ status }) => status.mover.speedPercent,
  ),
  labelled('gauge', 'ferry_mover_eta_seconds', [], 'Estimated time to the end of the pass; absent when unknown.', ({ status }) =>
    status.mover.etaSeconds === null ? [] : [[{}, status.mover.etaSeconds]],
  ),
]

const latency: Metric[] = [
  {
    name: 'ferry_client_latency_seconds',
    type: 'histogram',
    labels: [],
    help: "From a command's arrival to its reply.",
    read: ({ latencies }) => [[{}, latencies.client]],
  },
  {
    name: 'ferry_side_latency_seconds',
    type: 'histogram',
    labels: ['side'],
    help: 'From sending a command to this side until its answer.',
    read: ({ latencies }) => sides.map((side) => [{ side }, latencies[side]] as const),
  },
  {
    name: 'ferry_added_latency_seconds',
    type: 'histogram',
    labels: [],
    help: 'Time of Ferry alone from reading a chunk to writing what came of it; a command passes through it twice, with its request and with its reply.',
    read: ({ latencies }) => [[{}, latencies.added]],
  },
]

const host: Metric[] = [
  counter('ferry_process_cpu_seconds_total', 'User and system time of the process.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }),
  gauge('ferry_process_resident_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss()),
]

export const metrics: readonly Metric[] = [...migration, ...traffic, ...safety, ...mover, ...latency, ...host]

/** Several hundred commands make a few dozen series: one per family and kind. */
function commandSamples({ counters, commandLabels }: Reading): Sample[] {
  const totals = new Map<string, { labels: Labels; value: number }>()
  commandLabels.forEach(({ family, kind }, id) => {
    const key = `${family} ${kind}`
    const total = totals.get(key) ?? { labels: { family, kind }, value: 0 }
    total.value += counters.commands[id] ?? 0
    totals.set(key, total)
  })
  return [...totals.values()].map(({ labels, value }) => [labels, value])
}

function replySamples({ counters }: Reading): Sample[] {
  return sides.flatMap((side) =>
    (['ok', 'error', 'lost'] as const).map((outcome): Sample => [{ side, outcome }, counters.sides[side][outcome]]),
  )
}
