import { afterEach, expect, test } from 'vitest'
import { Sentinels } from '../../../src/cluster/sentinels.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { bulk, type FakeRedis, startFakeRedis } from '../../support/fake-redis.ts'
import { until } from '../../support/wait.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

test('are asked often until one of them knows the primary, and every second from then on', async () => {
  const asked: number[] = []
  let known = false
  const greet = (command: string): string | undefined => {
    const upper = command.toUpperCase()
    if (upper.startsWith('HELLO')) return '%1\r\n+proto\r\n:3\r\n'
    if (upper === 'INFO') return bulk('loading:0')
    if (upper === 'ROLE') return `*3\r\n${bulk('master')}:0\r\n*0\r\n`
    return upper.startsWith('CLIENT SETNAME') ? '+OK\r\n' : undefined
  }
  const primary: FakeRedis = await startFakeRedis(greet)
  const sentinel = await startFakeRedis((command) => {
    if (command.startsWith('subscribe')) return `>3\r\n${bulk('subscribe')}${bulk('+switch-master')}:1\r\n`
    if (!command.startsWith('SENTINEL GET-MASTER')) return greet(command)
    asked.push(performance.now())
    return known ? `*2\r\n${bulk('127.0.0.1')}${bulk(String(primary.port))}` : '*-1\r\n'
  })
  const sentinels = new Sentinels(parseEndpoint(`redis-sentinel://127.0.0.1:${sentinel.port}/main`))
  ends.push(() => {
    sentinels.stop()
    sentinel.stop()
    primary.stop()
  })
  let connected = false
  const options = { credentials: { username: null, password: null }, whileBusy: false, singly: true, reordered: () => undefined }
  const wire = sentinels.dial(
    options,
    () => {
      connected = true
    },
    () => undefined,
  )
  wire.on('error', () => undefined)
  sentinels.start()
  await until(() => asked.length >= 4, { what: 'four questions', timeoutMs: 2_000 })
  expect((asked[3] as number) - (asked[2] as number)).toBeGreaterThan(95)
  expect(connected).toBe(false)
  known = true
  await until(() => connected, { what: 'the way to the primary' })
  const before = asked.length
  await until(() => asked.length >= before + 2, { what: 'two further questions' })
  expect((asked[before + 1] as number) - (asked[before] as number)).toBeGreaterThan(950)
})
