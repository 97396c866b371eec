import { family } from './family.ts'
import type { Argv, World } from './world.ts'

const end = (w: World): string => w.pick('LEFT', 'RIGHT')

function numbered(w: World): Argv {
  const names = w.keys('list')
  return [names.length, ...names]
}

/** Seconds: long enough to be blocked, short enough not to hold up the end. */
const timeout = (w: World): string => w.pick('0.01', '0.05', '0.2', '0.4')

export const lists = [
  ...family({
    lpush: (w) => ['LPUSH', w.key('list'), ...w.some(3, () => w.member())],
    rpush: (w) => ['RPUSH', w.key('list'), ...w.some(3, () => w.pick(w.member(), w.value()))],
    lpushx: (w) => ['LPUSHX', w.key('list'), w.member()],
    rpushx: (w) => ['RPUSHX', w.key('list'), w.member()],
    lpop: (w) => ['LPOP', w.key('list'), ...w.option([w.random.below(3)])],
    rpop: (w) => ['RPOP', w.key('list'), ...w.option([w.random.below(3)])],
    ltrim: (w) => ['LTRIM', w.key('list'), 0, w.random.between(3, 30)],
    lrem: (w) => ['LREM', w.key('list'), w.random.between(-2, 2), w.member()],
    lset: (w) => ['LSET', w.key('list'), w.random.between(-2, 2), w.member()],
    linsert: (w) => ['LINSERT', w.key('list'), w.pick('BEFORE', 'AFTER'), w.member(), w.member()],
    lmove: (w) => ['LMOVE', w.key('list'), w.key('list'), end(w), end(w)],
    rpoplpush: (w) => ['RPOPLPUSH', w.key('list'), w.key('list')],
    lmpop: (w) => ['LMPOP', ...numbered(w), end(w), ...w.option(['COUNT', w.random.between(1, 3)])],
  }),
  ...family(
    {
      llen: (w) => ['LLEN', w.key('list')],
      lrange: (w) => ['LRANGE', w.key('list'), 0, -1],
      lindex: (w) => ['LINDEX', w.key('list'), w.random.below(4)],
      lpos: (w) => ['LPOS', w.key('list'), w.member(), ...w.option(['COUNT', 0])],
    },
    0.3,
  ),
]

export const blockingLists = family({
  blpop: (w) => ['BLPOP', ...w.keys('list'), timeout(w)],
  brpop: (w) => ['BRPOP', ...w.keys('list'), timeout(w)],
  blmove: (w) => ['BLMOVE', w.key('list'), w.key('list'), end(w), end(w), timeout(w)],
  brpoplpush: (w) => ['BRPOPLPUSH', w.key('list'), w.key('list'), timeout(w)],
  blmpop: (w) => ['BLMPOP', timeout(w), ...numbered(w), end(w), ...w.option(['COUNT', 2])],
})
