/** What a real server says to the same bytes: Ferry's own answers must not be stricter or kinder where it shows. */
import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { splitInline } from '../../../src/resp/inline.ts'
import { holdsAsync } from '../../support/property.ts'
import { readRequests } from '../../support/read-requests.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'

let server: RedisServer

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server?.stop())

/** All that the server says before it closes; QUIT sees to it that it does. */
async function answer(wire: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  let said = ''
  socket.setEncoding('latin1').on('data', (text) => {
    said += text
  })
  socket.write(Buffer.concat([Buffer.from(wire, 'latin1'), Buffer.from('\r\nQUIT\r\n')]))
  await once(socket, 'close')
  return said
}

const malformed = [
  '*abc\r\n',
  '*1x\r\n',
  '*\r\n',
  '*01\r\n$4\r\nPING\r\n',
  '*+1\r\n',
  '*-\r\n',
  '*-0\r\n',
  '*-1x\r\n',
  '*2147483648\r\n',
  '*1\n$4\r\nPING\r\n',
  '*1\r\n:1\r\n',
  '*2\r\n$3\r\nGET\r\nfoo\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$abc\r\n',
  '*1\r\n$04\r\nPING\r\n',
  '*1\r\n$99999999999\r\n',
  '*2\r\n$3\r\nGET\r\n$536870913\r\n',
  'SET "a b\r\n',
  "SET 'a\r\n",
  'SET "a"b\r\n',
]

describe('the words of a protocol error are the server’s', () => {
  it.each(malformed)('%j', async (wire) => {
    expect(`-ERR ${readRequests([Buffer.from(wire, 'latin1')]).problem}\r\n`).toBe(await answer(wire))
  })
})

describe('what a server passes over, Ferry does, too', () => {
  it.each(['*0\r\n', '*-1\r\n', '*-10\r\n', '\r\n', '\n', '   \r\n'])('%j', async (wire) => {
    expect(readRequests([Buffer.from(wire)])).toMatchObject({ problem: '', commands: [] })
    expect(await answer(wire)).toBe('+OK\r\n')
  })
})

it('inline lines are split as the server splits them', async () => {
  const client = server.client()
  const line = fc
    .string({ unit: fc.constantFrom('"', "'", '\\', ' ', 'a', 'x', '4', '1', 'n', '\t'), maxLength: 16 })
    // What a backslash does before a backslash within single quotes is not the same on all servers.
    .filter((text) => !(text.includes("'") && text.includes('\\\\')))
  await holdsAsync(
    fc.asyncProperty(line, async (text) => {
      await client.del('words')
      const said = await answer(`RPUSH words first ${text}\r\n`)
      const args = splitInline(Buffer.from(`RPUSH words first ${text}`))
      if (args === null) expect(said).toBe('-ERR Protocol error: unbalanced quotes in request\r\n')
      else expect((await client.lrangeBuffer('words', 0, -1)).map(String)).toEqual(args.slice(2).map(String))
    }),
    300,
  )
})
