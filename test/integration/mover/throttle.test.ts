/** The mover beside live traffic: it goes slower for what the traffic feels, says why, comes back, and stops where it must. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Stage } from '../../support/stage.ts'
import { unthrottled } from '../../support/unthrottled.ts'

const keys = 10_000
let stage: Stage
/** Percent of full speed. */
let slowed = 0

beforeAll(async () => {
  // So slow that it is still under way when the last test ends.
  const mover = { ...unthrottled, keysPerSecondMax: 500, sourceP99MsMax: 250 }
  stage = await Stage.open({ keys, ferry: { mover } })
  await stage.startLoad(800)
  await stage.ferry.post('/v1/mover/start')
})
afterAll(() => stage.close())

test('a slow source makes it slow, and says so', async () => {
  stage.toSource.delay(150)
  const { mover } = await stage.ferry.untilStatus('the source to be too slow', ({ mover: { throttle } }) =>
    /^source p99 [\d.]+ ms > 250 ms/.test(throttle ?? ''),
  )
  expect(mover.state).toBe('running')
  slowed = mover.speedPercent
  expect(slowed).toBeLessThanOrEqual(50)
})

test('once the source is quick again so is the mover', async () => {
  stage.toSource.pass()
  const { mover } = await stage.ferry.untilStatus(
    'the mover to be faster',
    ({ mover: { speedPercent } }) => speedPercent > slowed + 2,
  )
  expect(mover.throttle).toMatch(/^[\d.]+ % of full speed after source p99 [\d.]+ ms > 250 ms(;|$)/)
})

test('limits hold from the moment they are set; a critical load pauses until it is resumed', async () => {
  await stage.ferry.mover({ sourceP99MsMax: 0.01, criticalTimes: 2, criticalSeconds: 0.5 })
  const { mover } = await stage.ferry.untilStatus('the mover to be paused', ({ mover: { state } }) => state === 'paused')
  expect(mover.throttle).toMatch(/^paused until it is resumed: source p99 [\d.]+ ms > 0.01 ms/)
  expect(mover.limits).toMatchObject({ sourceP99MsMax: 0.01, criticalTimes: 2, keysPerSecondMax: 500 })
  const events = stage.ferry.log
  expect(events).toContain('the mover was paused: a critical load')

  await stage.ferry.mover({ sourceP99MsMax: 250 })
  expect((await stage.ferry.status()).mover.state).toBe('paused')
  await stage.ferry.post('/v1/mover/resume')
  const scanned = (await stage.ferry.status()).mover.keysScanned
  await stage.ferry.untilStatus('the mover to go on', (status) => status.mover.keysScanned > scanned)
})

test('beside nobody it takes up full speed; bytes per second are limited, too', async () => {
  await stage.stopLoad()
  await stage.ferry.untilStatus('full speed', ({ mover: { speedPercent } }) => speedPercent === 100)
  await stage.ferry.mover({ keysPerSecondMax: 0, bytesPerSecondMax: 1_024 })
  await stage.ferry.untilStatus('the limit to hold', ({ mover: { throttle } }) => throttle === 'limited to 1024 bytes/s')
})

test('what is swept is limited like what is copied', async () => {
  const { ferry } = stage
  await ferry.mover({ keysPerSecondMax: 0, bytesPerSecondMax: 0 })
  await ferry.untilSettled()
  await ferry.mover({ keysPerSecondMax: 5_000 })
  await ferry.post('/v1/mover/start')
  await ferry.untilStatus('the sweep to be limited', ({ mover: { pass, throttle } }) => {
    return pass === 'sweep' && throttle === 'limited to 5000 keys/s'
  })
})
