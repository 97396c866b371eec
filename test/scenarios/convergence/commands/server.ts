/** Commands on everything at once, and those that are no data at all. */
import { family } from './family.ts'

/** Each of these stops all writes for a moment and may put everything in doubt: rare. */
export const globals = family(
  {
    flushdb: (w) => ['FLUSHDB', ...w.option(['ASYNC'], ['SYNC'])],
    swapdb: (w) => ['SWAPDB', w.db(), w.db()],
  },
  0.03,
)

/** Reaches the databases of the checks as well: only before they begin. */
export const flushAll = family({ flushall: (w) => ['FLUSHALL', ...w.option(['ASYNC'], ['SYNC'])] }, 0.3)

export const others = family(
  {
    ping: () => ['PING'],
    echo: (w) => ['ECHO', w.value()],
    time: () => ['TIME'],
    'client|id': () => ['CLIENT', 'ID'],
    'client|setname': (w) => ['CLIENT', 'SETNAME', w.member()],
    publish: (w) => ['PUBLISH', `channel:${w.random.below(3)}`, w.member()],
    spublish: (w) => ['SPUBLISH', `shard:${w.random.below(3)}`, w.member()],
  },
  0.15,
)

/** Refused by every server; inside a transaction they end it. */
export const malformed = family({ 'no such command': () => ['NOSUCHCOMMAND'], 'wrong arity': () => ['GET'] }, 0.1)
