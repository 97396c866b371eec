/** Scripts and functions: with declared keys, with none, with an error in the middle, and such as two servers would run differently. */
import { createHash } from 'node:crypto'
import { family } from './family.ts'
import type { Argv, World } from './world.ts'

interface Script {
  readonly body: string
  readonly sha: string
  readonly call: (w: World) => { keys: Argv; args: Argv }
}

const script = (body: string, call: Script['call']): Script => ({
  body,
  sha: createHash('sha1').update(body).digest('hex'),
  call,
})

const declared: readonly Script[] = [
  script("redis.call('INCR', KEYS[1]); redis.call('RPUSH', KEYS[2], ARGV[1]); return 1", (w) => ({
    keys: [w.key('num'), w.key('list')],
    args: [w.member()],
  })),
  script("return redis.call('DEL', KEYS[1])", (w) => ({ keys: [w.anyKey()], args: [] })),
  script("local n = redis.call('INCR', KEYS[1]); return redis.call('LPUSH', KEYS[1], n)", (w) => ({
    keys: [w.key('num')],
    args: [],
  })),
  script("redis.call('SET', KEYS[1], redis.call('TIME')[2], 'PX', ARGV[1]); return redis.call('GET', KEYS[1])", (w) => ({
    keys: [w.key('str')],
    args: [w.lifetimeMs()],
  })),
  script("local m = redis.call('SPOP', KEYS[1]); if m then redis.call('SADD', KEYS[2], m) end; return m", (w) => ({
    keys: [w.key('set'), w.key('set')],
    args: [],
  })),
  script("redis.call('XADD', KEYS[1], '*', 'script', ARGV[1]); return redis.pcall('INCR', KEYS[1])", (w) => ({
    keys: [w.key('stream')],
    args: [w.member()],
  })),
  script("return redis.call('ZADD', KEYS[1], math.random(50), ARGV[1])", (w) => ({ keys: [w.key('zset')], args: [w.member()] })),
  script("return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])", (w) => ({
    keys: [w.key('hash')],
    args: [w.field(), w.value()],
  })),
]

/** Which keys it writes, only a server can know. */
const undeclared = script("return redis.call('APPEND', ARGV[1], 'u')", (w) => ({ keys: [], args: [w.key('str')] }))
/** Declares one key and writes another as well. */
const hidden = script("redis.call('APPEND', KEYS[1], 'h'); return redis.call('APPEND', ARGV[1], 'h')", (w) => ({
  keys: [w.key('str')],
  args: [w.key('str')],
}))
/** Writes its key in another database than the one it was called in. */
const elsewhere = script("redis.call('SELECT', ARGV[1]); return redis.call('APPEND', KEYS[1], 's')", (w) => ({
  keys: [w.key('str')],
  args: [w.db()],
}))
const reading = script("return redis.call('STRLEN', KEYS[1])", (w) => ({ keys: [w.key('str')], args: [] }))

function called(w: World, command: string, what: string, { call }: Script): Argv {
  const { keys, args } = call(w)
  return [command, what, keys.length, ...keys, ...args]
}

function anyScript(w: World): Script {
  if (w.random.chance(0.004)) return undeclared
  return w.mix.hidden && w.random.chance(0.02) ? w.pick(hidden, elsewhere) : w.random.pick(declared)
}

const libraryName = 'convergence'

/** Functions of this library do the same in every version of it, except for a number they write. */
export const library = (version: number): string => `#!lua name=${libraryName}
redis.register_function('conv_set', function(keys, args) return redis.call('SET', keys[1], args[1] .. '/${version}') end)
redis.register_function('conv_push', function(keys, args) return redis.call('RPUSH', keys[1], unpack(args)) end)
redis.register_function{function_name = 'conv_len', callback = function(keys) return redis.call('STRLEN', keys[1]) end,
  flags = {'no-writes'}}
`

const loadLibrary = (w: World): Argv => ['FUNCTION', 'LOAD', 'REPLACE', library(w.random.below(3))]

export const scripts = [
  ...family({
    eval: (w) => {
      const chosen = anyScript(w)
      return called(w, 'EVAL', chosen.body, chosen)
    },
    evalsha: (w) => {
      const chosen = w.random.pick(declared)
      return called(w, 'EVALSHA', chosen.sha, chosen)
    },
    fcall: (w) =>
      w.pick<Argv>(
        ['FCALL', 'conv_set', 1, w.key('str'), w.member()],
        ['FCALL', 'conv_push', 1, w.key('list'), w.member(), w.member()],
      ),
  }),
  ...family(
    {
      eval_ro: (w) => called(w, 'EVAL_RO', reading.body, reading),
      evalsha_ro: (w) => called(w, 'EVALSHA_RO', reading.sha, reading),
      fcall_ro: (w) => ['FCALL_RO', 'conv_len', 1, w.key('str')],
      'script|load': (w) => ['SCRIPT', 'LOAD', w.random.pick([...declared, reading]).body],
      'script|exists': (w) => ['SCRIPT', 'EXISTS', w.random.pick(declared).sha],
      'function|list': () => ['FUNCTION', 'LIST'],
      'function|dump': () => ['FUNCTION', 'DUMP'],
      'function|load': loadLibrary,
    },
    0.1,
  ),
  ...family(
    {
      'script|flush': (w) => ['SCRIPT', 'FLUSH', w.pick('SYNC', 'ASYNC')],
      'function|delete': () => ['FUNCTION', 'DELETE', libraryName],
      'function|flush': (w) => ['FUNCTION', 'FLUSH', w.pick('SYNC', 'ASYNC')],
      'function|restore': (w) => {
        const payload = w.memory.libraries.pick(w.random)
        return payload === undefined ? loadLibrary(w) : ['FUNCTION', 'RESTORE', payload, 'REPLACE']
      },
    },
    0.02,
  ),
]
