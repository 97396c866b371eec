/** The demo on a small data set, as its own process: it owns the signals and the standard output of whatever runs it. */
import { runDemo } from '../../../src/demo/main.ts'

process.exit(
  await runDemo({
    json: true,
    keys: process.argv[2] === 'broken' ? 40_000 : 8_000,
    seconds: 4,
    breakHold: process.argv[2] === 'broken',
  }),
)
