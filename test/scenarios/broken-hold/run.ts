/** The demo on a small data set, as its own process: it owns the signals and the standard output of whatever runs it. */
import { runDemo } from '../../../src/demo/main.ts'

process.exit(await runDemo({ json: true, keys: 20_000, seconds: 10, breakHold: process.argv[2] === 'broken' }))
