import fc from 'fast-check'
import RedisParser from 'redis-parser'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../src/resp/encode.ts'
import { splitInline } from '../../src/resp/inline.ts'
import { RequestReader } from '../../src/resp/request-reader.ts'
import { Found } from '../../src/resp/request-scanner.ts'
import { bytes, cuts, holds, placesIn } from '../support/property.ts'
import { readRequests, roomyLimits } from '../support/read-requests.ts'
import { cutAt } from '../support/splits.ts'

/** What redis-parser makes of a pipeline: requests are arrays of bulk strings, so it reads them as it reads replies. */
function oracle(stream: Buffer): Buffer[][] {
  const commands: Buffer[][] = []
  const parser = new RedisParser({
    returnBuffers: true,
    returnReply: (reply) => commands.push(reply),
    returnError: (error) => {
      throw error
    },
  })
  parser.execute(stream)
  return commands
}

const mixedSize = fc.oneof(
  { weight: 20, arbitrary: bytes(40) },
  { weight: 2, arbitrary: fc.integer({ min: 60_000, max: 150_000 }).map((length) => Buffer.alloc(length, '\r\n$1')) },
)
const argv = fc.array(mixedSize, { minLength: 1, maxLength: 8 })
const pipeline = fc.array(argv, { maxLength: 12, size: 'max' })

const hex = (commands: Buffer[][]): string[][] =>
  commands.map((args) =>
    args.map((arg) => (arg.length > 1_000 ? `${arg.length} bytes, ${arg.subarray(-9).toString('hex')}` : arg.toString('hex'))),
  )

describe('random pipelines', () => {
  it('cut anywhere, are framed as redis-parser does', () => {
    holds(
      fc.property(pipeline, cuts(), (commands, shares) => {
        const stream = Buffer.concat(commands.map((args) => encodeCommand(args)))
        const read = readRequests(cutAt(stream, placesIn(shares, stream.length)))
        expect(read.problem).toBe('')
        expect(hex(read.commands)).toEqual(hex(oracle(stream)))
        expect(hex(read.commands)).toEqual(hex(commands))
      }),
    )
  })

  it('with inline commands and nothings between them', () => {
    const word = fc
      .string({ unit: fc.constantFrom(...'abcXYZ019:{}.*$-'), minLength: 1, maxLength: 8 })
      .filter((text) => !text.startsWith('*'))
    const part = fc.oneof(
      argv.map((args) => ({ wire: encodeCommand(args), commands: [args] })),
      fc.array(word, { minLength: 1, maxLength: 4 }).chain((words) =>
        fc.constantFrom('\r\n', '\n').map((end) => ({
          wire: Buffer.from(words.join(' ') + end),
          commands: [words.map((text) => Buffer.from(text))],
        })),
      ),
      fc
        .constantFrom('\r\n', '\n', '*0\r\n', '*-1\r\n', '  \r\n')
        .map((text) => ({ wire: Buffer.from(text), commands: [] as Buffer[][] })),
    )
    holds(
      fc.property(fc.array(part, { maxLength: 10 }), cuts(), (parts, shares) => {
        const stream = Buffer.concat(parts.map(({ wire }) => wire))
        const read = readRequests(cutAt(stream, placesIn(shares, stream.length)))
        expect(read.problem).toBe('')
        expect(hex(read.commands)).toEqual(hex(parts.flatMap(({ commands }) => commands)))
      }),
    )
  })
})

