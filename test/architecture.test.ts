/**
 * The shape of src/: which folder may know which, and how large a file may get. Read off the text of the imports, so that nothing has
 * to be built. The length of functions is the linter's business (biome.json).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')
const linesMax = 500

/**
 * Lowest first. A file may import from its own folder and from every folder above its line in this table, unless `only` names fewer.
 * "." is the files that lie in src/ itself, all but main.ts.
 */
const layers: readonly { folder: string; only?: readonly string[] }[] = [
  { folder: '.' }, // errors, limits, clock and the like: words that everything shares
  { folder: 'resp' }, // bytes
  { folder: 'commands' }, // what a Redis command is
  { folder: 'routing' }, // decisions, pure
  { folder: 'upstream' }, // one Redis side: sockets and their order
  { folder: 'databases' }, // a target whose databases are others than the source's
  { folder: 'cluster' }, // several servers that look like one
  { folder: 'state' }, // what survives a restart
  { folder: 'observe' }, // is told, and asks nobody: a metric that reaches into the data path would order it around
  { folder: 'dispatch' }, // doing: both sides, holds, journal
  { folder: 'session' }, // one client
  { folder: 'proxy' }, // listeners
  { folder: 'mover' }, // copying and comparing
  { folder: 'migration' }, // phases and gates over all of the above
  { folder: 'config', only: ['.', 'routing', 'upstream/endpoint.ts'] }, // words and addresses; what runs is built from it, never by it
  { folder: 'control', only: ['.', 'routing', 'observe'] }, // reaches the running process through its own operations.ts alone
  { folder: 'process' }, // the parts of one running process put together, and what the control API may ask of them
  { folder: 'main.ts' }, // the composition root: builds the process out of all of the above
  { folder: 'demo' }, // a user of Ferry: may use all but the command line
  { folder: 'cli' }, // nobody imports it
]

/** Decided by values alone, so that every case can be tested without a socket, a file or a clock. */
const pureFolders = ['resp', 'commands', 'routing']
const impure = /^(node:)?(net|tls|http|https|http2|dgram|dns|fs|fs\/promises|sqlite|child_process|worker_threads)$|^ioredis$/

/** Scripts for developers that live beside what they write. They may touch files and servers, so nothing may import them. */
const scripts = ['commands/generate.ts', 'commands/support-doc.ts']

const isGenerated = (file: string): boolean => file.endsWith('.generated.ts')
const folderOf = (file: string): string =>
  file === 'main.ts' ? file : file.includes('/') ? file.slice(0, file.indexOf('/')) : '.'

const clause = String.raw`(?:[\w$*\s,{}]+?\sfrom\s*)`
const statements = [
  new RegExp(String.raw`^import\s+(?:type\s)?\s*${clause}?['"]([^'"]+)['"]`, 'gm'),
  /^export\s+(?:type\s)?\s*(?:\*(?:\s+as\s+\w+)?|\{[\w$\s,]*\})\s*from\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
]

/** What a file's imports name, as written; `import type` counts too: knowing a name is knowing it. */
function importsIn(text: string): string[] {
  const plain = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').replace(/(?<=^import[^'"]*)\/\/.*$/gm, '')
  return statements.flatMap((pattern) => [...plain.matchAll(pattern)].map(([, specifier = '']) => specifier))
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.split(sep).join('/'))
  .sort()
const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
const importsOf = new Map(files.map((file) => [file, importsIn(textOf.get(file) ?? '')]))

/** Relative to src/, for an import of one of our own files. */
function resolved(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  return relative(root, join(root, dirname(file), specifier))
    .split(sep)
    .join('/')
}

function mayImport(from: string, to: string): boolean {
  const [own, other] = [folderOf(from), folderOf(to)]
  if (own === other) return !scripts.includes(to)
  const [ownLayer, otherLayer] = [own, other].map((folder) => layers.findIndex((layer) => layer.folder === folder))
  if (scripts.includes(to) || ownLayer === undefined || otherLayer === undefined || otherLayer > ownLayer) return false
  const only = layers[ownLayer]?.only
  return only === undefined || only.includes(other) || only.includes(to)
}

test('the files are found, and every import in them is understood', () => {
  expect(files).toContain('errors.ts')
  const missed = files.filter((file) => {
    const written = (textOf.get(file)?.match(/^import\b(?!\s*[(.])|^export\b[^='"]*\bfrom\s+['"]/gm) ?? []).length
    return written > (importsOf.get(file)?.length ?? 0)
  })
  expect(missed).toEqual([])
})

test('every folder has its place in the table', () => {
  expect([...new Set(files.map(folderOf))].filter((folder) => !layers.some((layer) => layer.folder === folder))).toEqual([])
})

test('imports point one way only', () => {
  const wrong = files.flatMap((file) =>
    (importsOf.get(file) ?? []).flatMap((specifier) => {
      const to = resolved(file, specifier)
      return to === null || mayImport(file, to) ? [] : [`${file} must not import ${to}`]
    }),
  )
  expect(wrong).toEqual([])
})

test('an import of one of our own files names a file that is there', () => {
  const wrong = files.flatMap((file) =>
    (importsOf.get(file) ?? []).flatMap((specifier) => {
      const to = resolved(file, specifier)
      return to === null || textOf.has(to) ? [] : [`${file}: ${specifier}`]
    }),
  )
  expect(wrong).toEqual([])
})

test('what decides is pure', () => {
  const wrong = files
    .filter((file) => pureFolders.includes(folderOf(file)) && !scripts.includes(file))
    .flatMap((file) =>
      (importsOf.get(file) ?? []).flatMap((specifier) =>
        impure.test(specifier) ? [`${file} must not import ${specifier}`] : [],
      ),
    )
  expect(wrong).toEqual([])
})

test('no file imports itself by way of others', () => {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const seenAt = path.indexOf(file)
    if (seenAt !== -1) cycles.push([...path.slice(seenAt), file].join(' -> '))
    if (seenAt !== -1 || done.has(file)) return
    for (const specifier of importsOf.get(file) ?? []) {
      const to = resolved(file, specifier)
      if (to !== null && textOf.has(to)) visit(to, [...path, file])
    }
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(cycles).toEqual([])
})

test(`no file is longer than ${linesMax} lines`, () => {
  const long = files
    .filter((file) => !isGenerated(file))
    .map((file) => ({ file, lines: (textOf.get(file) ?? '').trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > linesMax)
  expect(long).toEqual([])
})

test('a file is named after one thing, in kebab case', () => {
  const wrong = files.filter((file) => {
    const parts = file.replace(/(\.generated)?\.ts$/, '').split('/')
    return (
      !parts.every((part) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(part)) ||
      /^(utils?|helpers?|misc|common)$/.test(basename(parts.join('/')))
    )
  })
  expect(wrong).toEqual([])
})

test('the reading of imports knows every form', () => {
  const text = [
    "import 'a'",
    "import b from 'b'",
    "import type { C } from 'c'",
    "import { d, // why\n  type E,\n} from 'd'",
    "import * as f from 'f'",
    "export * from 'g'",
    "export type { H } from 'h'",
    "const i = await import('i')",
    "// import { no } from 'no'",
    "/** import { no } from 'no' */",
    "export const text = 1\nconst from = 'no'",
  ].join('\n')
  expect(importsIn(text).sort()).toEqual(['a', 'b', 'c', 'd', 'f', 'g', 'h', 'i'])
})
