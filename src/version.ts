/** The version of the package, from the one place that has it; sources and build both lie one folder below it. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

export const ferryVersion = manifest.version
