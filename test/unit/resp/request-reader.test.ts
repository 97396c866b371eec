import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { RequestReader } from '../../../src/resp/request-reader.ts'
import { Found } from '../../../src/resp/request-scanner.ts'
import { readRequests, roomyLimits } from '../../support/read-requests.ts'
import { cutAt, runsOf } from '../../support/splits.ts'

const command = (...argv: (string | Buffer)[]): Buffer => encodeCommand(argv)
const binary = Buffer.from([0, 255, 13, 10, 36, 42, 128])
const large = Buffer.alloc(70_001, 'x')
const larger = Buffer.alloc(200_000, 'y')
const concat = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))

const wellFormed: [name: string, bytes: Buffer, commands: (string | Buffer)[][]][] = [
  ['one command', command('GET', 'key'), [['GET', 'key']]],
  ['nothing', Buffer.alloc(0), []],
  ['empty arguments', command('SET', '', ''), [['SET', '', '']]],
  [
    'line breaks and markers in arguments',
    command('SET', binary, '\r\n*1\r\n$4\r\nPING\r\n'),
    [['SET', binary, '\r\n*1\r\n$4\r\nPING\r\n']],
  ],
  [
    'a pipeline',
    concat(command('INCR', 'a'), command('DEL', 'b', 'c'), command('PING')),
    [['INCR', 'a'], ['DEL', 'b', 'c'], ['PING']],
  ],
  [
    '*0 between commands',
    concat(command('GET', 'a'), '*0\r\n*0\r\n', command('GET', 'b')),
    [
      ['GET', 'a'],
      ['GET', 'b'],
    ],
  ],
  [
    '*-1 between commands',
    concat('*-1\r\n', command('GET', 'a'), '*-10\r\n', command('GET', 'b')),
    [
      ['GET', 'a'],
      ['GET', 'b'],
    ],
  ],
  ['*0 alone', concat('*0\r\n'), []],
  ['an inline command', concat('PING\r\n'), [['PING']]],
  ['an inline command with a bare line feed', concat('PING\nGET a\n'), [['PING'], ['GET', 'a']]],
  ['an inline command with spaces around', concat('  SET \t a   b  \r\n'), [['SET', 'a', 'b']]],
  ['inline quoting', concat(`SET "a b" 'c d'\r\n`), [['SET', 'a b', 'c d']]],
  ['inline escapes', concat(String.raw`SET "\x41\n\r\t\"" 'it\'s \n'`, '\r\n'), [['SET', 'A\n\r\t"', String.raw`it's \n`]]],
  ['an inline empty argument', concat(`SET a ""\r\n`), [['SET', 'a', '']]],
  ['empty lines', concat('\r\n\n \r\n', command('GET', 'a'), '\r\n\r\nPING\r\n\r\n'), [['GET', 'a'], ['PING']]],
  [
    'inline and multibulk in one pipeline',
    concat('PING\r\n', command('SET', 'a', '1'), 'GET a\r\n', '*0\r\n', 'ECHO "x y"\n', command('GET', 'b')),
    [['PING'], ['SET', 'a', '1'], ['GET', 'a'], ['ECHO', 'x y'], ['GET', 'b']],
  ],
  ['an inline command behind a large value', concat(command('SET', 'a', large), 'PING\r\n'), [['SET', 'a', large], ['PING']]],
  [
    'a large argument at the end',
    concat(command('SET', 'a', large), command('GET', 'a')),
    [
      ['SET', 'a', large],
      ['GET', 'a'],
    ],
  ],
  [
    'a large argument in the middle',
    concat(command('GET', 'a'), command('SETRANGE', large, '7', 'z')),
    [
      ['GET', 'a'],
      ['SETRANGE', large, '7', 'z'],
    ],
  ],
  [
    'several large arguments',
    command('MSET', 'a', large, binary, larger, 'c', '', 'd', large),
    [['MSET', 'a', large, binary, larger, 'c', '', 'd', large]],
  ],
  [
    'large frames in a row',
    concat(command('SET', 'a', larger), command('SET', 'b', large)),
    [
      ['SET', 'a', larger],
      ['SET', 'b', large],
    ],
  ],
  ['300 arguments', command(...Array.from({ length: 300 }, (_, i) => `a${i}`)), [Array.from({ length: 300 }, (_, i) => `a${i}`)]],
]

