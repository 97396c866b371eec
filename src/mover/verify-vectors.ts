/**
 * Vector sets compared by meaning. The same set has another payload on each server: the graph is written in the order in which its nodes came,
 * which RESTORE turns round, and a search that finds neighbours in another order is as good.
 */
import type { Reply } from '../resp/decode.ts'
import { printable } from '../resp/printable.ts'
import { answered, bothLists, bothNumbers, list, type Pair, sameReply } from './verify-pair.ts'
import type { VerifyPipe } from './verify-pipe.ts'
import type { Argument } from './verify-requests.ts'

const windowMembers = 100
/** Of VINFO: how the vectors are kept. The rest is about the graph, and about how many there were. */
const settings = ['quant-type', 'hnsw-m', 'vector-dim', 'projection-input-dim']

/** What differs, or null. The members come in one reply: only for values that may be read in one piece. */
export async function compareVectorSets(pair: Pair, key: Buffer): Promise<string | null> {
  const [sourceSize, targetSize] = await bothNumbers(pair, ['VCARD', key])
  if (sourceSize !== targetSize) return `vector sets of ${sourceSize} and ${targetSize} members`
  const [source, target] = (await bothLists(pair, ['VINFO', key])).map(settingsIn)
  const setting = settings.find((name) => source?.get(name) !== target?.get(name))
  if (setting !== undefined) return `vector sets with ${setting} ${source?.get(setting)} and ${target?.get(setting)}`
  // At least as many as there are: each of them once.
  const members = (await list(pair.source, ['VRANDMEMBER', key, sourceSize])) as Buffer[]
  if (members.length !== sourceSize) return 'the vector set changed while it was read'
  for (let at = 0; at < members.length; at += windowMembers) {
    const window = members.slice(at, at + windowMembers)
    const [left, right] = await Promise.all([pair.source, pair.target].map((pipe) => vectorsOf(pipe, key, window)))
    const index = left?.findIndex((reply, i) => !sameReply(reply, right?.[i])) ?? -1
    if (index >= 0) return `member "${printable(window[index >> 1] as Buffer, 60)}" has another vector or other attributes`
  }
  return null
}

const settingsIn = (info: Reply[]): Map<string, string> =>
  new Map(info.flatMap((name, index) => (index % 2 === 0 ? [[String(name), String(info[index + 1])] as const] : [])))

/** Two replies for each member: the vector as it is kept, and the attributes. */
async function vectorsOf(pipe: VerifyPipe, key: Buffer, members: readonly Buffer[]): Promise<Reply[]> {
  const commands = members.flatMap((member): Argument[][] => [
    ['VEMB', key, member, 'RAW'],
    ['VGETATTR', key, member],
  ])
  return (await pipe.callAll(commands)).map(answered)
}
