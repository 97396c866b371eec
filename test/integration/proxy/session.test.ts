/**
 * The commands that belong to the connection, answered by Ferry as a server would. Each reply is held against a real server's own, byte
 * for byte, wherever it names nothing of the connection itself.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { differencesOf, Ferry } from '../../support/ferry.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { bulk, multibulk, WireClient } from '../../support/wire-client.ts'

let source: RedisServer
let target: RedisServer
let ferry: Ferry
const open: WireClient[] = []

beforeAll(async () => {
  ;[source, target] = await Promise.all([startRedis(), startRedis()])
  ferry = await Ferry.start({ source: source.url, target: target.url, limits: { bulkBytes: 1024 * 1024, argumentsMax: 1000 } })
})

afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

afterAll(async () => {
  await ferry?.dispose()
  await Promise.all([source?.stop(), target?.stop()])
})

async function connect(port = ferry.port): Promise<WireClient> {
  const client = await WireClient.open(port)
  open.push(client)
  return client
}

/** Ferry's replies to some lines, and a server's replies to the same. */
async function both(lines: readonly string[]): Promise<{ ferry: string[]; server: string[] }> {
  const [through, direct] = [await connect(), await connect(source.port)]
  return { ferry: await through.pipeline(lines), server: await direct.pipeline(lines) }
}

const noName = '$-1\r\n'
const pong = '+PONG\r\n'
const ok = '+OK\r\n'