describe.each(wellFormed)('%s', (_, bytes, commands) => {
  it.each(runsOf(bytes))('comes out the same $name', ({ chunks }) => {
    const read = readRequests(chunks)
    expect(read.problem).toBe('')
    expect(read.pendingBytes).toBe(0)
    expect(read.commands.map((argv) => argv.map((arg) => arg.toString('latin1')))).toEqual(
      commands.map((argv) => argv.map((arg) => arg.toString('latin1'))),
    )
  })
})

const tight = { bulkBytes: 100, argumentsMax: 8, inlineBytes: 64 }
const malformed: [name: string, bytes: string, problem: string, limits?: typeof tight][] = [
  ['a count that is no number', '*abc\r\n', 'invalid multibulk length'],
  ['a count with a letter in it', '*1x\r\n', 'invalid multibulk length'],
  ['no count', '*\r\n', 'invalid multibulk length'],
  ['a count with a leading zero', '*01\r\n$4\r\nPING\r\n', 'invalid multibulk length'],
  ['a count with a plus sign', '*+1\r\n', 'invalid multibulk length'],
  ['a count with spaces', '* 1\r\n', 'invalid multibulk length'],
  ['minus without digits', '*-\r\n', 'invalid multibulk length'],
  ['minus zero', '*-0\r\n', 'invalid multibulk length'],
  ['a negative count with a letter', '*-1x\r\n', 'invalid multibulk length'],
  ['a count beyond 32 bits', '*2147483648\r\n', 'invalid multibulk length'],
  ['a count of many digits', '*99999999999999999999\r\n', 'invalid multibulk length'],
  ['a count ended by a line feed alone', '*1\n$4\r\nPING\r\n', 'invalid multibulk length'],
  ['a count ended by CR and something else', '*1\rx', 'invalid multibulk length'],
  ['an integer where a bulk is due', '*1\r\n:1\r\n', "expected '$', got ':'"],
  ['a letter where a bulk is due', '*2\r\n$3\r\nGET\r\nfoo\r\n', "expected '$', got 'f'"],
  ['a control character where a bulk is due', '*1\r\n\x01', "expected '$', got '?'"],
  ['a high byte where a bulk is due', '*1\r\n\xff', "expected '$', got '?'"],
  ['a null bulk', '*1\r\n$-1\r\n', 'invalid bulk length'],
  ['a bulk length that is no number', '*1\r\n$abc\r\n', 'invalid bulk length'],
  ['no bulk length', '*1\r\n$\r\n', 'invalid bulk length'],
  ['a bulk length with a leading zero', '*1\r\n$04\r\nPING\r\n', 'invalid bulk length'],
  ['a bulk length of many digits', '*1\r\n$99999999999\r\n', 'invalid bulk length'],
  ['a bulk length ended by a line feed alone', '*1\r\n$4\nPING\r\n', 'invalid bulk length'],
  ['a bulk over 512 MB', '*2\r\n$3\r\nGET\r\n$536870913\r\n', 'invalid bulk length'],
  ['a bulk longer than it says', '*1\r\n$3\r\nPING\r\n', 'expected CRLF after a bulk string'],
  ['a bulk that ends in CR and something else', '*1\r\n$4\r\nPING\rx', 'expected CRLF after a bulk string'],
  ['a double quote that is not closed', 'SET "a b\r\n', 'unbalanced quotes in request'],
  ['a single quote that is not closed', "SET 'a\r\n", 'unbalanced quotes in request'],
  ['text right behind a closing quote', 'SET "a"b\r\n', 'unbalanced quotes in request'],
  ['limit: arguments', '*9\r\n', 'invalid multibulk length', tight],
  ['limit: one bulk', '*1\r\n$101\r\n', 'invalid bulk length', tight],
  ['limit: inline, without an end', 'x'.repeat(65), 'too big inline request', tight],
  ['limit: inline, with an end', `${'x'.repeat(65)}\r\n`, 'too big inline request', tight],
]

describe.each(malformed)('malformed: %s', (_, text, problem, limits) => {
  const before = command('GET', 'a')
  it.each(runsOf(concat(before, text)))('is told in the same words $name', ({ chunks }) => {
    const read = readRequests(chunks, limits)
    expect(read.problem).toBe(`Protocol error: ${problem}`)
    expect(read.commands).toEqual([[Buffer.from('GET'), Buffer.from('a')]])
  })
})

