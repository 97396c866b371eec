/** What goes out and what comes back, with a server that is played: order and count of replies whatever lies between. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DatabaseWire } from '../../../src/databases/database-wire.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { type DatabaseLayout, databaseLayoutOf } from '../../../src/routing/database-layout.ts'
import { isLostReply, lostReplyPrefix, type Wire } from '../../../src/upstream/wire.ts'
import { cuts, holds, placesIn } from '../../support/property.ts'

class Played implements Wire {
  readonly sent: Buffer[] = []
  readonly taken: Buffer[] = []
  readonly errors: Error[] = []
  readonly wire: DatabaseWire
  writableLength = 0
  bytesWritten = 0
  destroyed = false

  constructor(setting: string) {
    this.wire = new DatabaseWire(databaseLayoutOf(setting) as DatabaseLayout, (chunk) => this.taken.push(chunk)).over(this)
    this.wire.on('error', (error) => this.errors.push(error))
  }

  get text(): string {
    return Buffer.concat(this.sent).toString('latin1')
  }

  get replies(): string {
    return Buffer.concat(this.taken).toString('latin1')
  }

  write(bytes: Buffer): void {
    this.sent.push(Buffer.from(bytes))
    this.bytesWritten += bytes.length
  }

  ask(...commands: string[]): void {
    this.wire.write(Buffer.concat(commands.map((line) => encodeCommand(line.split(' ')))))
  }

  reply(text: string): void {
    this.wire.took(Buffer.from(text, 'latin1'))
  }

  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  isPaused(): boolean {
    return false
  }
  on(): void {}
  destroy(): void {
    this.destroyed = true
  }
}

const frames = (...commands: string[]): string =>
  Buffer.concat(commands.map((line) => encodeCommand(line.split(' ')))).toString('latin1')

describe('a folded target', () => {
  test('keys get their prefix and names in replies lose it', () => {
    const played = new Played('fold')
    played.ask('SET a 1', 'SELECT 3', 'MSET a 1 b 2', 'KEYS *', 'LMPOP 2 a b LEFT', 'GET a')
    expect(played.text).toBe(
      frames('SET a 1', 'SELECT 0', 'MSET db3:a 1 db3:b 2', 'KEYS db3:*', 'LMPOP 2 db3:a db3:b LEFT', 'GET db3:a'),
    )
    played.reply(
      '+OK\r\n+OK\r\n+OK\r\n*2\r\n$5\r\ndb3:a\r\n$5\r\ndb3:b\r\n*2\r\n$5\r\ndb3:a\r\n*1\r\n$5\r\ndb3:x\r\n$5\r\ndb3:v\r\n',
    )
    expect(played.replies).toBe(
      '+OK\r\n+OK\r\n+OK\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$1\r\na\r\n*1\r\n$5\r\ndb3:x\r\n$5\r\ndb3:v\r\n',
    )
  })

  test('what comes behind a walk waits for it, and nothing overtakes', () => {
    const played = new Played('fold')
    played.ask('SET x 1', 'SELECT 2', 'FLUSHDB', 'SET a 1')
    played.ask('GET a')
    const before = frames('SET x 1', 'SELECT 0')
    expect(played.text).toBe(before + frames('SCAN 0 MATCH db2:* COUNT 2000'))
    expect(played.wire.writableLength).toBeGreaterThan(0)
    played.reply('+OK\r\n+OK\r\n*2\r\n$1\r\n7\r\n*2\r\n$5\r\ndb2:a\r\n$5\r\ndb2:b\r\n')
    expect(played.replies).toBe('+OK\r\n+OK\r\n')
    played.reply(':2\r\n')
    played.reply('*2\r\n$1\r\n0\r\n*0\r\n')
    expect(played.text).toBe(
      before +
        frames(
          'SCAN 0 MATCH db2:* COUNT 2000',
          'UNLINK db2:a db2:b',
          'SCAN 7 MATCH db2:* COUNT 2000',
          'SET db2:a 1',
          'GET db2:a',
        ),
    )
    expect(played.wire.writableLength).toBe(0)
    played.reply('+OK\r\n$1\r\n1\r\n')
    expect(played.replies).toBe('+OK\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n')
  })

  test('a refused command has its answer in its turn, and a block with it is not run', () => {
    const played = new Played('fold')
    played.ask('PING', 'SET db4:k 1', 'MULTI', 'SWAPDB 0 1', 'EXEC')
    expect(played.text).toBe(frames('PING', 'GET', 'MULTI', 'GET', 'EXEC'))
    played.reply('+PONG\r\n-ERR wrong number\r\n+OK\r\n-ERR wrong number\r\n-EXECABORT x\r\n')
    expect(played.replies).toMatch(
      /^\+PONG\r\n-ERR FERRY unsupported: a key of database 0[^\r]*\r\n\+OK\r\n-ERR FERRY unsupported: SWAPDB[^\r]*\r\n-EXECABORT x\r\n$/,
    )
  })

  test('a discarded block leaves the connection where it was', () => {
    const played = new Played('fold')
    played.ask('MULTI', 'SELECT 5', 'SET a 1', 'DISCARD', 'SET b 2')
    expect(played.text).toBe(frames('MULTI', 'SELECT 0', 'SET db5:a 1', 'DISCARD', 'SET b 2'))
  })

  test('a lost reply stays what it is, alone in its chunk', () => {
    const played = new Played('fold')
    played.ask('SELECT 1', 'KEYS *', 'DBSIZE', 'GET a')
    played.reply('+OK\r\n')
    for (let i = 0; i < 3; i++) played.wire.took(Buffer.concat([lostReplyPrefix, Buffer.from('gone\r\n')]))
    expect(played.taken.slice(1).map(isLostReply)).toEqual([true, true, true])
    expect(played.text).toContain(frames('GET db1:a'))
  })

  test('a large value is not copied', () => {
    const played = new Played('fold')
    const value = 'v'.repeat(200_000)
    played.ask('SELECT 1')
    const bytes = encodeCommand(['SET', 'k', value])
    played.wire.write(bytes.subarray(0, 70_000))
    played.wire.write(bytes.subarray(70_000))
    expect(played.text).toBe(frames('SELECT 0') + encodeCommand(['SET', 'db1:k', value]).toString('latin1'))
  })

  test('chunks without a changed reply are handed on as they came', () => {
    const played = new Played('fold')
    played.ask('SELECT 1', 'GET a', 'GET b')
    const chunk = Buffer.from('+OK\r\n$1\r\n1\r\n$2\r\n2')
    played.wire.took(chunk)
    expect(played.taken[0]).toBe(chunk)
  })

  test('replies cut anywhere, commands cut anywhere', () => {
    const commands = fc.array(
      fc.constantFrom(
        'GET a',
        'KEYS *',
        'SELECT 1',
        'SELECT 0',
        'LMPOP 1 a LEFT',
        'MOVE a 2',
        'SET db1:x 1',
        'XREAD STREAMS a 0',
      ),
      { maxLength: 40 },
    )
    holds(
      fc.property(commands, cuts(), cuts(), (lines, inCuts, outCuts) => {
        const whole = new Played('fold')
        const apart = new Played('fold')
        whole.ask(...lines)
        const bytes = Buffer.concat(lines.map((line) => encodeCommand(line.split(' '))))
        inPieces(bytes, inCuts, (piece) => apart.wire.write(piece))
        expect(apart.text).toBe(whole.text)
        const replies = Buffer.from(lines.map((_, i) => `*2\r\n$5\r\ndb1:a\r\n:${i}\r\n`).join(''))
        whole.wire.took(replies)
        inPieces(replies, outCuts, (piece) => apart.wire.took(piece))
        expect(apart.replies).toBe(whole.replies)
      }),
    )
  })
})

function inPieces(bytes: Buffer, shares: readonly number[], take: (piece: Buffer) => void): void {
  let from = 0
  for (const cut of [...placesIn(shares, bytes.length), bytes.length].sort((a, b) => a - b)) {
    if (cut > from) take(bytes.subarray(from, cut))
    from = Math.max(from, cut)
  }
}

describe('a target with other numbers', () => {
  test('is brought to its first database before anything is sent that needs it', () => {
    const played = new Played('0=4,1=0')
    played.ask('AUTH secret', 'CLIENT ID', 'SET a 1', 'GET a')
    expect(played.text).toBe(frames('AUTH secret', 'CLIENT ID', 'SELECT 4'))
    played.reply('+OK\r\n:1\r\n+OK\r\n')
    expect(played.text).toBe(frames('AUTH secret', 'CLIENT ID', 'SELECT 4', 'SET a 1', 'GET a'))
    played.reply('+OK\r\n$1\r\n1\r\n')
    expect(played.replies).toBe('+OK\r\n:1\r\n+OK\r\n$1\r\n1\r\n')
  })

  test('which it may not have: then nothing is sent', () => {
    const played = new Played('0=4')
    played.ask('SET a 1')
    played.reply('-ERR DB index is out of range\r\n')
    expect(played.errors[0]?.message).toContain('has no such database')
    expect([played.text, played.destroyed]).toEqual([frames('SELECT 4'), true])
  })

  test("numbers in commands are the target's, and those it lacks are out of range", () => {
    const played = new Played('0=0,1=7')
    played.ask('SELECT 1', 'MOVE a 1', 'COPY a b DB 1 REPLACE', 'SWAPDB 0 1', 'SELECT 2', 'MOVE a 2')
    expect(played.text).toBe(
      frames('SELECT 7', 'MOVE a 7', 'COPY a b DB 7 REPLACE', 'SWAPDB 0 7', 'SELECT 999999999', 'SELECT 999999999'),
    )
    played.reply('+OK\r\n:1\r\n:1\r\n+OK\r\n-ERR x\r\n-ERR x\r\n')
    expect(played.replies).toBe('+OK\r\n:1\r\n:1\r\n+OK\r\n-ERR DB index is out of range\r\n-ERR DB index is out of range\r\n')
  })

  test('FLUSHALL leaves databases alone that are not its own', () => {
    const played = new Played('0=0,1=7')
    played.ask('SELECT 1', 'FLUSHALL', 'SET a 1')
    for (let i = 0; i < 6; i++) played.reply('+OK\r\n')
    expect(played.text).toBe(frames('SELECT 7', 'SELECT 0', 'FLUSHDB', 'SELECT 7', 'FLUSHDB', 'SELECT 7', 'SET a 1'))
    expect(played.replies).toBe('+OK\r\n+OK\r\n')
  })

  test('a database 0 that is left out has no keys to write', () => {
    const played = new Played('0=none,1=1')
    played.ask('SET a 1', 'SELECT 1', 'SET a 1', 'SELECT 0', 'GET a', 'PING')
    expect(played.text).toBe(frames('GET', 'SELECT 1', 'SET a 1', 'SELECT 0', 'GET', 'PING'))
  })
})

test('what a command was before it went out can be told', () => {
  const fold = new Played('fold').wire.translator
  const { frame, db } = fold.restored(encodeCommand(['MSET', 'db2:a', '1', 'db2:b', 'db2:']), 0)
  expect([frame, db]).toEqual([encodeCommand(['MSET', 'a', '1', 'b', 'db2:']), 2])
  const map = new Played('0=4,1=0').wire.translator
  expect(map.restored(encodeCommand(['GET', 'a']), 4).db).toBe(0)
})
