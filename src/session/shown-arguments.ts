/** The arguments of a large frame as far as they are looked at: names and keys. Longer ones are values. */
import { type ArgView, argViewOf } from '../commands/arg-view.ts'
import { createKeyList, keyPositions } from '../commands/keys.ts'
import { specOf } from '../dispatch/command-keys.ts'
import type { LargeFrame } from '../resp/large-frame.ts'

const shownBytesMax = 65_536

/** Values too long to be names are left empty. Keys are always there. */
export function shownArguments(large: LargeFrame): ArgView {
  const args: Buffer[] = []
  for (let i = 0; i < large.argc; i++) args.push(large.argumentLength(i) > shownBytesMax ? Buffer.alloc(0) : large.argument(i))
  const view = argViewOf(args)
  const keys = createKeyList()
  keyPositions(specOf(view), view, keys)
  let whole = true
  for (let i = 0; i < keys.count; i++) {
    const at = keys.positions[i] as number
    if (large.argumentLength(at) <= shownBytesMax) continue
    args[at] = large.argument(at)
    whole = false
  }
  return whole ? view : argViewOf(args)
}
