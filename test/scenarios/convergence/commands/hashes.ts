import { family } from './family.ts'
import type { Argv, World } from './world.ts'

const condition = (w: World): Argv => w.option(['NX'], ['XX'], ['GT'], ['LT'])

function fields(w: World): Argv {
  const names = w.some(3, () => w.field())
  return ['FIELDS', names.length, ...names]
}

function pairs(w: World): Argv {
  const list = w.some(3, () => [w.field(), w.value()])
  return ['FIELDS', list.length, ...list.flat()]
}

export const hashes = [
  ...family({
    hset: (w) => ['HSET', w.key('hash'), ...w.flat(4, () => [w.field(), w.value()])],
    hmset: (w) => ['HMSET', w.key('hash'), ...w.flat(3, () => [w.field(), w.value()])],
    hsetnx: (w) => ['HSETNX', w.key('hash'), w.field(), w.value()],
    hdel: (w) => ['HDEL', w.key('hash'), ...w.some(2, () => w.field())],
    hincrby: (w) => ['HINCRBY', w.key('hash'), `n${w.random.below(3)}`, w.integer()],
    hincrbyfloat: (w) => ['HINCRBYFLOAT', w.key('hash'), `n${w.random.below(3)}`, w.float()],
    hexpire: (w) => ['HEXPIRE', w.key('hash'), w.lifetimeSeconds(), ...condition(w), ...fields(w)],
    hpexpire: (w) => ['HPEXPIRE', w.key('hash'), w.lifetimeMs(), ...condition(w), ...fields(w)],
    hexpireat: (w) => ['HEXPIREAT', w.key('hash'), w.momentSeconds(), ...condition(w), ...fields(w)],
    hpexpireat: (w) => ['HPEXPIREAT', w.key('hash'), w.momentMs(), ...condition(w), ...fields(w)],
    hpersist: (w) => ['HPERSIST', w.key('hash'), ...fields(w)],
    hsetex: (w) => ['HSETEX', w.key('hash'), ...w.option(['FNX'], ['FXX']), ...w.option(w.expiry(), ['KEEPTTL']), ...pairs(w)],
    hgetex: (w) => ['HGETEX', w.key('hash'), ...w.option(w.expiry(), ['PERSIST']), ...fields(w)],
    hgetdel: (w) => ['HGETDEL', w.key('hash'), ...fields(w)],
  }),
  ...family(
    {
      hget: (w) => ['HGET', w.key('hash'), w.field()],
      hmget: (w) => ['HMGET', w.key('hash'), w.field(), w.field()],
      hgetall: (w) => ['HGETALL', w.key('hash')],
      hkeys: (w) => ['HKEYS', w.key('hash')],
      hvals: (w) => ['HVALS', w.key('hash')],
      hlen: (w) => ['HLEN', w.key('hash')],
      hexists: (w) => ['HEXISTS', w.key('hash'), w.field()],
      hstrlen: (w) => ['HSTRLEN', w.key('hash'), w.field()],
      hrandfield: (w) => ['HRANDFIELD', w.key('hash'), ...w.option([2], [-3, 'WITHVALUES'])],
      hscan: (w) => ['HSCAN', w.key('hash'), 0],
      httl: (w) => ['HTTL', w.key('hash'), ...fields(w)],
      hpexpiretime: (w) => ['HPEXPIRETIME', w.key('hash'), ...fields(w)],
    },
    0.3,
  ),
]
