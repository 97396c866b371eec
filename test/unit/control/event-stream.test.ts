import { afterEach, beforeEach, expect, test } from 'vitest'
import { startControl, type TestControl } from '../../support/cli.ts'

let control: TestControl
beforeEach(async () => {
  control = await startControl()
})
afterEach(() => control.close())

async function* frames(path: string, headers: Record<string, string> = {}): AsyncGenerator<string> {
  const response = await fetch(`http://${control.address}${path}`, { headers })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  let rest = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const parts = (rest + chunk).split('\n\n')
    rest = parts.pop() ?? ''
    yield* parts.filter((part) => part.startsWith('id:'))
  }
}

const idOf = (frame: string | undefined): string | undefined => /^id: (\d+)$/m.exec(frame ?? '')?.[1]

test('what is kept first, then what comes', async () => {
  control.operations.log.record('phase', 'one')
  const stream = frames('/v1/events')
  const first = await stream.next()
  expect(first.value).toBe(`id: 1\nevent: phase\ndata: ${JSON.stringify(control.operations.log.since(0)[0])}`)
  control.operations.log.record('mover', 'line\nbreak')
  const second = (await stream.next()).value as string
  expect([idOf(second), second.split('\n').length]).toEqual(['2', 3])
  await stream.return(undefined)
})

test('Last-Event-ID goes before ?after, and follow=false ends', async () => {
  for (const message of ['one', 'two', 'three', 'four']) control.operations.log.record('phase', message)
  const collect = async (path: string, headers?: Record<string, string>) => {
    const ids: (string | undefined)[] = []
    for await (const frame of frames(path, headers)) ids.push(idOf(frame))
    return ids
  }
  expect(await collect('/v1/events?follow=false')).toEqual(['1', '2', '3', '4'])
  expect(await collect('/v1/events?follow=false&after=3')).toEqual(['4'])
  expect(await collect('/v1/events?follow=false&after=3', { 'last-event-id': '2' })).toEqual(['3', '4'])
})

test('closing the API ends the streams that are open, and a reader who left is forgotten', async () => {
  control.operations.log.record('phase', 'one')
  const left = frames('/v1/events')
  await left.next()
  await left.return(undefined)
  const staying = frames('/v1/events')
  await staying.next()
  const closed = control.close()
  expect(await staying.next()).toEqual({ done: true, value: undefined })
  await closed
  control.operations.log.record('phase', 'to nobody')
})

test('no more streams than the limit', async () => {
  control.operations.log.record('phase', 'one')
  const streams = Array.from({ length: 100 }, () => frames('/v1/events'))
  await Promise.all(streams.map((stream) => stream.next()))
  const refused = await fetch(`http://${control.address}/v1/events`)
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'limit'])
  await Promise.all(streams.map((stream) => stream.return(undefined)))
})
