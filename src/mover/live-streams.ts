/** Streams whose groups may have been changed: found by a walk over all streams of the source, since nothing tells their names. */
import type { Lane } from '../upstream/lane.ts'
import { askServer, askServerAll } from './ask-server.ts'

const pageKeys = 1_000

/** `all` false: only those that have a group. @throws Error where the server refuses or is gone. */
export async function* groupedStreams(lane: Lane, db: number, all: boolean): AsyncGenerator<Buffer[]> {
  let cursor = '0'
  do {
    const [next, keys] = (await askServer(lane, db, ['SCAN', cursor, 'COUNT', pageKeys, 'TYPE', 'stream'])) as [Buffer, Buffer[]]
    cursor = next.toString()
    if (keys.length === 0) continue
    if (all) {
      yield keys
      continue
    }
    const groups = await askServerAll(
      lane,
      db,
      keys.map((key) => ['XINFO', 'GROUPS', key]),
    )
    // One that is gone, or is none any more, is told of as any key.
    yield keys.filter((_, i) => Array.isArray(groups[i]) && groups[i].length > 0)
  } while (cursor !== '0')
}
