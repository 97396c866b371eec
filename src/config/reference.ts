/** The files that are made from the schema: the reference page, the JSON Schema for editors, and the two example files. */
import { stringify } from 'yaml'
import { z } from 'zod'
import { configVariable, overrides, tokenVariable } from './environment.ts'
import { configSchema } from './schema.ts'

interface Node {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly minimum?: number
  readonly maximum?: number
}

/** Paths from the top of the project to what each file must hold. */
export function referenceFiles(): Record<string, string> {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as Node
  return {
    'config/ferry.schema.json': `${JSON.stringify({ title: 'Ferry configuration', ...schema }, null, 2)}\n`,
    'config/ferry.yaml': fullExample(schema),
    'config/ferry.minimal.yaml': minimalExample,
    'docs/configuration.md': page(schema),
  }
}

const minimalExample = `# yaml-language-server: $schema=./ferry.schema.json
source:
  url: redis://127.0.0.1:6379
target:
  url: redis://127.0.0.1:6380
`

function fullExample(schema: Node): string {
  const head = [
    '# yaml-language-server: $schema=./ferry.schema.json',
    '# Every key there is. Optional ones are commented out at their default (or an example, where there is none).',
  ]
  return `${[...head, ...exampleLines(schema, '', '')].join('\n')}\n`
}

/** `#` directly before a key marks a setting that can be uncommented; `# ` before text marks an explanation. */
function exampleLines(node: Node, indent: string, parent: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const required = node.required?.includes(name) === true && child.default === undefined
    const lead = [...(indent === '' ? [''] : []), ...(child.description === undefined ? [] : [`${indent}# ${child.description}`])]
    if (child.properties !== undefined) {
      return [...lead, `${indent}${required ? '' : '#'}${name}:`, ...exampleLines(child, `${indent}  `, name)]
    }
    const value = name === 'url' && parent === 'target' ? 'redis://127.0.0.1:6380' : (child.default ?? child.examples?.[0])
    const hint =
      child.default === undefined || child.examples === undefined ? [] : [`${indent}# For example: ${flow(child.examples[0])}`]
    return [...lead, ...hint, `${indent}${required ? '' : '#'}${name}: ${flow(value)}`]
  })
}

const flow = (value: unknown): string => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()

function page(schema: Node): string {
  const rows = tableRows(schema, '')
  return `# Configuration

Ferry reads a YAML file (\`-c ferry.yaml\`, or the variable \`${configVariable}\`), then the environment, then flags; the later one wins.
A key or value that does not fit stops the start with exit status 3, naming the file, line and column (or the variable, or the flag),
what was expected and what was found. [config/ferry.minimal.yaml](../config/ferry.minimal.yaml) is the smallest file,
[config/ferry.yaml](../config/ferry.yaml) shows every key, [config/ferry.schema.json](../config/ferry.schema.json) is for editors.
This page is made from the schema in \`src/config/schema.ts\`.

## Keys

| key | values | default | meaning |
|---|---|---|---|
${rows.join('\n')}

Sizes are whole numbers of bytes, times are milliseconds; the last word of the name says which. Paths count from the working directory.

## Environment and flags

| variable | flag of \`ferry serve\` | key |
|---|---|---|
${overrides.map(({ variable, fromFile, flag, key }) => `| \`${variable}\`${fromFile ? ` or \`${variable}_FILE\`` : ''} | ${flag === null ? '' : `\`--${flag}\``} | \`${key}\` |`).join('\n')}
| \`${tokenVariable}\` or \`${tokenVariable}_FILE\` | | one more entry of \`tokens\`, role admin |

A variable ending in \`_FILE\` names a file that holds the value. Lists are separated by commas. An empty variable counts as not set.

## Addresses

\`redis://[[user]:password@]host[:port][/db]\`, \`rediss://…\` for TLS, \`unix://[[user]:password@]/path[?db=n]\`. Host, port and database default to
127.0.0.1, 6379 and 0; an IPv6 host stands in brackets. Characters of a user name or password that mean something in a URL are percent-encoded
(\`@\` = \`%40\`, \`/\` = \`%2F\`, \`#\` = \`%23\`). Options after \`?\`: \`db\`, \`username\`, \`password\`, \`ca\`, \`cert\`, \`key\`, \`servername\`, \`rejectUnauthorized\`;
the \`tls\` keys of the file win over them.

\`redis-cluster://[[user]:password@]host[:port][,host[:port]…]\` (\`rediss-cluster://\` for TLS) names some servers of a cluster; the others are found
by asking them, also when servers come and go. \`redis-sentinel://[[user]:password@]host[:port][,…]/name[/db]\` (\`rediss-sentinel://\`) names Sentinels,
port 26379 unless given, and the name that they have for the primary; user and password are those of the servers, not of the Sentinels.
With \`?readFrom=replica\` the source of \`ferry copy\` and either side of \`ferry verify\` are read from replicas, where there are some.
`
}

function tableRows(node: Node, prefix: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = `${prefix}${name}`
    if (child.properties !== undefined) return tableRows(child, `${key}.`)
    const required = node.required?.includes(name) === true && child.default === undefined
    const preset = required ? 'required' : child.default === undefined ? '' : `\`${JSON.stringify(child.default)}\``
    return [row(key, child, preset), ...itemRows(key, child.items)]
  })
}

/** The members of a list of maps. */
function itemRows(key: string, items: Node | undefined): string[] {
  if (items?.properties !== undefined) return tableRows(items, `${key}[].`)
  const variants = items?.oneOf ?? []
  return variants.map((variant) => {
    const names = Object.keys(variant.properties ?? {})
    return `| \`${key}[]\` | ${variant.properties?.kind?.const ?? ''} | | needs \`${names.join('`, `')}\` |`
  })
}

function row(key: string, node: Node, preset: string): string {
  return `| \`${key}\` | ${valuesOf(node)} | ${preset} | ${node.description ?? ''} |`
}

function valuesOf(node: Node): string {
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(' ')
  if (node.type === 'array') return 'list'
  if (node.type === 'integer' || node.type === 'number') return `${node.minimum ?? 0} to ${node.maximum ?? ''}`
  if (node.type === 'object') return 'map of text'
  if (node.type === 'boolean') return '`true` `false`'
  return 'text'
}
