import { describe, expect, it } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { allCommands, commandCount } from '../../../src/commands/catalogue.ts'
import { derivingCommands, explicitCompare, explicitKinds, extraRows, refusedCommands } from '../../../src/commands/overlay.ts'
import { rewrite } from '../../../src/commands/rewrite.ts'
import { Compare, Kind, unknownCommand } from '../../../src/commands/spec.ts'
import { commandTable } from '../../../src/commands/table.generated.ts'

const byName = new Map(allCommands.map((spec) => [spec.name, spec]))
const rows = [...commandTable, ...extraRows].map((row) => {
  const [name = '', , , , , , flags = ''] = row.split(' ')
  return { name, flags }
})
const kindOf = (name: string) => byName.get(name)?.kind

describe('command catalogue', () => {
  it('classifies every write by hand', () => {
    const writes = rows.filter((row) => row.flags.includes('w')).map((row) => row.name)
    expect(writes.length).toBeGreaterThan(120)
    expect(writes.filter((name) => !explicitKinds.has(name) && !refusedCommands.has(name))).toEqual([])
  })

  it('leaves no known command unknown, and gives each one kind', () => {
    expect(allCommands.filter((spec) => spec.kind === Kind.Unknown)).toEqual([unknownCommand])
    expect([...explicitKinds.keys()].filter((name) => refusedCommands.has(name))).toEqual([])
    expect(byName.size).toBe(commandCount)
  })

  it('has no entry in the overlay for a command that does not exist', () => {
    const names = [...explicitKinds.keys(), ...refusedCommands.keys(), ...explicitCompare.keys(), ...derivingCommands]
    expect(names.filter((name) => !byName.has(name))).toEqual([])
  })

  it('never takes a write for a read', () => {
    const reads: ReadonlySet<Kind> = new Set<Kind>([Kind.ReadPlain, Kind.ReadKeyless, Kind.ReadMovable])
    const writing = new Set(rows.filter((row) => row.flags.includes('w')).map((row) => row.name))
    expect(allCommands.filter((spec) => reads.has(spec.kind) && (writing.has(spec.name) || spec.write))).toEqual([])
    expect(allCommands.filter((spec) => writing.has(spec.name) && !spec.write)).toEqual([])
  })

  it('knows where the keys of each keyed kind stand', () => {
    for (const spec of allCommands) {
      if (spec.kind === Kind.ReadPlain || spec.kind === Kind.WritePlain) {
        expect(spec.firstKey > 0 && spec.keyStep > 0 && !spec.movable, spec.name).toBe(true)
      }
      if (spec.kind === Kind.ReadMovable || spec.kind === Kind.WriteMovable) expect(spec.movable, spec.name).toBe(true)
      if (spec.kind === Kind.WriteByCopy || spec.kind === Kind.WriteByArguments) {
        expect(spec.movable || spec.firstKey > 0, spec.name).toBe(true)
      }
      if (spec.kind === Kind.ReadKeyless || spec.kind === Kind.BothKeyless) expect(spec.firstKey, spec.name).toBe(0)
    }
  })

  it('says why it refuses, and only then', () => {
    for (const spec of allCommands) expect(spec.reason !== '', spec.name).toBe(spec.kind === Kind.Refused)
  })

  it('makes every parent of subcommands a container, but for COMMAND, whose own call is legal', () => {
    const parents = new Set(
      allCommands.filter((spec) => spec.name.includes('|')).map((spec) => spec.name.split('|')[0] as string),
    )
    expect([...parents].filter((name) => kindOf(name) !== Kind.Container)).toEqual(['command'])
  })

  it('has a rule for each command whose arguments decide', () => {
    // One that has none says copy to anything; these lines are understood by those that have one.
    const plainOrRead = new Map([
      ['set', 'set k v'],
      ['setex', 'setex k 9 v'],
      ['psetex', 'psetex k 9 v'],
      ['msetex', 'msetex 1 k v ex 9'],
      ['getex', 'getex k'],
      ['increx', 'increx k'],
      ['delex', 'delex k ifeq v'],
      ['delifeq', 'delifeq k v'],
      ['hgetdel', 'hgetdel k fields 1 f'],
      ['xdelex', 'xdelex k ids 1 1-1'],
      ['xackdel', 'xackdel k g ids 1 1-1'],
      ['expire', 'expire k 9'],
      ['pexpire', 'pexpire k 9'],
      ['restore', 'restore k 0 payload'],
      ['copy', 'copy a b'],
      ['bitfield', 'bitfield k get u8 0'],
      ['sort', 'sort k'],
      ['georadius', 'georadius k 1 1 1 m'],
      ['georadiusbymember', 'georadiusbymember k m 1 m'],
      ['hexpire', 'hexpire k 9 fields 1 f'],
      ['hpexpire', 'hpexpire k 9 fields 1 f'],
      ['hsetex', 'hsetex k ex 9 fields 1 f v'],
      ['hgetex', 'hgetex k fields 1 f'],
      ['xadd', 'xadd k 1-1 f v'],
      ['xtrim', 'xtrim k maxlen 5'],
      ['xgroup|create', 'xgroup create k g 0'],
      ['xgroup|setid', 'xgroup setid k g 0'],
      ['xreadgroup', 'xreadgroup group g c streams k >'],
      ['pfcount', 'pfcount k'],
      ['move', 'move k 1'],
      ['zincrby', 'zincrby k 1 m'],
      ['zpopmin', 'zpopmin k'],
      ['zpopmax', 'zpopmax k'],
      ['zunionstore', 'zunionstore d 1 a'],
      ['zinterstore', 'zinterstore d 1 a'],
    ])
    const deciding = allCommands.filter((spec) => spec.kind === Kind.WriteByArguments)
    expect(deciding.map((spec) => spec.name).sort()).toEqual([...plainOrRead.keys()].sort())
    for (const spec of deciding) {
      const line = plainOrRead.get(spec.name) as string
      expect(rewrite(spec, argViewOf(line.split(' ')), 1000).how, line).not.toBe('copy')
    }
  })

  it.each([
    ['eval', Kind.Script],
    ['eval_ro', Kind.ReadMovable],
    ['publish', Kind.Publish],
    ['spublish', Kind.Publish],
    ['pfcount', Kind.WriteByArguments],
    ['spop', Kind.WriteByCopy],
    ['incrbyfloat', Kind.WriteByCopy],
    ['xreadgroup', Kind.WriteByArguments],
    ['xread', Kind.ReadMovable],
    ['blpop', Kind.Blocking],
    ['flushall', Kind.WriteGlobal],
    ['incr', Kind.WritePlain],
    ['get', Kind.ReadPlain],
    ['scan', Kind.ReadKeyless],
    ['monitor', Kind.Session],
    ['config|get', Kind.ReadKeyless],
    ['config|set', Kind.Refused],
    ['memory|usage', Kind.ReadPlain],
    ['script|load', Kind.BothKeyless],
    ['multi', Kind.Transaction],
    ['subscribe', Kind.PubSub],
    ['hello', Kind.Session],
  ])('%s', (name, kind) => expect(kindOf(name)).toBe(kind))

  it('takes channels for no keys', () => {
    for (const name of ['spublish', 'ssubscribe', 'sunsubscribe', 'publish']) expect(byName.get(name)?.firstKey, name).toBe(0)
  })

  it('does not compare what is random or a server its own', () => {
    const compared = (name: string) => byName.get(name)?.compare
    expect(['srandmember', 'scan', 'randomkey', 'time', 'dump', 'object|idletime'].map(compared)).toEqual(
      Array(6).fill(Compare.Never),
    )
    expect(['smembers', 'hkeys', 'keys', 'sunion'].map(compared)).toEqual(Array(4).fill(Compare.Unordered))
    expect(['ttl', 'hpttl'].map(compared)).toEqual([Compare.Lifetime, Compare.Lifetime])
    expect(['get', 'lrange', 'zrange', 'hget'].map(compared)).toEqual(Array(4).fill(Compare.Exact))
    expect(compared('hgetall')).toBe(Compare.UnorderedPairs)
  })
})
