/** What is said of a script must never be more than is true: each doubt below was a way to write a key that nobody declared. */
import { describe, expect, test } from 'vitest'
import { argViewOf } from '../../../src/commands/arg-view.ts'
import { luaTokens } from '../../../src/commands/lua-tokens.ts'
import { factsOf, factsWith, mergedFacts, unknownFacts } from '../../../src/commands/scripts.ts'

const redlock = `
  -- Return 0 if an entry already exists.
  for i, key in ipairs(KEYS) do
    if redis.call("exists", key) == 1 then
      return 0
    end
  end
  -- Create an entry for each provided key.
  for i, key in ipairs(KEYS) do
    redis.call("set", key, ARGV[1], "PX", ARGV[2])
  end
  return #KEYS`
const sidekiq = `
  local key, now = KEYS[1], ARGV[1]
  local jobs = redis.call("zrange", key, "-inf", now, "byscore", "limit", 0, 1)
  if jobs[1] then
    redis.call("zrem", key, jobs[1])
    return jobs[1]
  end`
const rateLimiter = `redis.call('set', KEYS[1], 0, 'EX', ARGV[2], 'NX')
  local consumed = redis.call('incrby', KEYS[1], ARGV[1])
  local ttl = redis.call('pttl', KEYS[1])
  if ttl == -1 then redis.call('expire', KEYS[1], ARGV[2]) ttl = 1000 * ARGV[2] end
  return {consumed, ttl}`
const queue = `
  local rcall = redis.call
  local args = cmsgpack.unpack(ARGV[1])
  local function store(prefix, id) rcall("HMSET", prefix .. id, "name", args[3]) end
  store(args[1], rcall("INCR", KEYS[4]))
  return rcall("XADD", KEYS[8], "*", "event", "added")`

describe('a script is proven to write declared keys alone', () => {
  test.each([
    ['a lock over all keys', redlock],
    ['names given by one local', sidekiq],
    ['keys in place', rateLimiter],
    ['an alias of redis.call', 'local call = redis.call; return call("SET", KEYS[1], ARGV[1])'],
    ['reads of anything', 'return redis.call("GET", ARGV[1] .. "x")'],
    ['all keys at once', 'return redis.call("DEL", unpack(KEYS))'],
    [
      'flags, comments and long strings',
      '#!lua flags=allow-oom\n--[[ redis.call(x) ]] return redis.call([[set]], KEYS[1], "a--b")',
    ],
    ['many values after the key', 'return redis.call("RPUSH", KEYS[1], unpack(ARGV))'],
    ['a stream group of a declared key', 'return redis.call("XACK", KEYS[1], "g", ARGV[1])'],
  ])('%s', (_, source) => {
    expect(factsOf(source)).toEqual({
      declaredOnly: true,
      otherDatabases: false,
      flushes: false,
      unannounced: false,
      understood: true,
    })
  })
})

describe('a script is understood, but may write other keys', () => {
  test.each([
    ['a key made of a prefix', queue],
    ['a key of the arguments', 'return redis.call("SET", ARGV[1], 1)'],
    ['a declared key with something added', 'return redis.call("SET", KEYS[1] .. ":x", 1)'],
    ['a local of which that is true', 'local k = KEYS[1] .. ":x" return redis.call("SET", k, 1)'],
    ['a local that is changed later', 'local k = KEYS[1]; k = ARGV[1]; return redis.call("SET", k, 1)'],
    ['a local that is changed among others', 'local k = KEYS[1]; local a = 1; a, k = 1, ARGV[1]; return redis.call("SET", k, 1)'],
    ['a name that is a parameter elsewhere', 'local k = KEYS[1]; local function f(k) redis.call("SET", k, 1) end f(ARGV[1])'],
    ['a name that a loop gives', 'local k = KEYS[1]; for _, k in ipairs(ARGV) do redis.call("SET", k, 1) end'],
    ['a local without a value', 'local k = KEYS[1] do local k redis.call("SET", k or "x", 1) end'],
    ['one choice of two', 'return redis.call("SET", KEYS[1] or "x", 1)'],
    ['a KEYS that is written to', 'KEYS[1] = "x"; return redis.call("SET", KEYS[1], 1)'],
    ['a KEYS that is handed on', 'table.insert(KEYS, "x"); return redis.call("SET", KEYS[1], 1)'],
    ['a KEYS of its own', 'local KEYS = {"x"}; return redis.call("SET", KEYS[1], 1)'],
    ['the second key of two', 'return redis.call("RENAME", KEYS[1], ARGV[1])'],
    ['a destination', 'return redis.call("SUNIONSTORE", ARGV[1], KEYS[1])'],
    ['a list of keys with another in it', 'return redis.call("DEL", KEYS[1], "x")'],
    ['a list of unknown length', 'return redis.call("DEL", KEYS[1], unpack(ARGV))'],
  ])('%s', (_, source) => {
    expect(factsOf(source)).toEqual({
      declaredOnly: false,
      otherDatabases: false,
      flushes: false,
      unannounced: false,
      understood: true,
    })
  })
})