const largeStart = (...lengths: number[]): Buffer =>
  concat(
    `*${lengths.length + 1}\r\n$4\r\nMSET\r\n`,
    ...lengths.flatMap((length) => [`$${length}\r\n`, Buffer.alloc(length, 'v'), '\r\n']),
  )

describe('malformed within a large frame', () => {
  const head = '*4\r\n$4\r\nMSET\r\n$70001\r\n'
  it.each([
    ['a bulk longer than it says', concat(head, large, 'xx'), 'expected CRLF after a bulk string'],
    ['a bulk that ends in CR and something else', concat(head, large, '\rx'), 'expected CRLF after a bulk string'],
    ['no bulk behind it', concat(head, large, '\r\n:1\r\n'), "expected '$', got ':'"],
    ['a control character behind it', concat(head, large, '\r\n\x01\r\n'), "expected '$', got '?'"],
    ['a line break behind it', concat(head, large, '\r\n\r\n'), "expected '$', got '?'"],
    ['a high byte behind it', concat(head, large, '\r\n\xe9\r\n'), "expected '$', got '?'"],
    ['a null bulk behind it', concat(head, large, '\r\n$-1\r\n'), 'invalid bulk length'],
    ['a length with a leading zero', concat(head, large, '\r\n$01\r\n'), 'invalid bulk length'],
    ['a length without digits', concat(head, large, '\r\n$\r\n'), 'invalid bulk length'],
    ['a length ended by a line feed alone', concat(head, large, '\r\n$1\n'), 'invalid bulk length'],
    ['a length of many digits', concat(head, large, '\r\n$99999999999\r\n'), 'invalid bulk length'],
    ['a bulk over 512 MB', concat(head, large, '\r\n$536870913\r\n'), 'invalid bulk length'],
  ])('%s', (_, bytes, problem) => {
    for (const { name, chunks } of runsOf(bytes)) expect(readRequests(chunks).problem, name).toBe(`Protocol error: ${problem}`)
  })

  it('refuses the second bulk by the limit, not the first', () => {
    const limits = { ...roomyLimits, bulkBytes: 80_000 }
    const bytes = largeStart(70_001, 80_001)
    for (const { name, chunks } of runsOf(bytes)) {
      expect(readRequests(chunks, limits).problem, name).toBe('Protocol error: invalid bulk length')
    }
  })
})

describe('limits that are reached and not passed', () => {
  it.each([
    ['arguments', command('1', '2', '3', '4', '5', '6', '7', '8')],
    ['a bulk', command('SET', 'a', Buffer.alloc(100))],
    ['an inline request', concat('x'.repeat(63), '\r\n')],
    ['an inline request with a bare line feed', concat('x'.repeat(64), '\n')],
  ])('%s', (_, bytes) => {
    for (const { name, chunks } of runsOf(bytes)) {
      expect(readRequests(chunks, tight), name).toMatchObject({ problem: '', commands: [expect.anything()] })
    }
  })

  it('a count or a length that is announced only is waited for', () => {
    expect(readRequests([concat('*1048576\r\n')])).toMatchObject({ problem: '', commands: [] })
    expect(readRequests([concat('*1\r\n$536870912\r\n')])).toMatchObject({ problem: '', commands: [] })
    expect(readRequests([concat('*1048577\r\n')]).problem).toBe('Protocol error: invalid multibulk length')
  })
})

describe('the query buffer limit', () => {
  it('ends a frame of small arguments that goes on and on', () => {
    const chunks = Array.from({ length: 200 }, (_, i) => (i === 0 ? concat('*1000\r\n') : command('abcdefgh').subarray(4)))
    const read = readRequests(chunks, roomyLimits, 1_000)
    expect(read.problem).toBe('Protocol error: query buffer limit reached')
  })

  it('ends a large frame', () => {
    const bytes = largeStart(100_000, 100_000)
    const steps = Array.from({ length: 20 }, (_, i) => i * 10_000)
    expect(readRequests(cutAt(bytes, steps), roomyLimits, 150_000).problem).toBe('Protocol error: query buffer limit reached')
    expect(readRequests(cutAt(bytes, steps), roomyLimits, 250_000).problem).toBe('')
  })

  it('does not count what is complete', () => {
    const chunks = Array.from({ length: 100 }, () => command('SET', 'key', 'value'))
    expect(readRequests(chunks, roomyLimits, 40)).toMatchObject({ problem: '', pendingBytes: 0 })
  })
})

