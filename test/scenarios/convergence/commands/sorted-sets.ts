import { family } from './family.ts'
import type { Argv, World } from './world.ts'

function numbered(w: World): Argv {
  const names = w.some(3, () => w.key('zset'))
  return [names.length, ...names]
}

function weighted(w: World): Argv {
  const source = numbered(w)
  const weights = Array.from({ length: Number(source[0]) }, () => w.pick<string | number>(1, 2, '0.5', '-1'))
  return [...source, ...w.option(['WEIGHTS', ...weights]), ...w.option(['AGGREGATE', w.pick('SUM', 'MIN', 'MAX')])]
}

/** GT and LT exclude each other and NX. */
const additions = (w: World): Argv => [...w.option(['NX'], ['XX'], ['GT'], ['LT'], ['XX', 'GT']), ...w.option(['CH'])]

const timeout = (w: World): string => w.pick('0.01', '0.05', '0.2', '0.4')
const which = (w: World): string => w.pick('MIN', 'MAX')

export const sortedSets = [
  ...family({
    zadd: (w) =>
      w.random.chance(0.15)
        ? ['ZADD', w.key('zset'), 'INCR', w.float(), w.member()]
        : [
            'ZADD',
            w.key('zset'),
            ...additions(w),
            ...w.flat(4, () => [w.pick<string | number>(w.score(), w.float()), w.member()]),
          ],
    zincrby: (w) => ['ZINCRBY', w.key('zset'), w.float(), w.member()],
    zrem: (w) => ['ZREM', w.key('zset'), ...w.some(2, () => w.member())],
    zpopmin: (w) => ['ZPOPMIN', w.key('zset'), ...w.option([2])],
    zpopmax: (w) => ['ZPOPMAX', w.key('zset'), ...w.option([2])],
    zmpop: (w) => ['ZMPOP', ...numbered(w), which(w), ...w.option(['COUNT', 2])],
    zrangestore: (w) => [
      'ZRANGESTORE',
      w.key('zset'),
      w.key('zset'),
      ...w.pick<Argv>([0, w.random.below(9)], [0, 4, 'REV'], ['(5', '+inf', 'BYSCORE', 'LIMIT', 0, 5], ['-', '+', 'BYLEX']),
    ],
    zunionstore: (w) => ['ZUNIONSTORE', w.key('zset'), ...weighted(w)],
    zinterstore: (w) => ['ZINTERSTORE', w.key('zset'), ...weighted(w)],
    zdiffstore: (w) => ['ZDIFFSTORE', w.key('zset'), ...numbered(w)],
    zremrangebyrank: (w) => ['ZREMRANGEBYRANK', w.key('zset'), w.random.between(5, 12), -1],
    zremrangebyscore: (w) => ['ZREMRANGEBYSCORE', w.key('zset'), w.score(), '+inf'],
    zremrangebylex: (w) => ['ZREMRANGEBYLEX', w.key('zset'), '[m2', '(m5'],
  }),
  ...family(
    {
      zcard: (w) => ['ZCARD', w.key('zset')],
      zcount: (w) => ['ZCOUNT', w.key('zset'), '-inf', w.score()],
      zlexcount: (w) => ['ZLEXCOUNT', w.key('zset'), '-', '[m5'],
      zmscore: (w) => ['ZMSCORE', w.key('zset'), w.member(), w.member()],
      zscore: (w) => ['ZSCORE', w.key('zset'), w.member()],
      zrank: (w) => ['ZRANK', w.key('zset'), w.member()],
      zrevrank: (w) => ['ZREVRANK', w.key('zset'), w.member()],
      zrange: (w) => ['ZRANGE', w.key('zset'), 0, -1, ...w.option(['REV']), ...w.option(['WITHSCORES'])],
      zrangebyscore: (w) => ['ZRANGEBYSCORE', w.key('zset'), '-inf', w.score(), ...w.option(['WITHSCORES'])],
      zrevrange: (w) => ['ZREVRANGE', w.key('zset'), 0, 4],
      zrandmember: (w) => ['ZRANDMEMBER', w.key('zset'), 2],
      zdiff: (w) => ['ZDIFF', ...numbered(w)],
      zinter: (w) => ['ZINTER', ...weighted(w)],
      zunion: (w) => ['ZUNION', ...weighted(w), ...w.option(['WITHSCORES'])],
      zintercard: (w) => ['ZINTERCARD', ...numbered(w)],
      zscan: (w) => ['ZSCAN', w.key('zset'), 0],
    },
    0.3,
  ),
]

export const blockingSortedSets = family({
  bzpopmin: (w) => ['BZPOPMIN', ...w.keys('zset'), timeout(w)],
  bzpopmax: (w) => ['BZPOPMAX', ...w.keys('zset'), timeout(w)],
  bzmpop: (w) => ['BZMPOP', timeout(w), ...numbered(w), which(w), ...w.option(['COUNT', 2])],
})
