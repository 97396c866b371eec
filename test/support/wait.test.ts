import { expect, test } from 'vitest'
import { until } from './wait.ts'

test('gives what the condition returned once it is truthy', async () => {
  let asked = 0
  expect(await until(() => (++asked === 3 ? `after ${asked}` : ''), { intervalMs: 1 })).toBe('after 3')
})

test('takes a throw as not yet', async () => {
  let asked = 0
  const value = await until(
    () => {
      if (++asked < 3) throw new Error('not yet')
      return asked
    },
    { intervalMs: 1 },
  )
  expect(value).toBe(3)
})

test('times out with the name of what it waited for and the last error', async () => {
  const failure = until(() => Promise.reject(new Error('no route')), { timeoutMs: 20, intervalMs: 1, what: 'the reply' })
  await expect(failure).rejects.toMatchObject({
    message: 'timed out after 20 ms waiting for the reply',
    cause: { message: 'no route' },
  })
})