describe('a large frame', () => {
  const bytes = command('SET', 'key', larger)
  const chunks = [bytes.subarray(0, 50), bytes.subarray(50, 100_000), bytes.subarray(100_000)]

  it('is handed over in the pieces it came in, none of them copied', () => {
    const reader = new RequestReader(roomyLimits, 2 ** 30)
    for (const chunk of chunks) {
      reader.push(chunk)
      if (chunk !== chunks.at(-1)) expect(reader.next()).toBe(Found.more)
    }
    expect(reader.next()).toBe(Found.large)
    expect(reader.large?.pieces.map((piece) => piece.length)).toEqual(chunks.map((chunk) => chunk.length))
    for (const piece of reader.large?.pieces ?? []) expect(piece.buffer).toBe(bytes.buffer)
  })

  it('is told from the next frame, which may be unfinished', () => {
    const reader = new RequestReader(roomyLimits, 2 ** 30)
    const next = command('GET', 'key')
    reader.push(bytes.subarray(0, 1_000))
    expect(reader.next()).toBe(Found.more)
    reader.push(concat(bytes.subarray(1_000), next.subarray(0, 9)))
    expect(reader.next()).toBe(Found.large)
    expect(reader.next()).toBe(Found.more)
    expect(reader.large).toBeNull()
    expect(reader.pendingBytes).toBe(9)
    reader.push(next.subarray(9))
    expect(reader.next()).toBe(Found.frame)
    expect(reader.scanner.argc).toBe(2)
  })
})

describe('a frame that was handed over', () => {
  it('keeps its bytes while later chunks are read: it may still wait to be written', () => {
    const reader = new RequestReader(roomyLimits, 2 ** 30)
    const kept: { bytes: Buffer; expected: string }[] = []
    const all = Array.from({ length: 2_000 }, (_, i) => command('SET', `key-${i}`, `value-${i}`))
    const stream = Buffer.concat(all)
    for (let at = 0; at < stream.length; at += 37) {
      reader.push(stream.subarray(at, at + 37))
      while (reader.next() === Found.frame) {
        const { buf, frameStart, position } = reader.scanner
        kept.push({ bytes: buf.subarray(frameStart, position), expected: (all[kept.length] as Buffer).toString() })
      }
    }
    expect(kept).toHaveLength(all.length)
    for (const { bytes, expected } of kept) expect(bytes.toString()).toBe(expected)
  })
})

describe('a million small arguments', () => {
  const count = 1_000_000
  const bytes = concat(`*${count}\r\n`, '$1\r\na\r\n'.repeat(count), command('PING'))

  it.each([
    ['whole', bytes.length],
    ['as a socket reads them', 65_536],
  ])('%s', (_, step) => {
    const reader = new RequestReader(roomyLimits, 2 ** 30)
    const counts: number[] = []
    for (let at = 0; at < bytes.length; at += step) {
      reader.push(bytes.subarray(at, at + step))
      while (reader.next() === Found.frame) counts.push(reader.scanner.argc)
    }
    expect(counts).toEqual([count, 1])
    // What a huge frame needed is given back with the next one.
    expect(reader.scanner.offsets.length).toBeLessThan(100_000)
  })

  it('behind a large value: arguments are found without a search through all pieces', () => {
    const small = 200_000
    const stream = concat(`*${small + 1}\r\n$100000\r\n`, Buffer.alloc(100_000), '\r\n', '$1\r\na\r\n'.repeat(small))
    const reader = new RequestReader(roomyLimits, 2 ** 30)
    let found: number = Found.more
    for (let at = 0; at < stream.length; at += 64) {
      reader.push(stream.subarray(at, at + 64))
      found = reader.next()
    }
    expect(found).toBe(Found.large)
    const startedMs = performance.now()
    for (let i = 1; i <= small; i++) if (reader.large?.argument(i)[0] !== 97) throw new Error(`argument ${i} is wrong`)
    // 22,000 pieces: a search from the first one for each argument would take a minute.
    expect(performance.now() - startedMs).toBeLessThan(700)
  })
})
