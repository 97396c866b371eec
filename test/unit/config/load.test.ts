import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { endpointOf, loadConfig } from '../../../src/config/load.ts'
import { redactConfig } from '../../../src/config/redact.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { FerryError } from '../../../src/errors.ts'
import { limitDefaults, moverDefaults } from '../../../src/limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'ferry-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const sides = 'source:\n  url: redis://a\ntarget:\n  url: redis://b\n'
const flags = { source: 'redis://a', target: 'redis://b' }

function fileWith(text: string, name = 'ferry.yaml'): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function complaintsOf(text: string, input: Partial<Parameters<typeof loadConfig>[0]> = {}): readonly string[] {
  try {
    loadConfig({ file: fileWith(text), env: {}, flags: {}, ...input })
  } catch (error) {
    expect(error).toBeInstanceOf(FerryError)
    expect((error as FerryError).code).toBe('invalid-config')
    return (error as FerryError).details.map((line) => line.replace(`${folder}/`, ''))
  }
  throw new Error('the configuration was accepted')
}

describe('what a configuration becomes', () => {
  test('two addresses are enough; the rest is at its default', () => {
    const config = loadConfig({ env: {}, flags })
    expect(config).toMatchObject({
      listen: ['127.0.0.1:7379'],
      control: '127.0.0.1:7380',
      tokens: [],
      phase: 'observe',
      policy: 'old-authoritative',
      readMode: 'old',
      percent: 0,
      mover: { ...moverDefaults, carryAccess: 'none' },
      limits: limitDefaults,
      datadog: { enabled: false },
    })
  })

  test('file < environment < flags', () => {
    const file = fileWith(`${sides}phase: mirror\npercent: 1\nstate: file.sqlite\n`)
    const env = {
      FERRY_PERCENT: '2',
      FERRY_STATE: 'env.sqlite',
      FERRY_LISTEN: '127.0.0.1:1, unix:///run/f.sock',
      FERRY_PHASE: '',
    }
    const config = loadConfig({ file, env, flags: { state: 'flag.sqlite' } })
    expect(config).toMatchObject({
      phase: 'mirror',
      percent: 2,
      state: 'flag.sqlite',
      listen: ['127.0.0.1:1', 'unix:///run/f.sock'],
    })
  })

  test('FERRY_CONFIG names the file, and a flag replaces an address but keeps what stands beside it', () => {
    const file = fileWith('source:\n  url: redis://a\n  username: ferry\ntarget:\n  url: redis://b\n')
    const config = loadConfig({ env: { FERRY_CONFIG: file }, flags: { source: 'redis://:x@c' } })
    expect(config.source).toEqual({ url: 'redis://:x@c', username: 'ferry' })
    expect(endpointOf(config.source)).toMatchObject({ host: 'c', username: 'ferry', password: 'x' })
  })

  test('mounted secrets: addresses and tokens from files', () => {
    const env = {
      SOURCE_REDIS_URL_FILE: fileWith('redis://:s3@a\n', 'source'),
      TARGET_REDIS_URL: 'redis://b',
      FERRY_TOKEN_FILE: fileWith('0123456789abcdef\n', 'token'),
    }
    const file = fileWith(`tokens:\n  - { tokenFile: ${fileWith('fedcba9876543210\nsecond line', 'other')}, role: read }\n`)
    const config = loadConfig({ file, env, flags: { control: '0.0.0.0:7380' } })
    expect(config.source.url).toBe('redis://:s3@a')
    expect(config.tokens).toEqual([
      { token: 'fedcba9876543210', role: 'read' },
      { token: '0123456789abcdef', role: 'admin' },
    ])
    expect(JSON.stringify(redactConfig(config))).not.toMatch(/s3|0123456789|fedcba/)
  })

  test('databases as a map or as text, in a file or by a flag', () => {
    const file = fileWith('source: { url: "redis://a" }\ntarget:\n  url: redis://b\n  databases: { 0: 0, 1: 3, 2: none }\n')
    expect(loadConfig({ file, env: {}, flags: {} }).target.databases).toEqual({ '0': 0, '1': 3, '2': 'none' })
    expect(loadConfig({ file, env: {}, flags: { databases: 'fold=x{db}/' } }).target.databases).toBe('fold=x{db}/')
    expect(() => loadConfig({ file, env: { FERRY_DATABASES: '0=1,2=1' }, flags: {} })).toThrow(
      /FERRY_DATABASES: target.databases: expected another target for each database/,
    )
  })

  test('the example files fit the schema, and every commented default is the default', () => {
    const example = readFileSync(join(import.meta.dirname, '../../../config/ferry.yaml'), 'utf8')
    const minimal = readFileSync(join(import.meta.dirname, '../../../config/ferry.minimal.yaml'), 'utf8')
    const uncommented: unknown = parse(example.replace(/^( *)#(\w+:)/gm, '$1$2'))
    const defaults = configSchema.parse(parse(minimal))
    expect(configSchema.parse(parse(example))).toEqual(defaults)
    expect(configSchema.parse(uncommented)).toMatchObject({ ...defaults, source: { url: 'redis://127.0.0.1:6379' } })
  })
})

describe('what a complaint says: where, what was expected, what was found', () => {
  test.each([
    [
      'unknown key',
      `${sides}mover:\n  batchkeys: 5\n`,
      'ferry.yaml:6:3: mover.batchkeys: expected a known key, found "batchkeys"',
    ],
    [
      'wrong choice',
      `${sides}phase: copy\n`,
      'ferry.yaml:5:1: phase: expected one of observe, mirror, canary, cutover, complete, found "copy"',
    ],
    ['wrong type', `${sides}percent: many\n`, 'ferry.yaml:5:1: percent: expected a number, found "many"'],
    ['too large', `${sides}percent: 101\n`, 'ferry.yaml:5:1: percent: expected a number of at most 100, found 101'],
    ['no list', `${sides}listen: 127.0.0.1:1\n`, 'ferry.yaml:5:1: listen: expected a list, found "127.0.0.1:1"'],
    [
      'inside a list',
      `${sides}listen:\n  - 127.0.0.1:1\n  - nowhere\n`,
      'ferry.yaml:7:5: listen.1: expected host:port or unix:///path, found "nowhere"',
    ],
    ['missing side', 'source:\n  url: redis://a\n', 'ferry.yaml:1:1: target: expected a map, found nothing'],
    [
      'missing url',
      'source:\n  username: a\ntarget:\n  url: redis://b\n',
      'ferry.yaml:1:1: source.url: expected text, found nothing',
    ],
    [
      'bad address',
      'source:\n  url: redis://:pw@a:x\ntarget:\n  url: redis://b\n',
      'ferry.yaml:2:3: source.url: address redis://:***@a:x: expected host, host:port or [IPv6]:port',
    ],
    [
      'same side twice',
      'source:\n  url: redis://a\ntarget:\n  url: redis://a:6379/0\n',
      'ferry.yaml:4:3: target.url: expected another server than the source, found that source and target both are redis://a:6379/0',
    ],
    [
      'open control',
      `${sides}control: 0.0.0.0:7380\n`,
      'ferry.yaml:5:1: control: expected a loopback address, or an entry in tokens, found "0.0.0.0:7380"',
    ],
    [
      'short token',
      `${sides}tokens:\n  - { token: secret, role: read }\n`,
      'ferry.yaml:6:7: tokens.0.token: expected a length of at least 16, found a secret that does not fit',
    ],
    [
      'version rule',
      `${sides}versions:\n  - { pattern: 'a*', kind: hash-field }\n`,
      'ferry.yaml:6:5: versions.0.field: expected text, found nothing',
    ],
    ['no map', '- a\n', 'ferry.yaml:1:1: expected a map of settings, found a list of 1'],
  ])('%s', (_name, text, expected) => {
    expect(complaintsOf(text)).toContain(expected)
  })

  test('all of them at once, the first in the message', () => {
    const file = fileWith(`${sides}phase: x\npercent: -1\nbogus: 1\n`)
    expect(complaintsOf(readFileSync(file, 'utf8'))).toHaveLength(3)
    expect(() => loadConfig({ file, env: {}, flags: {} })).toThrow(/ferry\.yaml:5:1: phase: .* \(and 2 more\)/)
  })

  test('YAML that cannot be read, and keys given twice, by position', () => {
    expect(complaintsOf('source: {\n')[0]).toMatch(/^ferry\.yaml:\d+:\d+: /)
    expect(complaintsOf(`${sides}phase: mirror\nphase: observe\n`)[0]).toMatch(/^ferry\.yaml:6:1: .*unique/i)
  })

  test('variables and flags by their names', () => {
    expect(complaintsOf(sides, { env: { FERRY_PERCENT: 'half' } })).toEqual([
      'environment variable FERRY_PERCENT: percent: expected a number, found "half"',
    ])
    expect(complaintsOf(sides, { flags: { 'read-mode': 'newest' } })[0]).toMatch(
      /^--read-mode: readMode: expected one of old, new/,
    )
    expect(complaintsOf(sides, { env: { SOURCE_REDIS_URL: 'redis://:hunter2@h:x' } })[0]).toMatch(
      /^environment variable SOURCE_REDIS_URL: source\.url: address redis:\/\/:\*\*\*@h:x/,
    )
    expect(complaintsOf(sides, { env: { TARGET_REDIS_URL_FILE: '/no/such' } })[0]).toContain('TARGET_REDIS_URL_FILE')
    expect(complaintsOf(sides, { file: '/no/such.yaml' })[0]).toContain('configuration file /no/such.yaml cannot be read')
  })
})

test.each(['127.0.0.1:1', 'localhost:1', '[::1]:1'])('control on %s needs no token', (control) => {
  expect(loadConfig({ env: {}, flags: { ...flags, control } }).control).toBe(control)
})
