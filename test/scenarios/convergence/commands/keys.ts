/** What works on keys of any type. */
import { family } from './family.ts'
import type { Argv, World } from './world.ts'

const condition = (w: World): Argv => w.option(['NX'], ['XX'], ['GT'], ['LT'])

/** Before any payload was seen: no key loses anything by the error that this gives. */
const noPayload = Buffer.from('none')

function restore(w: World): Argv {
  const key = w.anyKey()
  const payload = w.memory.payload(key, w.random) ?? noPayload
  const [lifetime, ...absolute] = w.pick<Argv>([0], [w.lifetimeMs()], [w.momentMs(), 'ABSTTL'])
  return ['RESTORE', key, lifetime ?? 0, payload, ...absolute, ...w.option(['REPLACE']), ...w.option(['IDLETIME', 5])]
}

/** By number, by bytes, and by and with what other keys hold that no argument names. */
function sort(w: World): Argv {
  const key = w.pick(w.key('set'), w.key('list'), w.key('zset'))
  const elsewhere = w.option(['BY', 'nosort'], ['BY', `num:${w.tag}*`], ['BY', `hash:${w.tag}*->n1`])
  const got = w.option(['GET', '#'], ['GET', `str:${w.tag}*`, 'GET', '#'], ['GET', `hash:${w.tag}*->f1`])
  const order = [...w.option(['ASC'], ['DESC']), 'ALPHA']
  return [
    'SORT',
    key,
    ...elsewhere,
    ...w.option(['LIMIT', 0, w.random.below(9)]),
    ...got,
    ...order,
    ...w.option(['STORE', w.key('list')]),
  ]
}

export const keys = [
  ...family({
    sort,
    del: (w) => ['DEL', ...w.some(3, () => w.anyKey())],
    unlink: (w) => ['UNLINK', ...w.some(2, () => w.anyKey())],
    rename: (w) => ['RENAME', ...w.twoKeys()],
    renamenx: (w) => ['RENAMENX', ...w.twoKeys()],
    copy: (w) => ['COPY', ...w.twoKeys(), ...w.option(['DB', w.db()]), ...w.option(['REPLACE'])],
    move: (w) => ['MOVE', w.anyKey(), w.db()],
    persist: (w) => ['PERSIST', w.anyKey()],
    restore,
    expire: (w) => ['EXPIRE', w.anyKey(), w.lifetimeSeconds(), ...condition(w)],
    pexpire: (w) => ['PEXPIRE', w.anyKey(), w.lifetimeMs(), ...condition(w)],
    expireat: (w) => ['EXPIREAT', w.anyKey(), w.random.chance(0.1) ? 1 : w.momentSeconds(), ...condition(w)],
    pexpireat: (w) => ['PEXPIREAT', w.anyKey(), w.momentMs(), ...condition(w)],
  }),
  ...family(
    {
      dump: (w) => ['DUMP', w.anyKey()],
      exists: (w) => ['EXISTS', ...w.some(3, () => w.anyKey())],
      touch: (w) => ['TOUCH', ...w.some(3, () => w.anyKey())],
      type: (w) => ['TYPE', w.anyKey()],
      ttl: (w) => ['TTL', w.anyKey()],
      pttl: (w) => ['PTTL', w.anyKey()],
      expiretime: (w) => ['EXPIRETIME', w.anyKey()],
      pexpiretime: (w) => ['PEXPIRETIME', w.anyKey()],
      sort_ro: (w) => ['SORT_RO', w.key('set'), 'ALPHA', 'LIMIT', 0, 3],
      scan: (w) => ['SCAN', 0, ...w.option(['COUNT', 5]), ...w.option(['TYPE', 'list']), ...w.option(['MATCH', 's*'])],
      keys: () => ['KEYS', 'z*'],
      randomkey: () => ['RANDOMKEY'],
      dbsize: () => ['DBSIZE'],
      'object|encoding': (w) => ['OBJECT', 'ENCODING', w.anyKey()],
    },
    0.3,
  ),
]
