/** Ferry's own answer once the server has let the client through. */
import { expect, it } from 'vitest'
import type { ClientSession } from '../../../src/session/client-session.ts'
import { withPermission } from '../../../src/session/permission.ts'
import { FakeSides } from '../../support/fake-sides.ts'
import { until } from '../../support/wait.ts'

it.each([
  ['the answer', () => Buffer.from(':1\r\n'), ':1\r\n'],
  [
    'an error, where making the answer fails',
    () => {
      throw new RangeError('too\r\nmuch')
    },
    '-ERR FERRY internal: client list: too much\r\n',
  ],
])('gives the client %s, and goes on', async (_, go, expected) => {
  const sides = new FakeSides()
  let wentOn = 0
  const session = Object.assign(sides.client, { shared: { core: sides.core }, goOn: () => wentOn++ }) as unknown as ClientSession
  withPermission(session, 'client|list', ['CLIENT', 'LIST', 'ID', '1'], go)
  sides.source.reply('$0\r\n\r\n')
  await until(() => wentOn > 0, { what: 'the client to go on', intervalMs: 1 })
  expect([sides.taken(), wentOn]).toEqual([expected, 1])
})
