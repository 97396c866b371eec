import { family } from './family.ts'
import type { Argv, World } from './world.ts'

const groups = ['g1', 'g2']
const consumers = ['anna', 'bert', 'cleo']

const group = (w: World): string => w.random.pick(groups)
const consumer = (w: World): string => w.random.pick(consumers)

const trim = (w: World): Argv =>
  w.pick<Argv>(
    ['MAXLEN', w.random.between(3, 30)],
    ['MAXLEN', '=', w.random.between(3, 30)],
    ['MAXLEN', '~', w.random.between(3, 30)],
    ['MAXLEN', '~', 10, 'LIMIT', 5],
    ['MINID', `${Date.now() - w.random.between(0, 5_000)}`],
    ['MINID', '~', `${Date.now() - 2_000}`],
  )

const newId = (w: World): string =>
  w.random.chance(0.7) ? '*' : w.pick(`${Date.now()}-*`, `${Date.now()}-${w.random.below(1_000)}`, `${Date.now() + 1}`)

function onKey(w: World, make: (key: string) => Argv): Argv {
  return make(w.key('stream'))
}

/** One or two streams, with where to read from in each. */
function streamsFrom(w: World, from: (key: string) => string): Argv {
  const keys = w.keys('stream', 2)
  return ['STREAMS', ...keys, ...keys.map(from)]
}

const groupRead = (w: World, options: Argv): Argv => [
  'XREADGROUP',
  'GROUP',
  group(w),
  consumer(w),
  ...w.option(['COUNT', w.random.between(1, 4)]),
  ...options,
  ...w.option(['NOACK']),
  ...streamsFrom(w, (key) => (w.random.chance(0.8) ? '>' : w.pick('0', w.id(key)))),
]

const claim = (w: World): Argv => [
  ...w.option(['IDLE', w.random.below(900)], ['TIME', Date.now() - 500]),
  ...w.option(['RETRYCOUNT', w.random.below(9)]),
  ...w.option(['FORCE']),
  ...w.option(['JUSTID']),
  ...w.option(['LASTID', `${Date.now() - 100}-0`]),
]

const changes = family({
  xack: (w) => onKey(w, (key) => ['XACK', key, group(w), ...w.ids(key)]),
  xdel: (w) => onKey(w, (key) => ['XDEL', key, ...w.ids(key)]),
  xackdel: (w) => onKey(w, (key) => ['XACKDEL', key, group(w), ...w.option(['DELREF']), 'IDS', 1, w.id(key)]),
  xdelex: (w) => onKey(w, (key) => ['XDELEX', key, ...w.option(['ACKED']), 'IDS', 1, w.id(key)]),
  xtrim: (w) => ['XTRIM', w.key('stream'), ...trim(w)],
  xsetid: (w) => ['XSETID', w.key('stream'), `${Date.now() + 5}-0`, ...w.option(['ENTRIESADDED', 900, 'MAXDELETEDID', '5-0'])],
  'xgroup|createconsumer': (w) => ['XGROUP', 'CREATECONSUMER', w.key('stream'), group(w), consumer(w)],
  'xgroup|setid': (w) => onKey(w, (key) => ['XGROUP', 'SETID', key, group(w), w.pick('0', '$', w.id(key))]),
  xclaim: (w) => onKey(w, (key) => ['XCLAIM', key, group(w), consumer(w), w.pick(0, 50), ...w.ids(key), ...claim(w)]),
  xautoclaim: (w) => [
    'XAUTOCLAIM',
    w.key('stream'),
    group(w),
    consumer(w),
    w.pick(0, 50),
    '0',
    ...w.option(['COUNT', 3]),
    ...w.option(['JUSTID']),
  ],
})

export const streams = [
  ...changes,
  ...family(
    {
      xadd: (w) => [
        'XADD',
        w.key('stream'),
        ...w.option(['NOMKSTREAM']),
        ...w.option(trim(w)),
        newId(w),
        ...w.flat(2, () => [w.field(), w.member()]),
      ],
      xreadgroup: (w) => groupRead(w, []),
      'xgroup|create': (w) => [
        'XGROUP',
        'CREATE',
        w.key('stream'),
        group(w),
        w.pick('0', '$', `${Date.now()}-0`),
        ...w.option(['MKSTREAM']),
        ...w.option(['ENTRIESREAD', 3]),
      ],
    },
    3,
  ),
  ...family(
    {
      'xgroup|destroy': (w) => ['XGROUP', 'DESTROY', w.key('stream'), group(w)],
      'xgroup|delconsumer': (w) => ['XGROUP', 'DELCONSUMER', w.key('stream'), group(w), consumer(w)],
      xlen: (w) => ['XLEN', w.key('stream')],
      xrange: (w) => ['XRANGE', w.key('stream'), '-', '+', 'COUNT', 5],
      xrevrange: (w) => ['XREVRANGE', w.key('stream'), '+', '-', 'COUNT', 5],
      xread: (w) => ['XREAD', 'COUNT', 3, ...streamsFrom(w, (key) => w.pick('0', '$', w.id(key)))],
      xpending: (w) => ['XPENDING', w.key('stream'), group(w), ...w.option(['-', '+', 5], ['IDLE', 5, '-', '+', 9, consumer(w)])],
      'xinfo|stream': (w) => ['XINFO', 'STREAM', w.key('stream'), ...w.option(['FULL'])],
      'xinfo|groups': (w) => ['XINFO', 'GROUPS', w.key('stream')],
      'xinfo|consumers': (w) => ['XINFO', 'CONSUMERS', w.key('stream'), group(w)],
    },
    0.25,
  ),
]

const waitMs = (w: World): Argv => ['BLOCK', w.pick(10, 50, 200, 400)]

export const blockingStreams = family({
  xreadgroup: (w) => groupRead(w, waitMs(w)),
  xread: (w) => ['XREAD', 'COUNT', 2, ...waitMs(w), ...streamsFrom(w, () => '$')],
})
