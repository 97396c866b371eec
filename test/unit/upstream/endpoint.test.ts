import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { FerryError } from '../../../src/errors.ts'
import { parseEndpoint, redactUrls } from '../../../src/upstream/endpoint.ts'

const folder = mkdtempSync(join(tmpdir(), 'ferry-endpoint-'))
const pem = join(folder, 'some.pem')
writeFileSync(pem, 'PEM')
afterAll(() => rmSync(folder, { recursive: true }))

const credentials = { username: null, password: null }
const single = { seeds: [], service: '', readsReplicas: false, dial: null, keyPrefix: null, placeOf: null }
const tcp = { kind: 'tcp', host: '127.0.0.1', port: 6379, path: '', ...credentials, db: 0, tls: null, ...single }

describe('what an address says', () => {
  test.each([
    ['redis://', {}, 'redis://127.0.0.1:6379/0'],
    ['redis://redis.example.com', { host: 'redis.example.com' }, 'redis://redis.example.com:6379/0'],
    ['REDIS://h:1/', { host: 'h', port: 1 }, 'redis://h:1/0'],
    ['redis://h:7000/15', { host: 'h', port: 7000, db: 15 }, 'redis://h:7000/15'],
    ['redis://h?db=3', { host: 'h', db: 3 }, 'redis://h:6379/3'],
    ['redis://[::1]:7000/2', { host: '::1', port: 7000, db: 2 }, 'redis://[::1]:7000/2'],
    ['redis://[fe80::1%25eth0]', { host: 'fe80::1%eth0' }, 'redis://[fe80::1%eth0]:6379/0'],
    ['redis://:secret@h', { host: 'h', password: 'secret' }, 'redis://:***@h:6379/0'],
    ['redis://ann@h', { host: 'h', username: 'ann' }, 'redis://ann@h:6379/0'],
    ['redis://ann:p%40s%2Fs%23%25@h', { host: 'h', username: 'ann', password: 'p@s/s#%' }, 'redis://ann:***@h:6379/0'],
    ['redis://ann:raw@sign:x@h', { host: 'h', username: 'ann', password: 'raw@sign:x' }, 'redis://ann:***@h:6379/0'],
    ['redis://h?username=ann&password=p%26q', { host: 'h', username: 'ann', password: 'p&q' }, 'redis://ann:***@h:6379/0'],
  ])('%s', (url, expected, redacted) => {
    expect(parseEndpoint(url)).toEqual({ ...tcp, ...expected, redacted })
  })

  test.each([
    ['unix:///run/redis.sock', { path: '/run/redis.sock' }, 'unix:///run/redis.sock'],
    ['unix:///run/redis.sock?db=4', { path: '/run/redis.sock', db: 4 }, 'unix:///run/redis.sock?db=4'],
    [
      'unix://ann:secret@/run/r%20s.sock',
      { path: '/run/r s.sock', username: 'ann', password: 'secret' },
      'unix://ann:***@/run/r s.sock',
    ],
  ])('%s', (url, expected, redacted) => {
    expect(parseEndpoint(url)).toEqual({ ...tcp, kind: 'unix', host: '', port: 0, ...expected, redacted })
  })

  test('rediss:// verifies the host by default, and sends no server name for an address', () => {
    const named = parseEndpoint('rediss://redis.example.com')
    expect(named).toMatchObject({ kind: 'tls', port: 6379, tls: { servername: 'redis.example.com', rejectUnauthorized: true } })
    expect(parseEndpoint('rediss://10.0.0.1').tls?.servername).toBeUndefined()
    expect(parseEndpoint('rediss://[::1]').tls?.servername).toBeUndefined()
  })

  test('TLS files come from options, from the query, or as they are; options win', () => {
    const bytes = Buffer.from('PEM')
    const fromOptions = parseEndpoint('rediss://h?servername=query', { ca: pem, cert: bytes, key: pem, servername: 'option' })
    expect(fromOptions.tls).toEqual({ ca: bytes, cert: bytes, key: bytes, servername: 'option', rejectUnauthorized: true })
    const fromQuery = parseEndpoint(`rediss://h?ca=${encodeURIComponent(pem)}&rejectUnauthorized=false`)
    expect(fromQuery.tls).toMatchObject({ ca: bytes, rejectUnauthorized: false })
  })
})

