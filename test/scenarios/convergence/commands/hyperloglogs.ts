import { family } from './family.ts'

export const hyperloglogs = family({
  pfadd: (w) => ['PFADD', w.key('hll'), ...w.some(20, () => w.random.word(5))],
  pfmerge: (w) => ['PFMERGE', w.key('hll'), ...w.keys('hll')],
  pfcount: (w) => ['PFCOUNT', ...w.keys('hll', 2)],
})
