import { Script } from 'node:vm'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { buildControlApp } from '../../../src/control/app.ts'
import { type ErrorCode, errorCatalogue, FerryError } from '../../../src/errors.ts'
import { createLogger } from '../../../src/observe/logger.ts'
import type { AccessToken, Role } from '../../../src/roles.ts'
import { FakeOperations, failedKey } from '../../support/fake-operations.ts'

const tokens: AccessToken[] = [
  { token: 'token-for-reading', role: 'read' },
  { token: 'token-for-operating', role: 'operate' },
  { token: 'token-for-everything', role: 'admin' },
]

interface Route {
  readonly method: string
  readonly url: string
  readonly role: string
}

let operations: FakeOperations
let routes: Route[]
const open: FastifyInstance[] = []

async function build(granted: readonly AccessToken[] = []): Promise<FastifyInstance> {
  operations = new FakeOperations()
  routes = []
  const metrics = async () => ({ contentType: 'text/plain; version=0.0.4', body: 'ferry_info 1\n' })
  const app = buildControlApp({ operations, metrics, tokens: granted, logger: createLogger('silent') })
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') routes.push({ method: each, url, role: String(config?.role) })
  })
  open.push(app)
  await app.ready()
  return app
}

let app: FastifyInstance
beforeEach(async () => {
  app = await build()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()))
})

const send = (method: string, url: string, payload?: object, headers: Record<string, string> = {}) =>
  app.inject({
    method: method as NonNullable<InjectOptions['method']>,
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  })

describe('routes', () => {
  test('what the contract lists is there, each with its role', () => {
    const listed = routes.map(({ method, url, role }) => `${method} ${url} ${role}`).sort()
    expect(listed).toEqual(
      [
        'GET / open',
        'GET /openapi.json open',
        ...['livez', 'readyz', 'healthz', 'health'].map((name) => `GET /${name} open`),
        ...[
          '/metrics',
          '/v1/status',
          '/v1/events',
          '/v1/traffic',
          '/v1/mover',
          '/v1/errors',
          '/v1/verify/:id',
          '/v1/divergence',
        ].map((url) => `GET ${url} read`),
        'PATCH /v1/traffic operate',
        'PATCH /v1/errors operate',
        'PATCH /v1/mover operate',
        ...['start', 'pause', 'resume', 'ramp', 'cutover', 'rollback'].map((step) => `POST /v1/migration/${step} operate`),
        'POST /v1/migration/complete admin',
        ...['start', 'pause', 'resume', 'stop'].map((step) => `POST /v1/mover/${step} operate`),
        'POST /v1/errors/replay operate',
        'POST /v1/verify operate',
        'POST /v1/verify/:id/stop operate',
      ].sort(),
    )
  })

  test('with tokens, every route but the open ones refuses whoever has no role or too small a one', async () => {
    app = await build(tokens)
    const rank: Record<string, number> = { open: 0, read: 1, operate: 2, admin: 3 }
    for (const { method, url, role } of routes) {
      const path = url.replace(':id', '1')
      if (role === 'open') {
        expect((await send(method, path)).statusCode, path).toBe(200)
        continue
      }
      const without = await send(method, path)
      expect([path, without.statusCode, without.headers['www-authenticate']]).toEqual([path, 401, 'Bearer realm="ferry"'])
      expect((await send(method, path, undefined, { authorization: 'Bearer token-for-readinG' })).statusCode).toBe(401)
      for (const { token, role: granted } of tokens) {
        if ((rank[granted] ?? 0) >= (rank[role] ?? 0)) continue
        const refused = await send(method, path, undefined, { authorization: `Bearer ${token}` })
        expect([path, granted, refused.statusCode, refused.json<{ code: string }>().code]).toEqual([
          path,
          granted,
          403,
          'forbidden',
        ])
      }
    }
    expect(operations.calls).toEqual([])
  })

  test.each(['read', 'operate', 'admin'] satisfies Role[])('the role %s is let in where it is enough', async (role) => {
    app = await build(tokens)
    const authorization = `Bearer ${tokens.find((each) => each.role === role)?.token}`
    expect((await send('GET', '/v1/status', undefined, { authorization })).statusCode).toBe(200)
    expect((await send('POST', '/v1/mover/start', undefined, { authorization })).statusCode).toBe(role === 'read' ? 403 : 200)
    expect((await send('POST', '/v1/migration/complete', undefined, { authorization })).statusCode).toBe(
      role === 'admin' ? 200 : 403,
    )
  })

  test('a route that states no role stops the build', async () => {
    const broken = buildControlApp({
      operations: new FakeOperations(),
      metrics: async () => ({ contentType: '', body: '' }),
      tokens: [],
      logger: createLogger('silent'),
    })
    open.push(broken)
    expect(() => broken.get('/forgotten', async () => 'hello')).toThrow(/states no role/)
  })

  test('web pages elsewhere cannot drive it, directly or by a name that they bind to loopback', async () => {
    expect(
      (await send('POST', '/v1/mover/stop', undefined, { host: '127.0.0.1:7380', origin: 'https://evil.example' })).statusCode,
    ).toBe(403)
    expect(
      (await send('POST', '/v1/mover/stop', undefined, { host: 'evil.example:7380', origin: 'http://evil.example:7380' }))
        .statusCode,
    ).toBe(403)
    expect(operations.calls).toEqual([])
    expect(
      (await send('POST', '/v1/mover/stop', undefined, { host: '127.0.0.1:7380', origin: 'http://127.0.0.1:7380' })).statusCode,
    ).toBe(200)
  })
})