describe('what is refused', () => {
  test.each([
    ['127.0.0.1:6379', 'expected redis://'],
    ['http://h', 'unknown scheme http://'],
    ['redis://h:0', 'port 0'],
    ['redis://h:70000', 'port 70000'],
    ['redis://h:port', 'expected host, host:port'],
    ['redis://::1', 'expected host, host:port'],
    ['redis://a,b', 'take several addresses'],
    ['redis://h/one', 'must be a number'],
    ['redis://h/-1', 'must be a number'],
    ['redis://h/1?db=2', 'the path says database 1'],
    ['redis://h?timeout=1', 'unknown option "timeout"'],
    ['redis://:sec#ret@h', '%23'],
    ['redis://ann:sec/ret@h', '%2F'],
    ['redis://ann:sec%zz@h', '%25'],
    ['redis://h?ca=/ca.pem', 'need a rediss:// address'],
    ['rediss://h?rejectUnauthorized=no', 'true or false'],
    ['rediss://h?ca=/no/such/file.pem', 'cannot be read'],
    ['unix://run/redis.sock', 'absolute path'],
    ['unix://', 'absolute path'],
  ])('%s', (url, message) => {
    expect(() => parseEndpoint(url)).toThrow(
      expect.objectContaining({ code: 'invalid-config', message: expect.stringContaining(message) }),
    )
  })

  test('several servers have one set of credentials, and ports of their kind', () => {
    const cluster = parseEndpoint('redis-cluster://ann:secret@a:7000,[::1]:7001,b')
    expect(cluster).toMatchObject({ kind: 'cluster', username: 'ann', password: 'secret', db: 0, tls: null, service: '' })
    expect(cluster.seeds.map(({ host, port, password }) => [host, port, password])).toEqual([
      ['a', 7000, 'secret'],
      ['::1', 7001, 'secret'],
      ['b', 6379, 'secret'],
    ])
    expect(cluster.redacted).toBe('redis-cluster://ann:***@a:7000,[::1]:7001,b')
    const sentinels = parseEndpoint('rediss-sentinel://:secret@a,b:26380/my%2Fmaster/3')
    expect(sentinels).toMatchObject({ kind: 'sentinel', service: 'my/master', db: 3, password: 'secret' })
    expect(sentinels.seeds.map(({ kind, host, port, db }) => [kind, host, port, db])).toEqual([
      ['tls', 'a', 26379, 0],
      ['tls', 'b', 26380, 0],
    ])
  })

  test.each([
    ['redis-cluster://a/1', 'a cluster address names no database'],
    ['redis-cluster://a,b?db=1', 'a cluster address names no database'],
    ['redis-sentinel://a,b', 'expected the name of the primary'],
    ['redis-sentinel://a,b/name/x', 'the database must be a number'],
    ['redis-sentinel://a,b/name/1/2', 'expected the name of the primary'],
  ])('%s is no address: %s', (url, words) => {
    expect(() => parseEndpoint(url)).toThrow(words)
  })

  test('TLS options on a plain address, and half a client certificate', () => {
    expect(() => parseEndpoint('redis://h', { ca: pem })).toThrow(/plain text/)
    expect(() => parseEndpoint('rediss://h', { cert: pem })).toThrow(/both cert and key/)
  })

  test.each([
    'redis://ann:hunter2@h:port',
    'redis://:hunter2@h/one',
    'redis://ann:hun ter2@h:x',
    'redis://h?password=hunter2&x=1',
    'redis-cluster://:hunter2@h/1',
  ])('the message about %s holds no password', (url) => {
    let message = ''
    try {
      parseEndpoint(url)
    } catch (error) {
      message = (error as FerryError).message
    }
    expect(message).not.toBe('')
    expect(message).not.toMatch(/hun|ter2/)
  })
})

test('redactUrls hides passwords anywhere in a text and leaves the rest', () => {
  expect(redactUrls('from redis://ann:p@ss:w@h:1/0 to rediss://:x@g and redis://h?password=z&db=1')).toBe(
    'from redis://ann:***@h:1/0 to rediss://:***@g and redis://h?password=***&db=1',
  )
  expect(redactUrls('redis://h:6379/0 and a@b')).toBe('redis://h:6379/0 and a@b')
})
