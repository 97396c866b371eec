/** File < environment < flags, then the schema; every complaint says where, what was expected and what was found. */
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { FerryError } from '../errors.ts'
import { type Endpoint, parseEndpoint } from '../upstream/endpoint.ts'
import { ConfigDocument } from './document.ts'
import { configVariable, type Override, overrides, tokenVariable } from './environment.ts'
import { type Config, configSchema } from './schema.ts'

type Issue = z.core.$ZodIssue

interface ConfigInput {
  /** Path of the YAML file; without it FERRY_CONFIG counts, and without both there is no file. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** By flag name without dashes, as in `read-mode`; lists may be given as arrays. */
  readonly flags: Readonly<Record<string, string | number | readonly string[] | undefined>>
}

/** @throws FerryError `invalid-config`, with one line of details per problem. */
export function loadConfig(input: ConfigInput): Config {
  const document = new ConfigDocument(readConfigFile(input.file ?? input.env[configVariable]))
  for (const override of overrides) applyOverride(document, override, input)
  const token = variableOf(input.env, tokenVariable, true)
  if (token !== null) document.append('tokens', { token: token.value, role: 'admin' }, token.origin)

  const parsed = configSchema.safeParse(document.values)
  if (!parsed.success) throw complaint(parsed.error.issues.flatMap((issue) => explain(document, issue)))
  const tokens = parsed.data.tokens.map(({ token: given, tokenFile, role }, index) => ({
    token: given ?? readToken(tokenFile ?? '', document.whereIs(['tokens', index, 'tokenFile'])),
    role,
  }))
  const config: Config = { ...parsed.data, tokens }
  checkEndpoints(document, config)
  return config
}

/** The address with Ferry's own credentials, where the configuration names them apart from the URL. */
export function endpointOf(side: Config['source']): Endpoint {
  const endpoint = parseEndpoint(side.url, side.tls)
  return { ...endpoint, username: side.username ?? endpoint.username, password: side.password ?? endpoint.password }
}

function readConfigFile(path: string | undefined): { name: string; text: string } | null {
  if (path === undefined || path === '') return null
  return { name: path, text: readText(path, 'configuration file') }
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `${what} ${path} cannot be read: ${(cause as Error).message}`
    throw new FerryError('invalid-config', message, { details: [message], cause })
  }
}

function applyOverride(document: ConfigDocument, override: Override, { env, flags }: ConfigInput): void {
  const path = override.key.split('.')
  const variable = variableOf(env, override.variable, override.fromFile)
  if (variable !== null) document.set(path, convert(override, variable.value), variable.origin)
  const flag = override.flag === null ? undefined : flags[override.flag]
  if (flag === undefined) return
  const value =
    typeof flag === 'string' ? convert(override, flag) : typeof flag === 'number' ? flag : [...flag].flatMap(splitList)
  document.set(path, value, `--${override.flag}`)
}

/** A variable that is set but empty counts as not set, as compose files and charts produce them. */
function variableOf(env: ConfigInput['env'], name: string, fromFile: boolean): { value: string; origin: string } | null {
  const value = env[name]
  if (value) return { value, origin: `environment variable ${name}` }
  const path = fromFile ? env[`${name}_FILE`] : undefined
  if (!path) return null
  const origin = `environment variable ${name}_FILE`
  return { value: readText(path, `${origin}: file`).trim(), origin: `${origin} (${path})` }
}

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** What is no number or boolean stays text, so that the schema names it as it was given. */
function convert({ kind }: Override, text: string): unknown {
  if (kind === 'list') return splitList(text)
  if (kind === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  if (kind === 'boolean') return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text
  return text
}

function readToken(path: string, where: string): string {
  const token = readText(path, `${where}: token file`).split('\n', 1)[0]?.trim() ?? ''
  if (token.length < 16)
    throw complaint([`${where}: tokens: expected a first line of at least 16 characters in ${path}, found ${token.length}`])
  return token
}

function checkEndpoints(document: ConfigDocument, config: Config): void {
  const [source, target] = (['source', 'target'] as const).map((side) => {
    try {
      return parseEndpoint(config[side].url, config[side].tls)
    } catch (error) {
      if (!(error instanceof FerryError)) throw error
      const message = `${document.whereIs([side, 'url'])}: ${side}.url: ${error.message}`
      throw new FerryError('invalid-config', message, { details: [message], cause: error })
    }
  })
  if (source === undefined || target === undefined) return
  const same =
    source.path === target.path && source.host === target.host && source.port === target.port && source.db === target.db
  if (same) {
    const found = `source and target both are ${target.redacted}`
    throw complaint([
      `${document.whereIs(['target', 'url'])}: target.url: expected another server than the source, found that ${found}`,
    ])
  }
}

function complaint(lines: readonly string[]): FerryError {
  const first = lines[0] ?? 'the configuration does not fit its schema'
  const message = lines.length > 1 ? `${first} (and ${lines.length - 1} more)` : first
  return new FerryError('invalid-config', message, { details: lines })
}

function explain(document: ConfigDocument, issue: Issue): string[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const where = document.whereIs([...path, key])
      return `${where}: ${[...path, key].join('.')}: expected a known key, found "${key}"`
    })
  }
  return [`${document.whereIs(path)}: ${path.join('.') || 'configuration'}: ${expectation(issue)}, found ${document.found(path)}`]
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(issue.expected)}`
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'too_small':
      return `expected ${quantity(issue.origin)} of at least ${issue.minimum}`
    case 'too_big':
      return `expected ${quantity(issue.origin)} of at most ${issue.maximum}`
    default:
      return issue.message.startsWith('expected') ? issue.message : `expected ${lowerFirst(issue.message)}`
  }
}

const article = (type: string): string => {
  const names: Record<string, string> = {
    object: 'a map',
    array: 'a list',
    string: 'text',
    int: 'a whole number',
    boolean: 'true or false',
  }
  return names[type] ?? `a ${type}`
}
const quantity = (origin: string): string => (origin === 'string' ? 'a length' : origin === 'array' ? 'a list' : 'a number')
const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1)
