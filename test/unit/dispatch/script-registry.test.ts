/** What is kept of scripts: by SHA1, within a limit, and which server has which. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { unknownFacts } from '../../../src/commands/scripts.ts'
import { codesIn, ScriptRegistry } from '../../../src/dispatch/script-registry.ts'
import type { Lane } from '../../../src/upstream/lane.ts'

const laneOf = (runId: string | null): Lane => ({ runId, up: false, admitted: true }) as unknown as Lane
const shaOf = (source: string): string => createHash('sha1').update(source).digest('hex')

test('a source is found by its SHA1, with what can be said of it', () => {
  const registry = new ScriptRegistry()
  const source = "return redis.call('GET', KEYS[1])"
  expect(registry.learn(Buffer.from(source))).toBe(shaOf(source))
  expect(registry.find(shaOf(source))?.source?.toString()).toBe(source)
  expect(registry.find(shaOf(source))?.facts.declaredOnly).toBe(true)
  registry.clear()
  expect(registry.find(shaOf(source))).toBeUndefined()
})

test('above its limit the one that was used longest ago goes', () => {
  const registry = new ScriptRegistry(25)
  const [first, second, third] = ['return 111', 'return 222', 'return 333'].map((source) => registry.learn(Buffer.from(source)))
  expect(registry.find(first as string)).toBeUndefined()
  expect(registry.find(second as string)).toBeDefined()
  registry.learn(Buffer.from('return 444'))
  expect(registry.find(third as string)).toBeUndefined()
  expect([...registry.all()]).toHaveLength(2)
  registry.learn(Buffer.from(`return ${'5'.repeat(30)}`))
  expect([...registry.all()]).toHaveLength(2)
})

test('what a server has is forgotten with its start', () => {
  const registry = new ScriptRegistry()
  registry.loaded(laneOf('one'), 'a')
  expect(registry.hasLoaded(laneOf('one'), 'a')).toBe(true)
  expect(registry.hasLoaded(laneOf('two'), 'a')).toBe(false)
  registry.unloaded(laneOf('one'), 'a')
  expect(registry.hasLoaded(laneOf('one'), 'a')).toBe(false)
  registry.loaded(laneOf(null), 'a')
  expect(registry.hasLoaded(laneOf(null), 'a')).toBe(false)
})

test('a script that nobody can tell may do anything', async () => {
  const registry = new ScriptRegistry()
  registry.ask(laneOf('one'), 'b')
  await new Promise((resolve) => setImmediate(resolve))
  expect(registry.find('b')).toEqual({ source: null, facts: unknownFacts })
  expect(registry.libraryFacts(laneOf('one'))).toEqual(unknownFacts)
})

test('sources of libraries in both protocols', () => {
  const library = ['library_name', 'l', 'functions', [], 'library_code', '#!lua name=l'].map((item) =>
    typeof item === 'string' ? Buffer.from(item) : item,
  )
  expect(codesIn([library])).toEqual(['#!lua name=l'])
  expect(codesIn([])).toEqual([])
  expect(codesIn({ error: 'NOPERM' })).toBeNull()
})
