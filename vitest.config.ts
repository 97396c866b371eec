import { configDefaults, defineConfig } from 'vitest/config'

/** What takes longest of all tests; `npm run test:all` and every submission run them, too. */
const long = [
  'test/support/{redis-cluster,sentinel}.test.ts',
  'test/integration/cluster/{migration,resume,scripts}.test.ts',
  'test/integration/databases/{wire,migration,folded}.test.ts',
  'test/integration/mover/{carried-access-by-type,foreign-target,live-copy,long-pace,long-streams,one-sided,strings-of-their-own-way,strings-of-many-reads,verify-gate,verify-resume}.test.ts',
  'test/integration/proxy/{cluster-mode,lost-writes}.test.ts',
  'test/scenarios/{broken-hold,killed-in-backfill,restart-in-backfill,subscribers-through-cutover}/*.test.ts',
  'test/scenarios/convergence/mutants.test.ts',
]

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env.FERRY_TESTS === 'all' ? configDefaults.exclude : [...configDefaults.exclude, ...long],
    // A process per file: tests open sockets, start servers and send signals, and must not share any of it.
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    env: {
      DD_TRACE_ENABLED: 'false',
      // Every Ferry that a test starts is a process of its own: a third of its start is reading the same sources.
      NODE_COMPILE_CACHE: new URL('node_modules/.cache/compiled', import.meta.url).pathname,
    },
  },
})
