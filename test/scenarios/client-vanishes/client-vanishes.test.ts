/**
 * A client is gone in the middle of what it was saying.
 *
 * Source and target: nothing of a command that did not arrive whole, nothing of a transaction without its EXEC; commands that did arrive
 * whole are run on both sides or on neither.
 * Other clients: notice nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Stage } from '../../support/stage.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

let stage: Stage
let witness: WireClient

beforeAll(async () => {
  stage = await Stage.open()
  await stage.ferry.backfill()
  await stage.startLoad(500)
  witness = await WireClient.open(stage.ferry.port)
  await witness.pipeline(['SET kept before', 'RPUSH list a b c'])
})

afterAll(async () => {
  witness?.close()
  await stage?.close()
})

/** Says it, waits until Ferry has it all, and is gone. */
async function sayAndVanish(...parts: (string | Buffer)[]): Promise<void> {
  const client = await WireClient.open(stage.ferry.port)
  const { clients } = await stage.ferry.status()
  for (const part of parts) client.write(part)
  // Its last bytes lie before those of the witness; a reply tells that Ferry has read on.
  await witness.ask('PING')
  client.vanish()
  await stage.ferry.untilStatus('the connection to be gone', (now) => now.clients < clients)
}

const half = multibulk('SET', 'kept', 'after')

describe('a client that is gone', () => {
  it.each([
    ['in the middle of a multibulk', [half.slice(0, -9)]],
    ['before the last line break', [half.slice(0, -2)]],
    ['behind whole commands, in the middle of another', [multibulk('SET', 'whole', '1'), half.slice(0, -4)]],
    ['in the middle of an inline command', ['SET kept after']],
    ['in the middle of a large value', [`*3\r\n$3\r\nSET\r\n$4\r\nkept\r\n$30000000\r\n`, Buffer.alloc(12_000_000, 'x')]],
    ['in MULTI, before EXEC', [multibulk('MULTI'), half, multibulk('DEL', 'list')]],
    ['in MULTI, in the middle of EXEC', [multibulk('MULTI'), half, multibulk('EXEC').slice(0, -3)]],
  ])('%s has changed nothing by it', async (_, parts) => {
    await sayAndVanish(...parts)
    expect(await witness.pipeline(['GET kept', 'LLEN list'])).toEqual([bulk('before'), ':3\r\n'])
    expect(await stage.target.client().get('kept')).toBe('before')
  })

  it('with a thousand commands unanswered: what arrived is done on both sides alike', async () => {
    const client = await WireClient.open(stage.ferry.port)
    client.socket.pause()
    client.write(multibulk('INCR', 'thousand').repeat(1_000) + multibulk('GETRANGE', 'thousand', '0', '-1').repeat(200))
    await stage.ferry.untilStatus('its commands to have come', () => true)
    client.vanish()
    await stage.ferry.untilSettled()
    const [source, target] = await Promise.all([stage.source, stage.target].map((server) => server.client().get('thousand')))
    expect(target).toBe(source)
    expect(Number(source)).toBeLessThanOrEqual(1_000)
  })

  it('with replies on their way: the commands are done, and nobody else gets its replies', async () => {
    stage.toSource.delay(30)
    const client = await WireClient.open(stage.ferry.port)
    client.write(multibulk('INCR', 'orphan').repeat(50))
    const echo = witness.pipeline(Array.from({ length: 50 }, (_, n) => `ECHO ${n}`))
    client.vanish()
    const own = witness.pipeline(Array.from({ length: 50 }, () => 'INCR mine'))
    expect(await echo).toEqual(Array.from({ length: 50 }, (_, n) => bulk(String(n))))
    expect(await own).toEqual(Array.from({ length: 50 }, (_, n) => `:${n + 1}\r\n`))
    stage.toSource.pass()
  })

  it('leaves the load without an error and both sides equal', async () => {
    const { errors } = await stage.stopLoad()
    expect(errors).toEqual([])
    await stage.ferry.untilSettled()
    expect(await stage.wrong()).toEqual([])
  })
})
