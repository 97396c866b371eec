import { family } from './family.ts'

export const sets = [
  ...family({
    sadd: (w) => ['SADD', w.key('set'), ...w.some(4, () => w.pick<string | number>(w.member(), w.integer()))],
    srem: (w) => ['SREM', w.key('set'), ...w.some(2, () => w.member())],
    spop: (w) => ['SPOP', w.key('set'), ...w.option([w.pick(0, 1, 2, 5, 1000)])],
    smove: (w) => ['SMOVE', w.key('set'), w.key('set'), w.member()],
    sdiffstore: (w) => ['SDIFFSTORE', w.key('set'), ...w.keys('set')],
    sinterstore: (w) => ['SINTERSTORE', w.key('set'), ...w.keys('set')],
    sunionstore: (w) => ['SUNIONSTORE', w.key('set'), ...w.keys('set')],
  }),
  ...family(
    {
      smembers: (w) => ['SMEMBERS', w.key('set')],
      scard: (w) => ['SCARD', w.key('set')],
      sismember: (w) => ['SISMEMBER', w.key('set'), w.member()],
      smismember: (w) => ['SMISMEMBER', w.key('set'), w.member(), w.member()],
      srandmember: (w) => ['SRANDMEMBER', w.key('set'), ...w.option([-3])],
      sdiff: (w) => ['SDIFF', ...w.keys('set')],
      sinter: (w) => ['SINTER', ...w.keys('set')],
      sunion: (w) => ['SUNION', ...w.keys('set')],
      sintercard: (w) => ['SINTERCARD', 2, w.key('set'), w.key('set'), ...w.option(['LIMIT', 2])],
      sscan: (w) => ['SSCAN', w.key('set'), 0],
    },
    0.3,
  ),
]
