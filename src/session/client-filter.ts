/**
 * The filters of CLIENT LIST and CLIENT KILL: those of Redis 8 and of Valkey 9 together, whichever server stands behind Ferry. Errors
 * have the texts of the servers; where they differ, those of the one that answers.
 */
import { type ArgView, argBytes, argInteger, argIs } from '../commands/arg-view.ts'
import type { ClientFacts } from './client-facts.ts'

type Test = (facts: ClientFacts) => boolean

export interface ClientFilter {
  readonly tests: readonly Test[]
  /** In the order in which they were given, where nothing but ids was and the server keeps to it; else null. */
  readonly ids: readonly number[] | null
  /** Null: not said. */
  readonly skipMe: boolean | null
  readonly users: readonly string[]
}

interface Reading {
  readonly args: ArgView
  /** With the texts of Valkey 8.1 and later; older ones have those of Redis. */
  readonly anew: boolean
  /** Of CLIENT KILL. */
  readonly kills: boolean
  at: number
}

const syntaxError = 'ERR syntax error'
const knownTypes = new Set(['normal', 'master', 'replica', 'slave', 'pubsub', 'primary'])
const flagLetters = /^[OSMPxbtRBdcuAUreTIiEN]+$/

/** From argument 2 on. The filter, or the text of the error. */
export function readFilter(args: ArgView, anew: boolean, kills: boolean): ClientFilter | string {
  // Said again, a filter takes the place of the one before; ids are added to those before.
  const tests = new Map<string, Test>()
  const idsOf = { id: [] as number[], 'not-id': [] as number[] }
  const known = { id: new Set<number>(), 'not-id': new Set<number>() }
  const users: string[] = []
  let others = false
  let skipMe: boolean | null = null
  const reading: Reading = { args, anew, kills, at: 2 }
  while (reading.at < args.argc) {
    const inverted = argBytes(args, reading.at).toString('latin1').toLowerCase().startsWith('not-')
    const word = argBytes(args, reading.at)
      .toString('latin1')
      .toLowerCase()
      .slice(inverted ? 4 : 0)
    reading.at++
    if (reading.at >= args.argc) return syntaxError
    if (word === 'skipme' && !inverted) {
      if (!argIs(args, reading.at, 'yes') && !argIs(args, reading.at, 'no')) return syntaxError
      skipMe = argIs(args, reading.at++, 'yes')
      continue
    }
    if (word === 'id') {
      const given = readIds(reading)
      if (typeof given === 'string') return given
      const which = inverted ? 'not-id' : 'id'
      // A million arguments are allowed: far more than a call takes.
      for (const id of given) {
        idsOf[which].push(id)
        known[which].add(id)
      }
      tests.set(which, ({ id }) => known[which].has(id) !== inverted)
      continue
    }
    const value = argBytes(args, reading.at).toString('latin1')
    if (word === 'user' && !inverted) users.push(value)
    const test = testOf(word, value, reading, inverted)
    if (typeof test === 'string') return test
    others = true
    reading.at++
    tests.set(inverted ? `not-${word}` : word, (facts) => test(facts) !== inverted)
  }
  const ids = anew || others || idsOf['not-id'].length > 0 || idsOf.id.length === 0 ? null : idsOf.id
  return { tests: [...tests.values()], ids, skipMe, users }
}

export const matches = (filter: ClientFilter, facts: ClientFacts): boolean => filter.tests.every((test) => test(facts))

/** One or more, as far as they are numbers. */
function readIds(reading: Reading): number[] | string {
  const { args, anew, kills } = reading
  const ids: number[] = []
  for (; reading.at < args.argc; reading.at++) {
    const id = argInteger(args, reading.at)
    if (Number.isNaN(id)) break
    if (id <= 0 && (kills || anew)) return 'ERR client-id should be greater than 0'
    ids.push(id)
  }
  // An old CLIENT LIST takes nothing else beside them.
  if (!anew && !kills && reading.at < args.argc) return 'ERR Invalid client ID'
  if (ids.length > 0) return ids
  return anew ? syntaxError : kills ? 'ERR client-id should be greater than 0' : 'ERR Invalid client ID'
}

function testOf(word: string, value: string, { args, at }: Reading, inverted: boolean): Test | string {
  switch (word) {
    case 'type': {
      const type = value.toLowerCase()
      if (!knownTypes.has(type)) return `ERR Unknown client type '${value}'`
      return ({ subscribed }) => (subscribed ? 'pubsub' : 'normal') === type
    }
    case 'addr':
      return ({ address }) => address === value
    case 'laddr':
      return ({ localAddress }) => localAddress === value
    case 'ip':
      return ({ address }) => address.slice(0, address.lastIndexOf(':')) === value
    case 'user':
      return ({ user }) => user === value
    case 'name':
      return ({ name }) => name === value
    case 'lib-name':
      return ({ library }) => library === value
    case 'lib-ver':
      return ({ libraryVersion }) => libraryVersion === value
    case 'flags':
      if (!flagLetters.test(value))
        return `ERR Unknown flags found in the ${inverted ? 'NOT-FLAGS' : 'provided'} filter: ${value}`
      return ({ flags }) => [...value].every((letter) => flags.includes(letter))
    case 'capa':
      if (!/^r+$/.test(value)) return `ERR Unknown capa found in the ${inverted ? 'NOT-CAPA' : 'provided'} filter: ${value}`
      return ({ capabilities }) => capabilities.includes('r')
    case 'db': {
      const db = argInteger(args, at)
      return Number.isNaN(db) ? `ERR ${inverted ? 'NOT-DB' : 'DB'} is not an integer or out of range` : (facts) => facts.db === db
    }
    case 'maxage':
    case 'idle':
      return inverted ? syntaxError : atLeast(word, argInteger(args, at))
    default:
      return syntaxError
  }
}

function atLeast(word: 'maxage' | 'idle', seconds: number): Test | string {
  if (Number.isNaN(seconds)) return `ERR ${word} is not an integer or out of range`
  if (seconds <= 0) return `ERR ${word} should be greater than 0`
  return word === 'maxage' ? ({ ageSeconds }) => ageSeconds >= seconds : ({ idleSeconds }) => idleSeconds >= seconds
}
