import { family } from './family.ts'
import type { Argv, World } from './world.ts'

/** Conditions that only some engines know. */
function setConditions(w: World): Argv[] {
  const ifEqual = w.engine.is('valkey', 8.1)
  return [['NX'], ['XX'], ...(ifEqual ? [['IFEQ', w.random.word(3)]] : [])]
}

const number = (w: World): string => w.key('num')

export const strings = [
  ...family({
    append: (w) => ['APPEND', w.key('str'), w.value().slice(0, 6)],
    decr: (w) => ['DECR', number(w)],
    decrby: (w) => ['DECRBY', number(w), w.integer()],
    incr: (w) => ['INCR', number(w)],
    incrby: (w) => ['INCRBY', number(w), w.integer()],
    incrbyfloat: (w) => ['INCRBYFLOAT', number(w), w.float()],
    getdel: (w) => ['GETDEL', w.key('str')],
    getset: (w) => ['GETSET', w.key('str'), w.value()],
    getex: (w) => ['GETEX', w.key('str'), ...w.option(w.expiry(), ['PERSIST'])],
    mset: (w) => ['MSET', ...w.flat(4, () => [number(w), w.integer()])],
    msetnx: (w) => ['MSETNX', ...w.flat(3, () => [number(w), w.integer()])],
    msetex: (w) => ['MSETEX', 2, w.key('str'), w.value(), w.key('str'), w.value(), ...w.option(['NX'], ['XX']), ...w.expiry()],
    setnx: (w) => ['SETNX', w.key('str'), w.value()],
    setex: (w) => ['SETEX', w.key('str'), w.lifetimeSeconds(), w.value()],
    psetex: (w) => ['PSETEX', w.key('str'), w.lifetimeMs(), w.value()],
    setrange: (w) => ['SETRANGE', w.key('str'), w.random.below(30), w.random.word(4)],
    delex: (w) => ['DELEX', w.key('str'), ...w.option(['IFEQ', w.random.word(2)], ['IFNE', w.random.word(2)])],
    delifeq: (w) => ['DELIFEQ', number(w), w.integer()],
  }),
  ...family(
    {
      set: (w) => [
        'SET',
        w.key('str'),
        w.value(),
        ...w.option(...setConditions(w)),
        ...w.option(['GET']),
        ...w.option(w.expiry(), w.expiry(), ['KEEPTTL']),
      ],
    },
    3,
  ),
  ...family(
    {
      get: (w) => ['GET', w.pick(w.key('str'), number(w))],
      mget: (w) => ['MGET', ...w.keys('num', 4), ...w.keys('str')],
      strlen: (w) => ['STRLEN', w.key('str')],
      getrange: (w) => ['GETRANGE', w.key('str'), w.random.below(5), -1],
      substr: (w) => ['SUBSTR', w.key('str'), 0, w.random.below(9)],
      lcs: (w) => ['LCS', number(w), number(w), 'LEN'],
    },
    0.4,
  ),
]
