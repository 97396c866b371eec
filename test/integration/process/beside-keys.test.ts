/** What the servers hold beside keys, as status tells it. */
import { afterEach, expect, it } from 'vitest'
import { BesideKeysWatch } from '../../../src/process/beside-keys.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry | undefined

afterEach(async () => {
  await ferry?.dispose()
  ferry = undefined
  await Promise.all([source?.stop(), target?.stop()])
})

const library = (name: string, result: number): string =>
  `#!lua name=${name}\nredis.register_function('${name}', function() return ${result} end)`

const watch = (sourceUrl = source.url): BesideKeysWatch =>
  new BesideKeysWatch({ source: parseEndpoint(sourceUrl), target: parseEndpoint(target.url) })

it('counts what each side has, and what differs, but not where a server listens', async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  const [there, here] = [source.client(), target.client()]
  await there.call('FUNCTION', 'LOAD', library('same', 1))
  await here.call('FUNCTION', 'LOAD', library('same', 1))
  await there.call('FUNCTION', 'LOAD', library('other', 1))
  await here.call('FUNCTION', 'LOAD', library('other', 2))
  await there.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all')
  await there.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const beside = watch()
  expect(beside.last()).toMatchObject({ users: { source: null, differing: null }, askedAt: null })
  await beside.refresh()
  const found = beside.last()
  expect(found).toMatchObject({
    functions: { source: 2, target: 2, differing: 1 },
    users: { source: 2, target: 1, differing: 1 },
    settings: { differing: 1 },
  })
  expect(JSON.stringify(found)).not.toContain('secret')
})

it('what may not be asked is not known; the rest is', async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  await source.client().call('ACL', 'SETUSER', 'ferry', 'on', '>secret', '~*', '&*', '+@all', '-acl|list', '-config')
  const beside = watch(`redis://ferry:secret@127.0.0.1:${source.port}`)
  await beside.refresh()
  expect(beside.last()).toMatchObject({
    functions: { source: 0, target: 0, differing: 0 },
    users: { source: null, target: 1, differing: null },
    settings: { source: null, differing: null },
  })
})

it('is part of the status', async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  await source.client().call('ACL', 'SETUSER', 'app', 'on', 'nopass')
  ferry = await Ferry.start({ source: source.url, target: target.url })
  const status = await ferry.untilStatus('the sides to be counted', ({ besideKeys }) => besideKeys.askedAt !== null)
  expect(status.besideKeys.users).toEqual({ source: 2, target: 1, differing: 1 })
})