describe('a connection through Ferry', () => {
  it.each([
    ['PING', 'PING hello', 'PING a b'],
    ['ECHO hello', 'ECHO', 'ECHO a b'],
    ['SELECT 3', 'SELECT 15', 'SELECT 16', 'SELECT -1', 'SELECT x', 'SELECT', 'SELECT 0'],
    ['CLIENT GETNAME', 'CLIENT SETNAME ada', 'CLIENT GETNAME', 'CLIENT SETNAME a\tb', 'CLIENT GETNAME'],
    ['CLIENT GETREDIR', 'CLIENT NO-EVICT on', 'CLIENT TRACKING off'],
    ['CLIENT KILL 1.2.3.4:5', 'CLIENT KILL ADDR 1.2.3.4:5', 'CLIENT KILL ID 999999', 'CLIENT UNBLOCK 999999', 'CLIENT REPLY ON'],
    ['HELLO 4', 'HELLO x', 'HELLO 2 SETNAME', 'HELLO 2 NONSENSE', 'CLIENT', 'CLIENT NONSENSE', 'CLIENT GETNAME'],
    ['AUTH', 'AUTH a b c', 'AUTH wrong', 'AUTH nobody wrong', 'PING'],
    ['GET', 'SET a', 'NOSUCHCOMMAND a b', 'OBJECT NONSENSE', 'CONFIG', 'XGROUP NONSENSE'],
    ['RESET', 'PING'],
  ])('is answered as by a server: %s …', async (...lines) => {
    const answers = await both(lines)
    expect(answers.ferry).toEqual(answers.server)
  })

  it('speaks RESP3 from HELLO 3 on and RESP2 after HELLO 2, each client for itself', async () => {
    const [three, two] = [await connect(), await connect()]
    const [hello, name, fields] = await three.pipeline(['HELLO 3 SETNAME grace', 'CLIENT GETNAME', 'HGETALL nothing'])
    expect(hello).toMatch(/^%7\r\n/)
    expect(hello).toContain(`${bulk('proto')}:3\r\n`)
    expect(hello).toContain(`${bulk('server')}${bulk('redis')}`)
    expect([name, fields]).toEqual([bulk('grace'), '%0\r\n'])
    const pairs = await Promise.all([three, two, three, two].map((client) => client.ask('GET nothing')))
    expect(pairs).toEqual(['_\r\n', noName, '_\r\n', noName])
    const [back, again] = await three.pipeline(['HELLO 2', 'HGETALL nothing'])
    expect(back).toMatch(/^\*14\r\n/)
    expect(again).toBe('*0\r\n')
  })

  it('keeps each client in its own database on both sides', async () => {
    const [zero, three] = [await connect(), await connect()]
    expect(await three.ask('SELECT 3')).toBe(ok)
    await Promise.all([zero.ask('SET where zero'), three.ask('SET where three')])
    expect(await Promise.all([zero.ask('GET where'), three.ask('GET where')])).toEqual([bulk('zero'), bulk('three')])
    expect(await target.client({ db: 3 }).get('where')).toBe('three')
    expect(await target.client().get('where')).toBe('zero')
  })

  it('tells of itself: CLIENT ID, INFO, LIST, KILL, INFO with a # Ferry section', async () => {
    const [one, other] = [await connect(), await connect()]
    const id = (await one.ask('CLIENT ID')).slice(1, -2)
    const [info, list] = await one.pipeline(['CLIENT INFO', `CLIENT LIST ID ${id}`])
    expect(info).toContain(`id=${id} addr=127.0.0.1:`)
    expect(list).toContain(`id=${id} addr=127.0.0.1:`)
    expect(list?.match(/id=/g)).toHaveLength(1)
    expect(await other.ask(`CLIENT KILL ID ${id}`)).toBe(':1\r\n')
    await one.untilClosed()
    const [all, server, own] = await other.pipeline(['INFO', 'INFO server', 'INFO ferry'])
    expect(all).toContain('# Server\r\n')
    expect(all).toMatch(/# Ferry\r\n[^#]*phase:mirror/)
    expect(server).not.toContain('# Ferry')
    expect(own).toMatch(/^\$\d+\r\n# Ferry\r\n/)
  })

  it('keeps what newer clients say of themselves', async () => {
    const client = await connect()
    const lines = ['CLIENT SETINFO LIB-NAME ioredis', 'CLIENT SETINFO lib-ver 6', 'CLIENT NO-TOUCH on', 'CLIENT INFO']
    const [name, version, noTouch, info] = await client.pipeline(lines)
    expect([name, version, noTouch]).toEqual([ok, ok, ok])
    expect(info).toContain('lib-name=ioredis lib-ver=6')
  })

  it('is told by COMMAND what the server can do', async () => {
    const { ferry: through, server } = await both(['COMMAND COUNT', 'COMMAND INFO get', 'COMMAND GETKEYS mset a 1 b 2'])
    expect(through).toEqual(server)
  })

  it('takes inline commands, mixed with others, in order', async () => {
    const client = await connect()
    client.write(`PING\r\nSET "a key" 'it\\'s'\r\n${multibulk('GET', 'a key')}\r\n\nGET "a key"\n`)
    expect(await client.take(4)).toEqual([pong, ok, bulk("it's"), bulk("it's")])
  })

  it('answers QUIT, then closes, and does nothing that came behind it', async () => {
    const client = await connect()
    client.write(multibulk('SET', 'before', '1') + multibulk('QUIT') + multibulk('SET', 'behind', '1'))
    await client.untilClosed()
    expect(client.received).toBe(ok + ok)
    expect(await (await connect()).ask('EXISTS before behind')).toBe(':1\r\n')
  })

  it('is gone for Ferry, too, when it was closed by QUIT, and when it broke the protocol', async () => {
    const { clients } = await ferry.status()
    for (let n = 0; n < 5; n++) {
      const [quits, breaks] = [await connect(), await connect()]
      quits.write('QUIT\r\nPING\r\n')
      breaks.write('*x\r\nPING\r\n')
      await Promise.all([quits.untilClosed(), breaks.untilClosed()])
    }
    await ferry.untilStatus('the connections to be gone', (now) => now.clients <= clients)
  })

  it('is as new after RESET', async () => {
    const client = await connect()
    await client.pipeline(['SET zero 0', 'HELLO 3 SETNAME ada', 'SELECT 3', 'MULTI', 'SET never 1'])
    const lines = ['RESET', 'CLIENT GETNAME', 'GET never', 'EXEC', 'EXISTS zero']
    expect(await client.pipeline(lines)).toEqual(['+RESET\r\n', noName, noName, '-ERR EXEC without MULTI\r\n', ':1\r\n'])
  })
})

describe('a malformed request', () => {
  it.each([
    ['a multibulk length that is no number', '*x\r\n', 'invalid multibulk length'],
    ['too many arguments', '*1001\r\n', 'invalid multibulk length'],
    ['no dollar', '*1\r\n+PING\r\n', "expected '$', got '+'"],
    ['a bulk length that is no number', '*1\r\n$x\r\n', 'invalid bulk length'],
    ['a negative bulk length', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['a bulk that is too long', '*1\r\n$1048577\r\n', 'invalid bulk length'],
    ['unbalanced quotes', 'SET a "b\r\n', 'unbalanced quotes in request'],
  ])('%s: what came before is answered, then the error, then the end', async (_, bytes, problem) => {
    const [client, other] = [await connect(), await connect()]
    client.write(multibulk('SET', 'malformed', '1') + bytes + multibulk('SET', 'malformed', '2'))
    await client.untilClosed()
    expect(client.received).toBe(`${ok}-ERR Protocol error: ${problem}\r\n`)
    expect(await other.ask('GET malformed')).toBe(bulk('1'))
  })

  it('has the very words of a real server', async () => {
    for (const bytes of ['*x\r\n', '*1\r\n+PING\r\n', '*1\r\n$x\r\n', 'SET a "b\r\n']) {
      const [through, direct] = [await connect(), await connect(source.port)]
      for (const client of [through, direct]) {
        client.write(bytes)
        await client.untilClosed()
      }
      expect(through.received).toBe(direct.received)
    }
  })
})

describe('MULTI through Ferry', () => {
  it.each([
    [['MULTI', 'SET m 1', 'INCR m', 'GET m', 'EXEC', 'GET m']],
    [['MULTI', 'SET m 5', 'DISCARD', 'GET m', 'EXEC']],
    [['MULTI', 'MULTI', 'SET m 6', 'EXEC', 'DISCARD']],
    [['MULTI', 'SET m', 'SET m 7', 'EXEC', 'GET m']],
    [['SET text abc', 'MULTI', 'INCR text', 'SET m 9', 'EXEC', 'GET m']],
    [['MULTI', 'EXEC', 'EXEC', 'DISCARD']],
    [['MULTI', 'PING', 'ECHO x', 'EXEC']],
    [['MULTI x', 'MULTI', 'EXEC x', 'SET m 10', 'EXEC']],
    [['MULTI', 'SET m 11', 'QUIT']],
  ])('is answered as by a server, and both sides hold the same: %j', async (lines) => {
    const answers = await both(lines)
    expect(answers.ferry).toEqual(answers.server)
    await ferry.untilSettled()
    expect(await differencesOf(source, target)).toEqual([])
  })

  it('runs nothing of a block with a command that no side knows', async () => {
    const lines = ['SET m 1', 'MULTI', 'SET m 2', 'NOSUCHCOMMAND', 'EXEC', 'GET m']
    const replies = await (await connect()).pipeline(lines)
    expect(replies.slice(4)).toEqual(['-EXECABORT Transaction discarded because of previous errors.\r\n', bulk('1')])
  })

  it('refuses clearly what it cannot put into a block, and then runs none of it', async () => {
    const client = await connect()
    const lines = ['SET m 1', 'MULTI', 'SET m 2', 'SUBSCRIBE ch', 'EXEC', 'GET m']
    const [, , , refused, exec, value] = await client.pipeline(lines)
    expect(refused).toMatch(/^-ERR FERRY unsupported: 'subscribe' inside MULTI/)
    expect([exec, value]).toEqual(['-EXECABORT Transaction discarded because of previous errors.\r\n', bulk('1')])
  })
})

describe('what Ferry does not carry', () => {
  it.each([
    'PSYNC ? -1',
    'SHUTDOWN',
    'REPLICAOF NO ONE',
    'DEBUG SLEEP 0',
    'CONFIG SET maxmemory 0',
    'MIGRATE 127.0.0.1 1 k 0 1',
    'SAVE',
  ])('%s is refused in words that say so, and the connection goes on', async (line) => {
    const client = await connect()
    const [refusal, next] = await client.pipeline([line, 'PING'])
    expect(refusal).toMatch(/^-ERR FERRY unsupported: '[a-z| ]+': .{10,}\r\n$/)
    expect(next).toBe(pong)
  })

  it('counts its own errors', async () => {
    const before = (await ferry.status()).clientErrorsTotal
    await (await connect()).pipeline(['SHUTDOWN', 'CONFIG SET maxmemory 0', 'MONITOR', 'PING'])
    expect((await ferry.status()).clientErrorsTotal).toBe(before + 2)
  })
})
