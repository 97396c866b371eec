/** redis-cli --ldb rehearses a script and has it rolled back; through Ferry it is told that it cannot, and the script does not run. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url })
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

const cli = (args: readonly string[], input: string): string =>
  spawnSync('redis-cli', ['-p', `${ferry.port}`, ...args], { input, encoding: 'utf8', timeout: 10_000 }).stdout

it.each(['--ldb', '--ldb-sync-mode'])('refuses redis-cli %s, and runs nothing', async (flag) => {
  const script = join(ferry.dir, 'script.lua')
  writeFileSync(script, "return redis.call('SET', 'rehearsed', 1)")
  const out = cli([flag, '--eval', script], 'continue\n')
  expect(out).toContain("session can't start")
  expect(out).toContain("'script debug' was refused")
  expect(await source.client().exists('rehearsed')).toBe(0)
})

it('runs scripts again once debugging is given up', () => {
  const out = cli([], 'SCRIPT DEBUG YES\nSCRIPT DEBUG NO\nEVAL "return 42" 0\nSCRIPT DEBUG x\n')
  expect(out).toMatch(/unsupported: 'script debug'[\s\S]*OK\n42\nERR Use SCRIPT DEBUG YES\/SYNC\/NO/)
})
