import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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
