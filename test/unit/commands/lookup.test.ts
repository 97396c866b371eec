import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/commands/catalogue.ts'
import { lookup, resolveSub } from '../../../src/commands/lookup.ts'
import { arityOk, Kind, unknownCommand } from '../../../src/commands/spec.ts'

const find = (name: string) => lookup(Buffer.from(name, 'latin1'), 0, name.length)
const findSub = (parent: string, name: string) => resolveSub(find(parent), Buffer.from(name, 'latin1'), 0, name.length)
const topLevel = allCommands.filter((spec) => spec !== unknownCommand && !spec.name.includes('|'))

/** The same letters in every second case. */
const mixed = (name: string) => [...name].map((letter, i) => (i % 2 ? letter.toUpperCase() : letter)).join('')

describe('command lookup', () => {
  it('finds every command by its name in any case', () => {
    for (const spec of topLevel) {
      for (const name of [spec.name, spec.name.toUpperCase(), mixed(spec.name)]) expect(find(name), name).toBe(spec)
    }
  })

  it('finds every subcommand below its own parent only', () => {
    const subs = allCommands.filter((spec) => spec.name.includes('|'))
    expect(subs.length).toBeGreaterThan(100)
    for (const spec of subs) {
      const [parent = '', sub = ''] = spec.name.split('|')
      expect(findSub(parent, mixed(sub)), spec.name).toBe(spec)
    }
    expect(findSub('config', 'usage')).toBe(unknownCommand)
    expect(find('usage')).toBe(unknownCommand)
    expect(findSub('config', 'config')).toBe(unknownCommand)
  })

  it('reads the name where it stands', () => {
    const buf = Buffer.from('*2\r\n$3\r\ngEt\r\n$1\r\nk\r\n')
    expect(lookup(buf, 8, 3).name).toBe('get')
    expect(lookup(buf, 8, 2)).toBe(unknownCommand)
  })

  it.each(['', 'g', 'gets', 'get\0', 'json.get', 'x'.repeat(32), 'x'.repeat(33), 'x'.repeat(4096), 'GET\u00e4', 'config|get'])(
    'does not know %j',
    (name) => expect(find(name)).toBe(unknownCommand),
  )

  it('folds letters and nothing else', () => {
    expect(find('restore-asking').name).toBe('restore-asking')
    expect(find('restore\rasking')).toBe(unknownCommand)
    expect(find('bitfield\x7fro')).toBe(unknownCommand)
  })

  it('agrees with a map for any bytes', () => {
    const byName = new Map(topLevel.map((spec) => [spec.name, spec]))
    const name = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constantFrom(...byName.keys()),
      fc.tuple(fc.constantFrom(...byName.keys()), fc.nat(30), fc.nat(255)).map(([word, at, byte]) => {
        const bytes = Buffer.from(word)
        bytes[at % bytes.length] = byte
        return bytes.toString('latin1')
      }),
    )
    const folded = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    fc.assert(fc.property(name, (text) => find(text) === (byName.get(folded(text)) ?? unknownCommand)))
  })

  it('numbers its specs densely and gives them one shape', () => {
    allCommands.forEach((spec, i) => {
      expect(spec.id).toBe(i)
    })
    expect(new Set(allCommands.map((spec) => Object.keys(spec).join())).size).toBe(1)
  })

  it('checks arity as the servers do', () => {
    expect([1, 2, 3].map((argc) => arityOk(find('get'), argc))).toEqual([false, true, false])
    expect([2, 3, 9].map((argc) => arityOk(find('set'), argc))).toEqual([false, true, true])
    expect(arityOk(find('zrank'), 4)).toBe(true)
    expect(find('nosuch').kind).toBe(Kind.Unknown)
  })
})
