/** `ferry copy --from-rdb`: a dump is read by the server that wrote its format, and copied from there. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { CopyProcess } from '../../support/copy-process.ts'
import { fillEveryType } from '../../support/every-type.ts'
import { differencesOf } from '../../support/ferry.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisServer
let target: RedisServer

afterEach(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

const engine = (name: string): string =>
  join(process.env.FERRY_ENGINES || join(homedir(), '.cache', 'redis-engines'), name, 'bin', 'server')
const leftOver = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('ferry-rdb-'))

async function dumpOf(server: string | undefined): Promise<string> {
  ;[source, target] = await Promise.all([startRedis(server === undefined ? {} : { engine: server }), startRedis()])
  await fillEveryType(source.client())
  await source.client().save()
  return join(source.dir, 'dump.rdb')
}

it.each([
  ['redis-server on PATH', undefined],
  ['valkey-9.1', 'valkey-9.1'],
  ['redis-8.0', 'redis-8.0'],
])('a dump of %s arrives whole; the file is as it was, and nothing is left behind', async (name, server) => {
  if (server !== undefined && engineMissing(name)) return
  const before = leftOver()
  const file = await dumpOf(server)
  const content = readFileSync(file)
  const program = server === undefined ? [] : ['--rdb-server', engine(server)]
  const copy = new CopyProcess(['--from-rdb', file, '--target', target.url, ...program])
  expect(await copy.end(), copy.said).toMatchObject({ status: 0, last: { kind: 'report', keysFailed: 0 } })
  expect(await differencesOf(source, target)).toEqual([])
  expect(readFileSync(file)).toEqual(content)
  expect(leftOver().filter((dir) => !before.includes(dir))).toEqual([])
})

it('a file that is no dump, or too new a one, is refused in the words of the server', async () => {
  const file = await dumpOf(undefined)
  const dump = readFileSync(file)
  const copyOf = async (content: Buffer): Promise<unknown> => {
    const other = join(source.dir, 'other.rdb')
    writeFileSync(other, content)
    return new CopyProcess(['--from-rdb', other, '--target', target.url]).end()
  }
  const refused = (words: RegExp): object => ({
    status: 2,
    last: { code: 'unsupported', details: expect.arrayContaining([expect.stringMatching(words)]) },
  })
  expect(await copyOf(Buffer.from('this is no dump at all'))).toMatchObject(refused(/Wrong signature/))
  expect(await copyOf(Buffer.concat([Buffer.from('REDIS0099'), dump.subarray(9)]))).toMatchObject(
    refused(/RDB format version 99/),
  )
  expect(await target.client().dbsize()).toBe(0)
})

it('no such file, and no such server, are told before anything is copied', async () => {
  const file = await dumpOf(undefined)
  const missing = await new CopyProcess(['--from-rdb', '/no/such.rdb', '--target', target.url]).end()
  expect(missing).toMatchObject({ status: 2, last: { code: 'bad-request', message: expect.stringContaining('ENOENT') } })
  const serverless = await new CopyProcess(['--from-rdb', file, '--target', target.url], {
    ...process.env,
    PATH: source.dir,
  }).end()
  expect(serverless).toMatchObject({ status: 2, last: { message: expect.stringContaining('--rdb-server') } })
  const wrong = await new CopyProcess(['--from-rdb', file, '--target', target.url, '--rdb-server', '/no/server']).end()
  expect(wrong).toMatchObject({ status: 2, last: { details: [expect.stringContaining('ENOENT')] } })
  expect(existsSync(file)).toBe(true)
})
