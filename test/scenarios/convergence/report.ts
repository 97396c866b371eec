/** A run in print, and whether it is good. */
import type { StressReport } from './stress.ts'
import { exceptions } from './unused.ts'

/** `everything`: whether it was long enough to use every command. */
export const isGood = ({ comparison, tally, unused }: StressReport, everything: boolean): boolean =>
  comparison.differences.length + tally.wrong.length + tally.unexpected === 0 && (!everything || unused.length === 0)

const samplesShown = 20

export function printReport(report: StressReport): void {
  const { tally, deeds, comparison, refused, unused } = report
  for (const [name, words] of refused) console.log(`  SKIPPED, REFUSED BY FERRY: ${name}: ${words}`)
  console.log(
    `  ${tally.commands} commands, ${tally.reconnects} reconnects, ${tally.messages} messages heard, ${tally.conflicts} EXEC answered nil`,
  )
  console.log(`  ran: ${inOrder(tally.ran)}`)
  console.log(`  done to it: ${inOrder(new Map(Object.entries(deeds)))}`)
  console.log(`  errors: ${inOrder(tally.errors)}`)
  console.log(`  write commands never used: ${unused.length === 0 ? 'none' : unused.join(' ')}`)
  console.log(`  left out on purpose: ${[...exceptions].map(([name, why]) => `${name} (${why})`).join('; ')}`)
  for (const sample of tally.unexpectedSamples) console.log('  UNEXPECTED ERROR', sample)
  for (const wrong of tally.wrong) console.log('  WRONG', wrong)
  for (const { db, key, detail } of comparison.differences.slice(0, samplesShown))
    console.log(`  DIFFERENCE db ${db} ${JSON.stringify(key)}: ${detail}`)
  const { length } = comparison.differences
  console.log(
    `  ${comparison.keys} keys compared, ${length} differences, ${tally.wrong.length} wrong replies, ${tally.unexpected} unexpected errors`,
  )
}

const inOrder = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort(([, left], [, right]) => right - left)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
