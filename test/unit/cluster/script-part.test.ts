import { describe, expect, test } from 'vitest'
import type { Part, PartOwner, Refusal } from '../../../src/cluster/part.ts'
import { ScriptPart } from '../../../src/cluster/script-part.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { freshContext } from '../../../src/upstream/lane.ts'
import type { ReplyLane } from '../../../src/upstream/waiter.ts'

const lane: ReplyLane = {
  side: 'source',
  sum: 0,
  errors: 1,
  lastError: 'gone',
  pause: () => undefined,
  resume: () => undefined,
}

class Heard implements PartOwner {
  out = ''
  ended = false
  refusals: Refusal[] = []
  fatal = ''
  kept = 0
  follows = true

  keep(bytes: number): void {
    this.kept += bytes
  }

  deliver(_part: Part, bytes: Buffer, ended: boolean): void {
    expect(this.ended).toBe(false)
    this.out += bytes.toString('latin1')
    this.ended = ended
  }

  redirected(_part: Part, to: Refusal): boolean {
    this.refusals.push(to)
    return this.follows
  }

  splitOff(): boolean {
    throw new Error('it is one command')
  }

  survives(): boolean {
    return true
  }

  broken(error: Error): void {
    this.fatal = error.message
  }
}

const frame = encodeCommand(['EVAL', 'return 1', '1', 'k'])
const partOf = (heard: Heard, alone = false): ScriptPart => new ScriptPart(heard, 1, 5, frame, freshContext, alone)

function feed(part: ScriptPart, replies: string, pieceBytes: number): void {
  const all = Buffer.from(replies, 'latin1')
  for (let at = 0; at < all.length; at += pieceBytes) {
    const to = Math.min(all.length, at + pieceBytes)
    part.take(lane, all, at, to, to === all.length)
  }
}

const moved = '-MOVED 5 h:1\r\n'
const to = { kind: 'moved', slot: 5, host: 'h', port: 1 }
const abort = '-EXECABORT Transaction discarded because of previous errors.\r\n'

/** What the server says, what the client gets, and what the wire is told. */
const cases: readonly (readonly [string, string, string, readonly unknown[]])[] = [
  ['it ran', '+OK\r\n+QUEUED\r\n*1\r\n:7\r\n', ':7\r\n', []],
  ['it ran and answers much', `+OK\r\n+QUEUED\r\n*1\r\n*2\r\n$3\r\nabc\r\n*0\r\n`, '*2\r\n$3\r\nabc\r\n*0\r\n', []],
  ['it ran and says MOVED', `+OK\r\n+QUEUED\r\n*1\r\n${moved}`, moved, []],
  ['it ran and says TRYAGAIN', '+OK\r\n+QUEUED\r\n*1\r\n-TRYAGAIN x\r\n', '-TRYAGAIN x\r\n', []],
  ['it is redirected while it is queued', `+OK\r\n${moved}${abort}`, '', [to]],
  ['it is redirected by EXEC', `+OK\r\n+QUEUED\r\n${moved}`, '', [to]],
  ['it is refused while it is queued', `+OK\r\n-OOM no memory\r\n${abort}`, '-OOM no memory\r\n', []],
  ['it is refused by EXEC', `+OK\r\n+QUEUED\r\n-OOM no memory\r\n`, '-OOM no memory\r\n', []],
  ['it ran without a block', `-NOPERM no MULTI\r\n:7\r\n-ERR EXEC without MULTI\r\n`, ':7\r\n', []],
  ['it ran without a block and says MOVED', `-NOPERM no MULTI\r\n${moved}-NOPERM no EXEC\r\n`, moved, []],
  ['it ran without a block and says +OK', '-NOPERM no MULTI\r\n+OK\r\n-NOPERM no EXEC\r\n', '+OK\r\n', []],
]

describe.each([1, 2, 7, 1_000])('a script, its replies in pieces of %i bytes', (pieceBytes) => {
  test.each(cases)('%s', (_, replies, out, refusals) => {
    const heard = new Heard()
    feed(partOf(heard), replies, pieceBytes)
    expect(heard.refusals).toEqual(refusals)
    expect(heard).toMatchObject({ out, ended: refusals.length === 0, fatal: '' })
  })

  test('what is not sent on is answered with the redirection', () => {
    const heard = new Heard()
    heard.follows = false
    feed(partOf(heard), `+OK\r\n${moved}${abort}`, pieceBytes)
    expect(heard).toMatchObject({ out: moved, ended: true })
  })

  test('while keys are watched nothing that it says is a redirection', () => {
    const heard = new Heard()
    feed(partOf(heard, true), moved, pieceBytes)
    expect(heard).toMatchObject({ out: moved, ended: true, refusals: [] })
  })
})

test('a server that is lost before it has answered leaves one outcome unknown, and later the wire', () => {
  for (const replies of ['', '+OK\r\n', '+OK\r\n+QUEUED\r\n', '+OK\r\n+QUEUED\r\n*1\r\n']) {
    const heard = new Heard()
    const part = partOf(heard)
    if (replies !== '') part.take(lane, Buffer.from(replies), 0, replies.length, false)
    part.lost(lane, 3, true)
    expect(heard).toMatchObject({ out: '-FERRYLOST gone\r\n', ended: true, fatal: '' })
  }
  const heard = new Heard()
  const part = partOf(heard)
  const begun = Buffer.from('+OK\r\n+QUEUED\r\n*1\r\n$10\r\nab')
  part.take(lane, begun, 0, begun.length, false)
  part.lost(lane, 1, true)
  expect(heard).toMatchObject({ out: '$10\r\nab', ended: false, fatal: 'gone' })
})
