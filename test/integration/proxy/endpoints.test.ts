/** The ways in and out: TCP and unix-socket listeners; redis://, unix:// and rediss:// addresses with an authority and client certificates. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { freePort, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

let dir: string
let ferry: Ferry | null = null
const servers: RedisServer[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ferry-tls-'))
})

afterEach(async () => {
  await ferry?.dispose()
  ferry = null
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function redis(args: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedis({ args })
  servers.push(server)
  return server
}

/** Small commands and a large value, both ways, by every listener. */
async function works(...addresses: (number | string)[]): Promise<void> {
  const large = 'x'.repeat(3_000_000)
  for (const [n, address] of addresses.entries()) {
    const client = await WireClient.open(address)
    client.write(multibulk('SET', `small:${n}`, 'value') + multibulk('SET', `large:${n}`, large) + multibulk('GET', `large:${n}`))
    expect(await client.take(3)).toEqual(['+OK\r\n', '+OK\r\n', bulk(large)])
    client.close()
  }
}

describe('a unix socket', () => {
  it('is listened on beside TCP, and is what both servers are reached by', async () => {
    const [source, target] = [await redis(), await redis()]
    const path = join(dir, 'ferry.sock')
    const listen = [`unix://${path}`]
    ferry = await Ferry.start({ source: `unix://${source.socketPath}`, target: `unix://${target.socketPath}`, listen })
    await source.client().set('before', 'Ferry')
    await ferry.backfill()
    await works(ferry.port, path)
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
    expect(await target.client().dbsize()).toBe(5)
    const client = await WireClient.open(path)
    expect(await client.ask('CLIENT INFO')).toContain('addr=unix:0')
    client.close()
    // Its own socket file is no obstacle to the next start, also after a crash.
    await ferry.kill9()
    expect(existsSync(path)).toBe(true)
    await ferry.restart()
    await works(path)
    await ferry.stop()
    expect(existsSync(path)).toBe(false)
  })
})

/** An authority, and certificates by it for the servers (127.0.0.1) and for Ferry. */
function certificates(): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
  openssl('req', '-x509', ...ec, '-keyout', 'other.key', '-out', 'other.pem', '-days', '2', '-subj', '/CN=another authority')
  for (const name of ['server', 'client']) {
    const own = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=${name}`]
    openssl('req', '-x509', ...ec, ...own, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1')
  }
}

const file = (name: string): string => join(dir, name)

/** Why TLS cannot be tested here, or null. */
function obstacle(): string | null {
  try {
    execFileSync('openssl', ['version'], { stdio: 'pipe' })
  } catch {
    return 'there is no openssl program'
  }
  try {
    execFileSync('redis-server', ['--port', '0', '--tls-port', '1'], { stdio: 'pipe', timeout: 5_000 })
  } catch (error) {
    return String((error as { stdout?: Buffer }).stdout).includes('tls-cert-file')
      ? null
      : 'this redis-server is built without TLS'
  }
  return null
}

const noTls = obstacle()
if (noTls !== null) console.warn(`SKIPPED: ${noTls}: rediss:// is not tested`)

describe.skipIf(noTls !== null)('rediss://', () => {
  beforeAll(() => {
    certificates()
  })

  /** A server that talks TLS only, and only to who has a certificate by the same authority. The plain port is for looking at it. */
  async function tls(): Promise<{ server: RedisServer; url: string }> {
    const port = await freePort()
    const files = [
      '--tls-cert-file',
      file('server.pem'),
      '--tls-key-file',
      file('server.key'),
      '--tls-ca-cert-file',
      file('ca.pem'),
    ]
    const server = await redis(['--tls-port', `${port}`, '--tls-auth-clients', 'yes', ...files])
    return { server, url: `rediss://127.0.0.1:${port}` }
  }

  it('reaches both sides, with the authority and the client certificate given as files or in the address', async () => {
    const [source, target] = [await tls(), await tls()]
    await source.server.client().mset('before', 'Ferry', 'and', 'more')
    const files = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') }
    const query = Object.entries(files).map(([name, path]) => `${name}=${encodeURIComponent(path)}`)
    ferry = await Ferry.start({ source: { url: source.url, tls: files }, target: `${target.url}?${query.join('&')}` })
    await ferry.backfill()
    await works(ferry.port)
    await ferry.untilSettled()
    expect(await differencesOf(source.server, target.server)).toEqual([])
    expect(await target.server.client().dbsize()).toBe(4)
    expect((await ferry.status()).blockers).toEqual([])
  })

  it('does not talk to a target whose certificate another authority made', async () => {
    const [source, target] = [await redis(), await tls()]
    const files = { ca: file('other.pem'), cert: file('client.pem'), key: file('client.key') }
    ferry = await Ferry.start({ source: source.url, target: { url: target.url, tls: files } })
    const { target: side } = await ferry.untilStatus('the refusal', (status) => status.target.lastError !== null)
    expect(side.state).not.toBe('up')
    expect(side.lastError).toMatch(/certificate/i)
    const client = await WireClient.open(ferry.port)
    expect(await client.ask('SET a 1')).toBe('+OK\r\n')
    client.close()
    expect((await ferry.status()).journal.dirtyKeys).toBe(1)
    expect(await target.server.client().dbsize()).toBe(0)
  })

  it('is refused by a target that wants a client certificate', async () => {
    const [source, target] = [await redis(), await tls()]
    ferry = await Ferry.start({ source: source.url, target: { url: target.url, tls: { ca: file('ca.pem') } } })
    const { target: side } = await ferry.untilStatus('the refusal', (status) => status.target.lastError !== null)
    expect(side.state).not.toBe('up')
  })
})