describe('random bytes', () => {
  const nearlyRight = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '*1\r\n',
          '*2\r\n',
          '$3\r\n',
          '$0\r\n\r\n',
          'GET',
          '\r\n',
          '$-1\r\n',
          '*',
          '$',
          '\r',
          '\n',
          '"',
          "'",
          '*0\r\n',
        ),
        fc.string({ maxLength: 4 }),
      ),
      {
        maxLength: 20,
        size: 'max',
      },
    )
    .map((texts) => Buffer.from(texts.join(''), 'latin1'))

  it('are frames, more or malformed, and the same however they are cut', () => {
    holds(
      fc.property(fc.oneof(bytes(200), nearlyRight), cuts(), (stream, shares) => {
        const whole = readRequests([stream])
        const cut = readRequests(cutAt(stream, placesIn(shares, stream.length)))
        expect(hex(cut.commands)).toEqual(hex(whole.commands))
        expect(cut.problem).toBe(whole.problem)
      }),
      2_000,
    )
  })

  it('behind the start of a large frame, too', () => {
    const head = Buffer.concat([Buffer.from('*3\r\n$70000\r\n'), Buffer.alloc(70_000)])
    holds(
      fc.property(fc.oneof(bytes(60), nearlyRight), cuts(4), (tail, shares) => {
        const stream = Buffer.concat([head, tail])
        const places = [20, ...placesIn(shares, tail.length).map((place) => head.length + place)]
        const cut = readRequests(cutAt(stream, places))
        // The scanner names a fault as soon as it is certain, a large frame when the line is over: not later than with the next lines.
        const end = Buffer.from('\r\n\r\n\r\n\r\n')
        const whole = readRequests([Buffer.concat([stream, end])])
        const finished = cut.problem === '' ? readRequests(cutAt(Buffer.concat([stream, end]), places)) : cut
        expect(finished.problem).toBe(whole.problem)
        expect(hex(finished.commands)).toEqual(hex(whole.commands))
      }),
      500,
    )
  })
})

describe('inline', () => {
  const quoted = (arg: Buffer): string => `"${[...arg].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"`

  it('any bytes survive being written as \\xNN', () => {
    holds(
      fc.property(fc.array(bytes(12), { maxLength: 6 }), (args) => {
        expect(hex([splitInline(Buffer.from(args.map(quoted).join(' '))) ?? []])).toEqual(hex([args]))
      }),
    )
  })

  it('any line is split or refused', () => {
    holds(
      fc.property(fc.string({ unit: fc.constantFrom('"', "'", '\\', ' ', 'a', 'x', '4', '\t'), maxLength: 24 }), (line) => {
        const args = splitInline(Buffer.from(line))
        if (!/["']/.test(line)) expect(args).not.toBeNull()
        if (args !== null && !/["'\\]/.test(line)) expect(args.join(' ')).toBe(line.trim().replace(/\s+/g, ' '))
      }),
      1_000,
    )
  })
})

describe('the cost is linear', () => {
  /** Milliseconds for a frame handed over byte by byte; the best of three, as the machine has other things to do. */
  function costMs(stream: Buffer): number {
    let best = Number.POSITIVE_INFINITY
    for (let run = 0; run < 3; run++) {
      const reader = new RequestReader(roomyLimits, 2 ** 30)
      const startedMs = performance.now()
      let found: number = Found.more
      for (let at = 0; at < stream.length; at++) {
        reader.push(stream.subarray(at, at + 1))
        found = reader.next()
      }
      best = Math.min(best, performance.now() - startedMs)
      if (found !== Found.frame && found !== Found.large) throw new Error('no frame was found')
    }
    return best
  }

  it.each<[string, (length: number) => Buffer]>([
    [
      'one value that grows within our own buffer',
      (length) =>
        encodeCommand(['SET', 'k', Buffer.alloc(60_000), ...Array.from({ length: length / 60_000 }, () => Buffer.alloc(60_000))]),
    ],
    ['a large value', (length) => encodeCommand(['SET', 'k', Buffer.alloc(length)])],
    ['many small arguments', (length) => encodeCommand(Array.from({ length: length / 8 }, () => 'ab'))],
  ])('%s: sixteen times the bytes, byte by byte, cost far less than 256 times the time', (_, make) => {
    costMs(make(65_536))
    const small = costMs(make(65_536))
    const big = costMs(make(1_048_576))
    // What grows with the square would be at 256; a busy machine and the collector may triple what is linear.
    expect(big).toBeLessThan(Math.max(64 * small, 100))
    expect(big).toBeLessThan(8_000)
  })
})
