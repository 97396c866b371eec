/**
 * Developer script: asks every engine it finds for its commands and writes table.generated.ts. `node src/commands/generate.ts`.
 * Engines: `redis-server` on PATH, and each `<name>/bin/server` (with `<name>/bin/cli`) below $FERRY_ENGINES.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

interface Engine {
  server: string
  cli: string
}

interface KeySpec {
  flags: string[]
  begin_search: { type: string; spec: { index?: number; keyword?: string; startfrom?: number } }
  find_keys: {
    type: string
    spec: { lastkey?: number; keystep?: number; limit?: number; keynumidx?: number; firstkey?: number }
  }
}

type Entry = [string, number, string[], number, number, number, string[], string[], KeySpec[], Entry[]]

interface Docs {
  [name: string]: { group: string; subcommands?: Docs }
}

interface Row {
  name: string
  arity: number
  range: string
  family: string
  flags: Set<string>
  keySpecs: string
}

/** One letter per fact the overlay or the reader needs; the rest of COMMAND's flags do not matter to a proxy. */
const flagLetters: Record<string, string> = {
  write: 'w',
  readonly: 'r',
  blocking: 'b',
  movablekeys: 'm',
  pubsub: 'p',
  admin: 'a',
  noscript: 's',
  nondeterministic_output: '?',
  nondeterministic_output_order: '~',
}

const families: Record<string, string> = { 'sorted-set': 'zset', transactions: 'transaction' }

function findEngines(): Engine[] {
  const root = process.env.FERRY_ENGINES ?? join(homedir(), '.cache', 'redis-engines')
  const found: Engine[] = [{ server: 'redis-server', cli: 'redis-cli' }]
  if (!existsSync(root)) return found
  for (const name of readdirSync(root).sort()) {
    const server = join(root, name, 'bin', 'server')
    if (existsSync(server)) found.push({ server, cli: join(root, name, 'bin', 'cli') })
  }
  return found
}

/** Runs one engine on a socket of its own for as long as `use` takes. Null when it is not installed. */
function withEngine<T>(engine: Engine, use: (ask: (...args: string[]) => string) => T): T | null {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-commands-'))
  const socket = join(folder, 's')
  const child = spawn(engine.server, ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], { stdio: 'ignore' })
  child.on('error', () => {})
  const ask = (...args: string[]) =>
    execFileSync(engine.cli, ['-s', socket, '-3', '--json', ...args], { encoding: 'utf8', maxBuffer: 1 << 26, stdio: 'pipe' })
  try {
    if (child.pid === undefined) return null
    for (let tries = 0; !existsSync(socket) && tries < 500; tries++)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    return use(ask)
  } finally {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

function compactKeySpec(spec: KeySpec): string {
  const { begin_search: begin, find_keys: find } = spec
  const from =
    begin.type === 'index'
      ? `i${begin.spec.index}`
      : begin.type === 'keyword'
        ? `${begin.spec.keyword}@${begin.spec.startfrom}`
        : '?'
  if (find.type === 'range') return `${from}:r${find.spec.lastkey},${find.spec.keystep},${find.spec.limit}`
  if (find.type === 'keynum') return `${from}:n${find.spec.keynumidx},${find.spec.firstkey},${find.spec.keystep}`
  return `${from}:?`
}

function rowOf(entry: Entry, docs: Docs): Row {
  const [given, arity, flags, first, last, step, , tips, specs] = entry
  const name = given.toLowerCase()
  const [parent = '', sub] = name.split('|')
  const doc = docs[parent] ?? docs[parent.toUpperCase()]
  const group = (sub === undefined ? doc : (doc?.subcommands?.[name] ?? doc))?.group ?? 'module'
  const letters = new Set([...flags, ...tips].flatMap((word) => flagLetters[word] ?? []))
  const named = specs.length > 0 && specs.every((spec) => spec.flags.includes('not_key'))
  return {
    name,
    arity,
    range: named ? '0 0 0' : `${first} ${last} ${step}`,
    family: families[group] ?? group,
    flags: letters,
    keySpecs: letters.has('m') ? specs.map(compactKeySpec).join(';') : '',
  }
}

/** Union of all engines. Later (newer) ones win on keys; arity becomes the loosest, since either side may be the older one. */
function merge(rows: Map<string, Row>, row: Row): void {
  const known = rows.get(row.name)
  if (known) {
    if (known.range !== row.range) console.warn(`${row.name}: keys ${known.range} became ${row.range}`)
    if (known.arity !== row.arity) row.arity = -Math.min(Math.abs(known.arity), Math.abs(row.arity))
    for (const flag of known.flags) row.flags.add(flag)
  }
  rows.set(row.name, row)
}

function versionOf(info: string): { family: string; version: string; order: number } {
  const valkey = /valkey_version:([\d.]+)/.exec(info)?.[1]
  const version = valkey ?? /redis_version:([\d.]+)/.exec(info)?.[1] ?? '0'
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return { family: valkey ? 'valkey' : 'redis', version, order: (valkey ? 1e9 : 0) + major * 1e6 + minor * 1e3 + patch }
}

function lineOf(row: Row): string {
  const flags = [...row.flags].sort().join('') || '-'
  return `  '${[row.name, row.arity, row.range, row.family, flags, row.keySpecs].join(' ').trimEnd()}',\n`
}

const gathered = findEngines().flatMap((engine) => {
  const seen = withEngine(engine, (ask) => ({
    ...versionOf(ask('INFO', 'server')),
    entries: JSON.parse(ask('COMMAND')) as Entry[],
    docs: JSON.parse(ask('COMMAND', 'DOCS')) as Docs,
  }))
  return seen ?? []
})
gathered.sort((a, b) => a.order - b.order)

const rows = new Map<string, Row>()
for (const { entries, docs } of gathered) {
  for (const entry of entries) {
    merge(rows, rowOf(entry, docs))
    for (const sub of entry[9] ?? []) merge(rows, rowOf(sub, docs))
  }
}

const servers = [...new Set(gathered.map((seen) => `${seen.family} ${seen.version}`))].join(', ')
const lines = [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(lineOf)
writeFileSync(
  new URL('./table.generated.ts', import.meta.url),
  `/**
 * Made by src/commands/generate.ts from the COMMAND output of ${servers}. Do not edit; corrections go to overlay.ts.
 * A line: name, arity, first key, last key, key step, family, flags (w write, r readonly, b blocking, m movable keys, p pubsub,
 * a admin, s noscript, ? random output, ~ unordered output, - none), and for movable keys their key specs: where the search
 * begins (i<index> or <keyword>@<from>), then r<last>,<step>,<limit> or n<count at>,<first>,<step>.
 */
export const commandTable: readonly string[] = [
${lines.join('')}]
`,
)
console.log(`${rows.size} commands from ${servers}`)
