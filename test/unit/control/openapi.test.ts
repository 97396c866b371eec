import { afterAll, beforeAll, expect, test } from 'vitest'
import { startControl, type TestControl } from '../../support/cli.ts'

interface Operation {
  readonly operationId: string
  readonly parameters?: { in: string; name: string; required?: boolean }[]
  readonly responses: Record<string, { description: string; content?: Record<string, unknown> }>
  readonly security?: unknown[]
  readonly requestBody?: unknown
}

interface Description {
  readonly openapi: string
  readonly info: { title: string; version: string }
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> }
}

let control: TestControl
let description: Description
beforeAll(async () => {
  control = await startControl()
  description = (await (await fetch(`http://${control.address}/openapi.json`)).json()) as Description
})
afterAll(() => control.close())

const operations = () =>
  Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ path, method, ...one })),
  )

test('is OpenAPI 3.1 with the version of Ferry', () => {
  expect(description.openapi).toMatch(/^3\.1\.\d+$/)
  expect(description.info).toMatchObject({ title: 'Ferry control API', version: '0.1.0' })
  expect(operations().length).toBeGreaterThan(25)
})

test('every reference leads somewhere, and every named schema is used', () => {
  const text = JSON.stringify(description)
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, target = '']) => target)
  const names = new Set(references.map((target) => target.replace('#/components/schemas/', '')))
  expect([...names].sort()).toEqual(Object.keys(description.components.schemas).sort())
})

test('ids are unique, parameters of a path are described, every answer has a description', () => {
  const ids = operations().map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { path, parameters = [], responses } of operations()) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    expect(
      parameters.filter((one) => one.in === 'path' && one.required).map(({ name }) => name),
      path,
    ).toEqual(inPath)
    for (const [status, answer] of Object.entries(responses)) {
      expect(status).toMatch(/^([1-5]\d\d|default)$/)
      expect(answer.description, `${path} ${status}`).toBeTruthy()
    }
  }
})

test('every route under /v1 asks for a token, and its failures are problem documents', () => {
  for (const { path, method, security, responses } of operations().filter((one) => one.path.startsWith('/v1/'))) {
    expect(security, `${method} ${path}`).toEqual([{ bearer: [] }])
    if (path !== '/v1/events') expect(Object.keys(responses.default?.content ?? {}), path).toEqual(['application/problem+json'])
  }
})
