/** Every shape of a command: each of its keys, and nothing else, gets the prefix; and what went out can be told back. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { argBytes } from '../../../src/commands/arg-view.ts'
import { createKeyList, keyPositions } from '../../../src/commands/keys.ts'
import { lookup } from '../../../src/commands/lookup.ts'
import { spliced } from '../../../src/databases/splice.ts'
import { Translator } from '../../../src/databases/translator.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { Found, RequestScanner } from '../../../src/resp/request-scanner.ts'
import { type DatabaseLayout, databaseLayoutOf } from '../../../src/routing/database-layout.ts'
import { bytes, holds } from '../../support/property.ts'

const limits = { bulkBytes: 2 ** 31 - 1, argumentsMax: 2 ** 31 - 1, inlineBytes: 0 }

function scanned(frame: Buffer): RequestScanner {
  const scanner = new RequestScanner(limits)
  scanner.reset(frame, 0, frame.length)
  if (scanner.next() !== Found.frame) throw new Error('no frame')
  return scanner
}

const key = bytes(12)
const word = bytes(8)
const shapes: fc.Arbitrary<(Buffer | string)[]> = fc.oneof(
  fc.tuple(fc.constant('set'), key, word),
  fc.tuple(fc.constant('rename'), key, key),
  fc.array(fc.tuple(key, word), { minLength: 1, maxLength: 8 }).map((pairs) => ['mset', ...pairs.flat()]),
  fc.array(key, { minLength: 1, maxLength: 20 }).map((keys) => ['del', ...keys]),
  fc.array(key, { minLength: 1, maxLength: 6 }).map((keys) => ['lmpop', String(keys.length), ...keys, 'left']),
  fc.array(key, { minLength: 1, maxLength: 6 }).map((keys) => ['zunionstore', 'out', String(keys.length), ...keys]),
  fc
    .tuple(fc.array(key, { maxLength: 4 }), fc.array(word))
    .map(([keys, args]) => ['eval', 'return 1', String(keys.length), ...keys, ...args]),
  fc
    .array(key, { minLength: 1, maxLength: 4 })
    .map((keys) => ['xread', 'count', '2', 'streams', ...keys, ...keys.map(() => '0')]),
  fc.tuple(key, key).map(([from, to]) => ['sort', from, 'limit', '0', '3', 'alpha', 'store', to]),
  fc.tuple(key, key).map(([from, to]) => ['georadius', from, '0', '0', '1', 'km', 'store', to]),
  fc.tuple(key, word).map(([name, group]) => ['xgroup', 'create', name, group, '0']),
  fc.tuple(fc.constant('copy'), key, key),
)

test.each(['fold', 'fold=x{db}/'])('%s', (setting) => {
  const layout = databaseLayoutOf(setting) as DatabaseLayout
  holds(
    fc.property(shapes, fc.integer({ min: 1, max: 999_999 }), (words, db) => {
      const translator = new Translator(layout)
      translator.command(scanned(encodeCommand(['SELECT', db])))
      const frame = encodeCommand(words)
      const args = scanned(frame)
      const carried = translator.command(args)
      if (carried.how !== 'edited') throw new Error(carried.how)
      const sent = Buffer.concat(spliced(args, 0, frame.length, carried.edits))
      const keys = createKeyList()
      const spec = lookup(args.buf, args.offsets[0] as number, args.offsets[1] as number)
      if (spec.name !== 'xgroup') {
        keyPositions(spec, args, keys)
        expect(carried.edits.map(({ at }) => at)).toEqual([...keys.positions.subarray(0, keys.count)])
      }
      const there = scanned(sent)
      const changed = new Set(carried.edits.map(({ at }) => at))
      for (let i = 0; i < args.argc; i++) {
        const own = argBytes(args, i)
        const prefix = setting === 'fold' ? `db${db}:` : `x${db}/`
        expect(argBytes(there, i)).toEqual(changed.has(i) ? Buffer.concat([Buffer.from(prefix), own]) : own)
      }
      const back = translator.restored(sent, 0)
      expect(back.frame).toEqual(frame)
      if (changed.size > 0) expect(back.db).toBe(db)
    }),
    500,
  )
})

test('what a server refuses within a block has no reply among those of EXEC', () => {
  const translator = new Translator(databaseLayoutOf('fold') as DatabaseLayout)
  const command = (...words: string[]) => translator.command(scanned(encodeCommand(words)))
  for (const words of [['SELECT', '1'], ['MULTI'], ['WATCH', 'k'], ['KEYS', '*']]) command(...words)
  const exec = command('EXEC')
  if (exec.how !== 'edited' || exec.reply === null) throw new Error(`EXEC is carried ${exec.how}`)
  expect(String(exec.reply(Buffer.from('*1\r\n*1\r\n$5\r\ndb1:k\r\n')))).toBe('*1\r\n*1\r\n$1\r\nk\r\n')
})
