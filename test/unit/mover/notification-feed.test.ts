import { expect, test } from 'vitest'
import { lackingIn } from '../../../src/mover/notification-feed.ts'

test.each([
  ['', 'Eg$lshzxet'],
  ['AKE', ''],
  ['AE', ''],
  ['AK', ''],
  ['A', 'E'],
  ['Kg$lshzxet', ''],
  ['Kg$lshzxetmn', ''],
  ['Ex', 'g$lshzet'],
])('%s lacks %s', (value, lacking) => {
  expect(lackingIn(value)).toBe(lacking)
})
