import { family } from './family.ts'

export const bitmaps = [
  ...family({
    setbit: (w) => ['SETBIT', w.key('bits'), w.random.below(400), w.random.below(2)],
    bitop: (w) =>
      w.pick(
        ['BITOP', w.pick('AND', 'OR', 'XOR'), w.key('bits'), ...w.keys('bits')],
        ['BITOP', 'NOT', w.key('bits'), w.key('bits')],
      ),
    bitfield: (w) => [
      'BITFIELD',
      w.key('bits'),
      ...w.option(['OVERFLOW', w.pick('SAT', 'WRAP', 'FAIL')]),
      ...w.pick(
        ['INCRBY', 'u8', w.random.below(60), w.integer()],
        ['SET', 'i5', `#${w.random.below(20)}`, w.random.below(15)],
        ['GET', 'u4', w.random.below(60), 'INCRBY', 'i16', 8, w.integer()],
        ['GET', 'u4', w.random.below(60)],
      ),
    ],
  }),
  ...family(
    {
      getbit: (w) => ['GETBIT', w.key('bits'), w.random.below(400)],
      bitcount: (w) => ['BITCOUNT', w.key('bits'), ...w.option([0, -1], [0, 30, 'BIT'])],
      bitpos: (w) => ['BITPOS', w.key('bits'), w.random.below(2)],
      bitfield_ro: (w) => ['BITFIELD_RO', w.key('bits'), 'GET', 'u8', w.random.below(40)],
    },
    0.3,
  ),
]