describe('answers', () => {
  test('health tells ready from not ready', async () => {
    expect((await send('GET', '/readyz')).json()).toEqual({ ready: true, reasons: [] })
    operations.readiness = { ready: false, reasons: ['source down'] }
    for (const path of ['/readyz', '/healthz', '/health']) {
      const answer = await send('GET', path)
      expect([answer.statusCode, answer.json<{ reasons: string[] }>().reasons]).toEqual([503, ['source down']])
    }
    expect((await send('GET', '/livez')).statusCode).toBe(200)
  })

  test('status, metrics, page', async () => {
    expect((await send('GET', '/v1/status')).json()).toEqual(operations.status())
    const metrics = await send('GET', '/metrics')
    expect([metrics.headers['content-type'], metrics.body]).toEqual(['text/plain; version=0.0.4', 'ferry_info 1\n'])
    const page = await send('GET', '/')
    expect(page.headers['content-type']).toContain('text/html')
    const script = /<script>([\s\S]*)<\/script>/.exec(page.body)?.[1] ?? ''
    expect(() => new Script(script)).not.toThrow()
    for (const [, id] of script.matchAll(/\b(?:get|pairs)\('(\w+)'/g)) expect(page.body).toContain(`id="${id}"`)
    expect(page.body).not.toMatch(/(src|href)\s*=|https?:\/\/|@import/)
  })

  test('a step passes its body on and answers with the status after it', async () => {
    const answer = await send('POST', '/v1/migration/ramp', { percent: 40, reason: 'looks good', expectedPhase: 'mirror' })
    expect(answer.json()).toMatchObject({ applied: true, status: { phase: 'canary', traffic: { readPercentage: 40 } } })
    expect(operations.calls).toEqual([
      ['ramp', { percent: 40, reason: 'looks good', expectedPhase: 'mirror', onConflict: 'refuse' }],
    ])
    expect((await send('POST', '/v1/migration/rollback')).statusCode).toBe(200)
  })

  test('traffic and mover are patched, not replaced', async () => {
    expect((await send('PATCH', '/v1/traffic', { readMode: 'new' })).json()).toMatchObject({
      readMode: 'new',
      writePolicy: 'old-authoritative',
    })
    expect((await send('PATCH', '/v1/mover', { batchKeys: 10 })).json()).toMatchObject({
      limits: { batchKeys: 10, batchesInFlight: 4 },
    })
  })

  test('the error queue by pages, and whole as NDJSON', async () => {
    operations.failed.push(...Array.from({ length: 2500 }, (_, index) => failedKey(index + 1)))
    const page = (await send('GET', '/v1/errors?cursor=10&limit=2')).json<{
      items: { id: number }[]
      nextCursor: number
      total: number
    }>()
    expect([page.items.map(({ id }) => id), page.nextCursor, page.total]).toEqual([[11, 12], 12, 2500])
    const lines = (await send('GET', '/v1/errors?format=ndjson')).body.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual(operations.failed.map(({ id }) => id))
    expect((await send('POST', '/v1/errors/replay', { ids: [1, 2] })).json()).toMatchObject({ replayed: 2, failed: 1 })
    expect((await send('POST', '/v1/errors/replay')).json()).toMatchObject({ replayed: 2500 })
  })

  test('a verification is begun, then asked for', async () => {
    const begun = await send('POST', '/v1/verify', { repair: true })
    expect([begun.json<{ state: string }>().state, begun.headers.location]).toEqual(['running', '/v1/verify/1'])
    expect((await send('GET', '/v1/verify/1')).json()).toMatchObject({ state: 'done', differences: 0 })
    expect((await send('GET', '/v1/verify/2')).json()).toMatchObject({ code: 'not-found' })
    expect((await send('POST', '/v1/verify/1/stop')).json()).toMatchObject({ id: '1' })
    expect((await send('POST', '/v1/verify/2/stop')).json()).toMatchObject({ code: 'not-found' })
    for (const wrong of [{ samplePercent: 0 }, { samplePercent: 5, sampleKeys: 5 }, { sampleKeys: 5, resume: true }]) {
      expect((await send('POST', '/v1/verify', wrong)).statusCode).toBe(400)
    }
  })
})

describe('problem documents', () => {
  test.each(Object.keys(errorCatalogue) as ErrorCode[])('%s', async (code) => {
    operations.ramp = async () => {
      throw new FerryError(code, 'said why', { details: ['one', 'two'] })
    }
    const answer = await send('POST', '/v1/migration/ramp', { percent: 1 })
    const { http } = errorCatalogue[code]
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(answer.statusCode).toBe(http)
    expect(answer.headers['retry-after']).toBe(http === 503 ? '1' : undefined)
    expect(answer.json()).toEqual({
      type: `urn:ferry:problem:${code}`,
      title: expect.any(String),
      status: http,
      code,
      detail: 'said why',
      errors: ['one', 'two'],
    })
  })

  test.each([
    ['POST', '/v1/migration/ramp', { percent: 101 }, 'body/percent'],
    ['POST', '/v1/migration/ramp', undefined, 'body/percent'],
    ['POST', '/v1/migration/start', { strategy: 'yolo' }, 'body/strategy'],
    ['PATCH', '/v1/traffic', { readmode: 'new' }, 'readmode'],
    ['PATCH', '/v1/mover', { batchKeys: 0 }, 'body/batchKeys'],
    ['GET', '/v1/errors?limit=0', undefined, 'querystring/limit'],
    ['GET', '/v1/errors?format=xml', undefined, 'querystring/format'],
  ])('%s %s with %j names what does not fit', async (method, url, payload, place) => {
    const answer = await send(method, url, payload)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ code: string; errors: string[] }>().code).toBe('bad-request')
    expect(answer.json<{ errors: string[] }>().errors.join()).toContain(place)
  })

  test('broken JSON, unknown paths, too large a body, and defects of our own', async () => {
    const headers = { 'content-type': 'application/json' }
    expect((await app.inject({ method: 'POST', url: '/v1/verify', headers, payload: '{' })).json()).toMatchObject({
      code: 'bad-request',
    })
    expect((await send('GET', '/v1/nothing')).json()).toMatchObject({ code: 'not-found', detail: 'there is no GET /v1/nothing' })
    expect((await send('POST', '/v1/verify', { a: 'x'.repeat(300_000) })).json()).toMatchObject({
      status: 400,
      code: 'bad-request',
    })
    operations.traffic = () => {
      throw new TypeError('secret internals')
    }
    const defect = await send('GET', '/v1/traffic')
    expect([defect.statusCode, defect.body.includes('secret internals')]).toEqual([500, false])
  })
})
