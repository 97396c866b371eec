import { expect, test, vi } from 'vitest'
import type { Core } from '../../../src/dispatch/core.ts'
import { temporaryKey } from '../../../src/dispatch/typed/temporary-key.ts'
import { ChangedKeys, unplacedKeysMax } from '../../../src/mover/changed-keys.ts'

const databases = vi.hoisted(() => ({
  source: new Map([[0, {}]]),
  target: new Map([[4, {}]]),
  fails: 0,
}))
vi.mock('../../../src/mover/scan.ts', () => ({
  keyCounts: async (side: 'source' | 'target') => {
    if (databases.fails > 0) {
      databases.fails--
      throw new Error('gone')
    }
    return databases[side]
  },
}))

type Lanes = ConstructorParameters<typeof ChangedKeys>[1]
const lanes = { source: 'source', target: 'target' } as unknown as Lanes

async function keys() {
  databases.source = new Map([[0, {}]])
  const marked: string[] = []
  const overflowed = vi.fn()
  const journal = { mark: (db: number, key: Buffer, from: string) => marked.push(`${db}:${key} from ${from}`) }
  const changed = new ChangedKeys({ journal } as unknown as Core, lanes, overflowed)
  await changed.begin()
  return { changed, marked, overflowed }
}
const placed = (changed: ChangedKeys): Promise<void> => vi.waitFor(() => expect(changed.waiting).toBe(0))

test('a key without a database goes to each that has keys, had some on either side, or has some by now', async () => {
  const { changed, marked } = await keys()
  databases.source = new Map([[7, {}]])
  changed.add(null, [Buffer.from('k')])
  expect(changed.waiting).toBe(1)
  await placed(changed)
  expect(marked.sort()).toEqual(['0:k from source', '4:k from source', '7:k from source'])
})

test('one with a database goes there alone, and is not kept waiting', async () => {
  const { changed, marked } = await keys()
  changed.add(2, [Buffer.from('k')])
  expect(marked).toEqual(['2:k from source'])
})

test('none is lost while the source does not say which databases it has', async () => {
  const { changed, marked } = await keys()
  databases.fails = 2
  changed.add(null, [Buffer.from('a')])
  changed.add(null, [Buffer.from('b')])
  await placed(changed)
  expect(marked.sort()).toEqual(['0:a from source', '0:b from source', '4:a from source', '4:b from source'])
})

test('names of Ferry itself are passed over', async () => {
  const { changed, marked } = await keys()
  changed.add(0, [temporaryKey(Buffer.from('k'), '0123456789ab', 1)])
  expect(marked).toEqual([])
})

test('more than may wait are told as too many, and not kept', async () => {
  const { changed, overflowed } = await keys()
  const key = Buffer.from('k')
  changed.add(
    null,
    Array.from({ length: unplacedKeysMax }, () => key),
  )
  expect(overflowed).not.toHaveBeenCalled()
  changed.add(null, [key])
  expect(overflowed).toHaveBeenCalledWith(`more than ${unplacedKeysMax} changed keys wait`)
  expect(changed.waiting).toBe(unplacedKeysMax)
  await placed(changed)
}, 20_000)
