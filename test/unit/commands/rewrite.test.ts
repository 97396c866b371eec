import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { lookup, resolveSub } from '../../../src/commands/lookup.ts'
import { rewrite } from '../../../src/commands/rewrite.ts'
import { Kind } from '../../../src/commands/spec.ts'

const nowMs = 1_700_000_000_000.6

/** The frame's words, or what else is to be done. */
function verdict(line: string): string {
  const words = line.split(' ')
  const args = argViewOf(words)
  const named = lookup(args.buf, 0, (words[0] as string).length)
  const spec =
    named.kind === Kind.Container ? resolveSub(named, args.buf, args.offsets[2] as number, args.offsets[3] as number) : named
  const rewritten = rewrite(spec, args, nowMs)
  return rewritten.how === 'frames' ? rewritten.argv.join(' ') : rewritten.how
}

describe('rewrite by arguments', () => {
  it.each([
    ['set k v EX 10', 'set k v PXAT 1700000010000'],
    ['set k v px 10 nx get', 'set k v PXAT 1700000000010 nx get'],
    ['set k v XX EX 1', 'set k v XX PXAT 1700000001000'],
    ['set k v ifeq px px 7', 'set k v ifeq px PXAT 1700000000007'],
    ['setex k 10 v', 'SET k v PXAT 1700000010000'],
    ['psetex k 10 v', 'SET k v PXAT 1700000000010'],
    ['expire k 10', 'PEXPIREAT k 1700000010000'],
    ['expire k 10 XX gt', 'PEXPIREAT k 1700000010000 XX gt'],
    ['pexpire k 10 NX', 'PEXPIREAT k 1700000000010 NX'],
    ['getex k ex 10', 'getex k PXAT 1700000010000'],
    ['getex k PX 10', 'getex k PXAT 1700000000010'],
    ['increx k byint 5 ubound 9 ex 10 enx', 'increx k byint 5 ubound 9 PXAT 1700000010000 enx'],
    ['msetex 2 ex 1 b 2 ex 10 nx', 'msetex 2 ex 1 b 2 PXAT 1700000010000 nx'],
    ['restore k 500 payload replace', 'restore k 1700000000500 payload replace ABSTTL'],
    ['restore k 500 payload idletime 5', 'restore k 1700000000500 payload idletime 5 ABSTTL'],
    ['hexpire k 10 fields 2 a b', 'HPEXPIREAT k 1700000010000 fields 2 a b'],
    ['hpexpire k 10 gt FIELDS 1 fields', 'HPEXPIREAT k 1700000000010 gt FIELDS 1 fields'],
    ['hsetex k fnx ex 10 fields 1 f v', 'hsetex k fnx PXAT 1700000010000 fields 1 f v'],
    ['hgetex k px 10 fields 2 a b', 'hgetex k PXAT 1700000000010 fields 2 a b'],
  ])('%s becomes %s', (line, frame) => expect(verdict(line)).toBe(frame))

  it.each([
    'set k v',
    'set k v nx',
    'set k v xx get',
    'set k v keepttl',
    'set k v exat 1800000000',
    'set k v pxat 1 nx',
    'set k v ifeq ex',
    'getex k persist',
    'getex k exat 1800000000',
    'msetex 1 a 1 keepttl',
    'increx k byint 3 saturate',
    'msetex 1 a 1',
    'restore k 0 payload',
    'restore k 5 payload absttl replace',
    'hsetex k fields 1 f v',
    'hsetex k keepttl fields 1 f v',
    'hgetex k persist fields 1 f',
    'hgetex k pxat 5 fields 1 f',
    'copy a b',
    'copy a b replace',
    'bitfield k get u8 0 set u8 0 5',
    'bitfield k overflow fail incrby u8 0 5',
    'xadd k 5-1 f v',
    'xadd k nomkstream maxlen = 5 5-1 f v g w',
    'xadd k minid 3 5-1 f v',
    'xtrim k maxlen 5',
    'xtrim k minid = 5-0',
    'xgroup create k g 0',
    'xgroup create k g 5-3 mkstream',
    'xgroup setid k g 7 entriesread 3',
    'pfcount k',
    'zunionstore d 2 a b',
    'zunionstore d 1 a weights 0.5',
    'zinterstore d 3 a b c aggregate max',
    'zinterstore d 2 a b weights 2 3 aggregate min',
    'set k v ex 0',
    'set k v ex -5',
    'setex k 0 v',
    'expire k 0',
    'expire k -1',
    'restore k -5 payload',
    'hexpire k 0 fields 1 a',
    'copy a b db 3',
    'xadd k keepref 5-1 f v',
    'sort k store d',
    'getex k ex 0',
    'hsetex k ex 0 fields 1 f v',
    'expire k -1 gt',
    'xadd k maxlen 5 acked nomkstream 5-1 f v',
    'xtrim k minid = 5-0 delref',
    'sort k desc alpha limit 0 5 store by',
    'copy a b db 3 replace',
    'move k 3',
    'xreadgroup group g c streams a b > 0',
    'xreadgroup group g c count 2 noack streams a >',
  ])('%s goes to both sides as it is', (line) => expect(verdict(line)).toBe('plain'))

  it.each([
    'getex k',
    'hgetex k fields 2 a b',
    'bitfield k get u8 0 get u8 8',
    'bitfield k',
    'sort k by w_* get # limit 0 5',
    'sort k by store',
    'georadius k 1 2 3 m withdist',
    'georadiusbymember k store 3 m',
    'pfcount a b',
  ])('%s is a read', (line) => expect(verdict(line)).toBe('read'))

  it.each([
    'set k v ex 5.0',
    'set k v ex 010',
    'set k v ex 9999999999999999',
    'set k v ex 999999999999999',
    'set k v ex',
    'set k v ex 5 px 5',
    'set k v ex 5 keepttl',
    'set k v nonsense',
    'set k v persist',
    'set k v ifeq',
    'set k',
    'setex k x v',
    'expire k 10 maybe',
    'expire k',
    'getex k keepttl',
    'getex k ex 5 persist',
    'getex k nonsense',
    'msetex 0 a 1',
    'increx k byfloat 1',
    'msetex 3 a 1 b 2',
    'msetex 1 a 1 nonsense',
    'restore k 5 payload nonsense',
    'hexpire k 10 fields 2 a',
    'hexpire k 10 nx xx fields 1 a',
    'hexpire k 10 maybe fields 1 a',
    'hsetex k ex 5 fields 2 f v',
    'hsetex k nonsense fields 1 f v',
    'hgetex k keepttl fields 1 a',
    'hgetex k fields 0 a',
    'copy a b nonsense',
    'bitfield k nonsense',
    'bitfield k set u8 0',
    'xadd k * f v',
    'xadd k 5-* f v',
    'xadd k 5 f v',
    'xadd k maxlen ~ 5 5-1 f v',
    'xadd k maxlen 5 limit 3 5-1 f v',
    'xadd k 5-1 f',
    'xadd k 5-1 f v g',
    'xtrim k maxlen ~ 5',
    'xtrim k maxlen = ~ 5',
    'xtrim k maxlen 5 limit 3',
    'xtrim k nonsense 5',
    'xgroup create k g $',
    'xgroup setid k g -',
    'sort k nonsense',
    'georadius k 1 2 3 m store d',
    'georadiusbymember k m 3 m storedist d',
    'zunionstore d 3 a b c',
    'zunionstore d 2 a b weights 1 2',
    'zunionstore d 2 a b weights 1',
    'zunionstore d x a b',
    'zinterstore d 2 a b aggregate count',
    'copy a b db x',
    'move k x',
    'expire k 0 maybe',
    'xadd k idmp p i 5-1 f v',
    'xtrim k maxlen 5 nonsense',
    'sort k by w_* store d',
    'sort k get # store d',
    'xreadgroup group g c claim 5 streams a >',
    'xreadgroup group g c nonsense streams a >',
    'incrbyfloat k 1',
  ])('%s is left to the authority', (line) => expect(verdict(line)).toBe('copy'))

  it('leaves the values of a frame as they came', () => {
    const value = Buffer.from([0, 13, 10, 255])
    const args = argViewOf(['SET', 'k', value, 'EX', '1'])
    const rewritten = rewrite(lookup(args.buf, 0, 3), args, nowMs)
    expect(rewritten.how === 'frames' && rewritten.argv[2]?.equals(value)).toBe(true)
  })
})