describe('a script may do anything', () => {
  test.each([
    ['a name that is computed', 'return redis.call(ARGV[1], KEYS[1], 1)'],
    ['a name with an escape', 'return redis.call("\\115et", "x", 1)'],
    ['a name in two parts', 'return redis.call("se" .. "t", KEYS[1], 1)'],
    ['a call without brackets', 'return redis.call "PING"'],
    ['another way to the library', 'return redis["call"]("SET", "x", 1)'],
    ['another name for the library', 'local r = redis; return r.call("SET", "x", 1)'],
    ['the table of globals', 'return _G["redis"].call("SET", "x", 1)'],
    ['source made at run time', 'return loadstring(ARGV[1])()'],
    ['an alias that is handed on', 'local call = redis.call; return pcall(call, "SET", "x", 1)'],
    ['an alias in a second name', 'local call = redis.call; local c = call; return c("SET", "x", 1)'],
    ['the call itself handed on', 'return pcall(redis.call, "SET", "x", 1)'],
    ['no Lua at all', 'return "unfinished'],
  ])('%s', (_, source) => {
    expect(factsOf(source)).toEqual(unknownFacts)
  })
})

test('what reaches beyond the keys of one database is told', () => {
  expect(factsOf('redis.call("SELECT", 3)')).toMatchObject({ declaredOnly: false, otherDatabases: true, flushes: false })
  expect(factsOf('redis.call("COPY", KEYS[1], KEYS[2], "DB", 1)')).toMatchObject({ declaredOnly: false, otherDatabases: true })
  expect(factsOf('redis.call("flushdb")')).toMatchObject({ declaredOnly: false, flushes: true })
})

test('what servers do not announce is told, unless it is in declared keys', () => {
  expect(factsOf('redis.call("XACK", ARGV[1], "g", "1-1")').unannounced).toBe(true)
  expect(factsOf('redis.call("XGROUP", "CREATE", ARGV[1], "g", "$")').unannounced).toBe(true)
  expect(factsOf('redis.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", KEYS[1], ">")').unannounced).toBe(true)
  expect(factsOf('redis.call("SWAPDB", 0, 1)').unannounced).toBe(true)
})

test('of a script that is not understood it is told by a name anywhere in it, or in what it is called with', () => {
  const generic = factsOf('return redis.call(ARGV[1], unpack(KEYS))')
  const called = (...words: string[]) => factsWith(generic, argViewOf(words.map((word) => Buffer.from(word)))).unannounced
  expect(factsOf('local cmds = {"xAck"}; return redis.call(cmds[1], ARGV[1], "g", "1-1")').unannounced).toBe(true)
  expect([generic.unannounced, called('EVAL', '', '1', 'k', 'GET', 'a xack'), called('EVAL', 'xack', '0')]).toEqual(
    Array(3).fill(false),
  )
  expect([called('EVAL', '', '0', 'XACK'), called('FCALL', 'f', '2', 'a', 'b', 'xreadgroup')]).toEqual([true, true])
  const plain = factsOf('return redis.call("SET", KEYS[1], ARGV[1])')
  expect(factsWith(plain, argViewOf(['EVAL', '', '1', 'k', 'XACK'].map((word) => Buffer.from(word))))).toBe(plain)
})

test('of several sources the worst of each holds', () => {
  const one = factsOf('redis.call("SET", KEYS[1], 1)')
  expect(mergedFacts([one, one])).toEqual(one)
  expect(mergedFacts([one, factsOf('redis.call("SELECT", 1)')])).toMatchObject({ declaredOnly: false, otherDatabases: true })
})

test('tokens: brackets, comments, numbers, and what is not Lua', () => {
  const texts = (source: string) => luaTokens(source)?.map(({ text }) => text)
  expect(texts('a=[==[x]]y]==] --[[z\n]]..0x1F')).toEqual(['a', '=', 'x]]y', '..', '0x1F'])
  expect(texts(`'it''s' "a\\"b"`)).toEqual(['it', 's', 'a\\"b'])
  expect(luaTokens('a = ?')).toBeNull()
  expect(luaTokens('"a\nb"')).toBeNull()
})
