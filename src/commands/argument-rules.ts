/** Commands that are a read, the same everywhere, or not, by their arguments. No frame is changed here. */
import { type ArgView, argInteger, argIs } from './arg-view.ts'
import { allCommands } from './catalogue.ts'
import { createKeyList, keyPositions } from './keys.ts'
import { copy, plain, type Rewritten, read } from './rewritten.ts'
import { type CommandSpec, KeyForm } from './spec.ts'

const scratch = createKeyList()
const specOfForm = (form: KeyForm) => allCommands.find((spec) => spec.keyForm === form) as CommandSpec
const sortSpec = specOfForm(KeyForm.Sort)
const geoRadiusSpec = specOfForm(KeyForm.GeoRadius)

/** One key: it reads. Two: it stores, and what it stores may differ between two servers. */
function readUnlessStored(spec: CommandSpec, args: ArgView): Rewritten {
  return keyPositions(spec, args, scratch) === 1 ? read : copy
}

/**
 * A stored result is ordered by number or by bytes, ties by bytes (sortCompare of both families), so it is the same everywhere. BY leaves
 * ties to the server, and like GET it reads keys that nobody names.
 */
export function sort(args: ArgView): Rewritten {
  const verdict = readUnlessStored(sortSpec, args)
  if (verdict.how === 'read' || !scratch.valid) return verdict
  for (let i = 2; i < args.argc; i++) {
    if (argIs(args, i, 'by') || argIs(args, i, 'get')) return copy
    if (argIs(args, i, 'store')) i++
  }
  return plain
}

/** Distances come from the C library, and so does who is inside the radius. */
export function geoRadius(args: ArgView): Rewritten {
  return readUnlessStored(geoRadiusSpec, args)
}

export function bitfield(args: ArgView): Rewritten {
  let writes = false
  for (let i = 2; i < args.argc; ) {
    if (argIs(args, i, 'get')) i += 3
    else if (argIs(args, i, 'overflow')) i += 2
    else if (argIs(args, i, 'set') || argIs(args, i, 'incrby')) {
      writes = true
      i += 4
    } else return copy
    if (i > args.argc) return copy
  }
  return writes ? plain : read
}

/** COPY: source, destination, DB, REPLACE. */
export function copyKey(args: ArgView): Rewritten {
  for (let i = 3; i < args.argc; i++) {
    if (argIs(args, i, 'db') && argInteger(args, i + 1) >= 0) i++
    else if (!argIs(args, i, 'replace')) return copy
  }
  return plain
}

/** MOVE: key, database. */
export function move(args: ArgView): Rewritten {
  return argInteger(args, 2) >= 0 ? plain : copy
}

/** With one key it may store the count in the value; over several it only reads. */
export function pfcount(args: ArgView): Rewritten {
  return args.argc === 2 ? plain : read
}

/**
 * ZUNIONSTORE, ZINTERSTORE. A sum of three scores depends on its order, which ties in size leave open; a product then a sum may be
 * rounded once or twice, by architecture.
 */
export function storeOfScores(args: ArgView): Rewritten {
  const count = argInteger(args, 2)
  let weighted = false
  let summed = true
  let i = 3 + count
  if (!(count > 0) || i > args.argc) return copy
  while (i < args.argc) {
    if (argIs(args, i, 'weights')) {
      weighted = true
      i += 1 + count
    } else if (argIs(args, i, 'aggregate')) {
      summed = argIs(args, i + 1, 'sum')
      if (!summed && !argIs(args, i + 1, 'min') && !argIs(args, i + 1, 'max')) return copy
      i += 2
    } else return copy
  }
  if (i !== args.argc) return copy
  return count === 1 || !summed || (count === 2 && !weighted) ? plain : copy
}
