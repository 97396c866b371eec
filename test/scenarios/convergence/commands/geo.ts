import { family } from './family.ts'
import type { Argv, World } from './world.ts'

const longitude = (w: World): string => (w.random.next() * 6 + 10).toFixed(5)
const latitude = (w: World): string => (w.random.next() * 6 + 35).toFixed(5)
const radius = (w: World): Argv => [w.random.between(10, 900), 'km']
const from = (w: World): Argv => w.pick<Argv>(['FROMMEMBER', w.member()], ['FROMLONLAT', longitude(w), latitude(w)])
const shape = (w: World): Argv => w.pick<Argv>(['BYRADIUS', ...radius(w)], ['BYBOX', w.random.between(10, 900), ...radius(w)])
const store = (w: World): Argv => w.option(['STORE', w.key('geo')], ['STOREDIST', w.key('zset')])
const most = (w: World): Argv => w.option(['COUNT', 3], ['COUNT', 2, 'ANY'], ['ASC'], ['COUNT', 4, 'DESC'])

export const geo = [
  ...family({
    geoadd: (w) => [
      'GEOADD',
      w.key('geo'),
      ...w.option(['NX'], ['XX']),
      ...w.option(['CH']),
      ...w.flat(3, () => [longitude(w), latitude(w), w.member()]),
    ],
    georadius: (w) => ['GEORADIUS', w.key('geo'), longitude(w), latitude(w), ...radius(w), ...most(w), ...store(w)],
    georadiusbymember: (w) => ['GEORADIUSBYMEMBER', w.key('geo'), w.member(), ...radius(w), ...most(w), ...store(w)],
    geosearchstore: (w) => [
      'GEOSEARCHSTORE',
      w.key('geo'),
      w.key('geo'),
      ...from(w),
      ...shape(w),
      ...most(w),
      ...w.option(['STOREDIST']),
    ],
  }),
  ...family(
    {
      geosearch: (w) => ['GEOSEARCH', w.key('geo'), ...from(w), ...shape(w), ...w.option(['WITHDIST'])],
      geodist: (w) => ['GEODIST', w.key('geo'), w.member(), w.member()],
      geohash: (w) => ['GEOHASH', w.key('geo'), w.member()],
      geopos: (w) => ['GEOPOS', w.key('geo'), w.member()],
      georadius_ro: (w) => ['GEORADIUS_RO', w.key('geo'), longitude(w), latitude(w), ...radius(w)],
      georadiusbymember_ro: (w) => ['GEORADIUSBYMEMBER_RO', w.key('geo'), w.member(), ...radius(w)],
    },
    0.3,
  ),
]
