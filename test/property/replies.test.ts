import fc from 'fast-check'
import RedisParser from 'redis-parser'
import { describe, expect, it } from 'vitest'
import { decodeAll, decodeReply, isReplyError, type Reply } from '../../src/resp/decode.ts'
import { encodeBulk } from '../../src/resp/encode.ts'
import { ReplyProblem, ReplyScanner } from '../../src/resp/reply-scanner.ts'
import { bytes, cuts, holds, placesIn } from '../support/property.ts'
import { scanReplies } from '../support/scan-replies.ts'
import { cutAt } from '../support/splits.ts'

type Tree = { readonly wire: Buffer }

const line = fc.string({ unit: fc.constantFrom(...'abc XYZ019:*$-+_é'), maxLength: 12 })
const node = (wire: Buffer | string): Tree => ({ wire: typeof wire === 'string' ? Buffer.from(wire) : wire })
const joined = (head: string, elements: readonly Tree[]): Tree =>
  node(Buffer.concat([Buffer.from(head), ...elements.map(({ wire }) => wire)]))

const leaf2 = fc.oneof(
  line.map((text) => node(`+${text}\r\n`)),
  line.map((text) => node(`-ERR ${text}\r\n`)),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((value) => node(`:${value}\r\n`)),
  fc.integer({ min: -1_000, max: 1_000 }).map((value) => node(`:${value}\r\n`)),
  bytes(30).map((value) => node(encodeBulk(value))),
  fc.constantFrom('$-1\r\n', '*-1\r\n', '*0\r\n').map(node),
)

const { reply2 } = fc.letrec<{ reply2: Tree }>((tie) => ({
  reply2: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf2,
    fc.array(tie('reply2'), { maxLength: 5 }).map((elements) => joined(`*${elements.length}\r\n`, elements)),
  ),
}))

const leaf3 = fc.oneof(
  leaf2,
  fc
    .constantFrom(
      '_\r\n',
      '#t\r\n',
      '#f\r\n',
      ',inf\r\n',
      ',-0.5\r\n',
      '(-123456789012345678901234567890\r\n',
      '~0\r\n',
      '%0\r\n',
    )
    .map(node),
  bytes(20).map((value) => node(encodeBulk(Buffer.concat([Buffer.from('txt:'), value])).fill('=', 0, 1))),
  bytes(20).map((value) => node(encodeBulk(value).fill('!', 0, 1))),
)

const { reply3 } = fc.letrec<{ reply3: Tree }>((tie) => ({
  reply3: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf3,
    fc
      .tuple(fc.constantFrom('*', '~', '>'), fc.array(tie('reply3'), { maxLength: 4 }))
      .map(([type, elements]) => joined(`${type}${elements.length}\r\n`, elements)),
    fc
      .array(fc.tuple(tie('reply3'), tie('reply3')), { maxLength: 3 })
      .map((pairs) => joined(`%${pairs.length}\r\n`, pairs.flat())),
    fc
      .tuple(fc.array(fc.tuple(tie('reply3'), tie('reply3')), { maxLength: 2 }), tie('reply3'))
      .map(([pairs, reply]) => joined(`|${pairs.length}\r\n`, [...pairs.flat(), reply])),
  ),
}))

/** One form for both parsers' values. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Error) return `error ${value.message}`
  if (isReplyError(value as Reply)) return `error ${(value as { error: string }).error}`
  return typeof value === 'number' || typeof value === 'bigint' ? `number ${value}` : value
}

function oracle(stream: Buffer): unknown[] {
  const values: unknown[] = []
  const parser = new RedisParser({
    returnBuffers: true,
    stringNumbers: true,
    returnReply: (reply) => values.push(reply),
    returnError: (error) => values.push(error),
  })
  parser.execute(stream)
  return values
}

/** With `stringNumbers` the oracle gives integers as text, so that none loses digits. */
const oraclePlain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(oraclePlain)
  return typeof value === 'string' ? `number ${BigInt(value)}` : plain(value)
}

describe('random RESP2 replies', () => {
  it('have the values that redis-parser finds', () => {
    holds(
      fc.property(fc.array(reply2, { maxLength: 8 }), (trees) => {
        const stream = Buffer.concat(trees.map(({ wire }) => wire))
        expect(decodeAll(stream).map(plain)).toEqual(oracle(stream).map(oraclePlain))
      }),
      500,
    )
  })
})

describe('random RESP3 replies', () => {
  it('end where they end, however they are cut', () => {
    holds(
      fc.property(fc.array(reply3, { maxLength: 8 }), cuts(), (trees, shares) => {
        const stream = Buffer.concat(trees.map(({ wire }) => wire))
        const { replies, midReply } = scanReplies(cutAt(stream, placesIn(shares, stream.length)))
        expect(replies.map(({ bytes: reply }) => reply.toString('latin1'))).toEqual(
          trees.map(({ wire }) => wire.toString('latin1')),
        )
        expect(midReply).toBe(false)
      }),
      500,
    )
  })

  it('scanner and decoder agree on where each one ends', () => {
    holds(
      fc.property(reply3, bytes(10), (tree, after) => {
        expect(decodeReply(Buffer.concat([tree.wire, after])).next).toBe(tree.wire.length)
      }),
      500,
    )
  })
})

describe('random bytes', () => {
  const nearlyRight = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '*1\r\n',
          '%1\r\n',
          '|1\r\n',
          '>2\r\n',
          '$3\r\n',
          '$-1\r\n',
          '+OK\r\n',
          ':1\r\n',
          '_\r\n',
          'abc\r\n',
          '\r',
          '\n',
          '*',
          '$',
          '-1',
        ),
        fc.string({ maxLength: 3 }),
      ),
      {
        maxLength: 30,
        size: 'max',
      },
    )
    .map((texts) => Buffer.from(texts.join(''), 'latin1'))

  function outcome(chunks: readonly Buffer[]): string {
    try {
      const { replies, midReply } = scanReplies(chunks)
      return `${replies.map(({ bytes: reply, kind }) => `${kind}:${reply.toString('hex')}`)} ${midReply}`
    } catch (error) {
      if (error instanceof ReplyProblem) return error.message
      throw error
    }
  }

  it('are replies or a ReplyProblem, the same however they are cut', () => {
    holds(
      fc.property(fc.oneof(bytes(200), nearlyRight), cuts(), (stream, shares) => {
        expect(outcome(cutAt(stream, placesIn(shares, stream.length)))).toBe(outcome([stream]))
      }),
      2_000,
    )
  })
})

it('the cost is linear: a reply of 4 MB in small steps', () => {
  const costMs = (length: number): number => {
    const stream = Buffer.concat([Buffer.from(`*${length / 8}\r\n`), Buffer.from('$2\r\nab\r\n'.repeat(length / 8))])
    let best = Number.POSITIVE_INFINITY
    for (let run = 0; run < 3; run++) {
      const scanner = new ReplyScanner()
      const startedMs = performance.now()
      for (let at = 0; at < stream.length; at += 7) scanner.scan(stream, at, Math.min(at + 7, stream.length))
      best = Math.min(best, performance.now() - startedMs)
      expect(scanner.done).toBe(true)
    }
    return best
  }
  costMs(2 ** 20)
  expect(costMs(2 ** 22)).toBeLessThan(Math.max(8 * costMs(2 ** 20), 20))
})
