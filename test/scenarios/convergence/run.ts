/** The stress for as long as wanted: `node run.ts --seconds 60 --rounds 10 --seed 1 --deeds copy,killFollower --no-short`. */
import { parseArgs } from 'node:util'
import { deedNames, stress } from './stress.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '12' },
    deeds: { type: 'string', default: deedNames.join() },
    short: { type: 'boolean', default: true },
    flush: { type: 'boolean', default: true },
    scripts: { type: 'boolean', default: true },
    users: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
  allowNegative: true,
})

let failed = 0
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = Number(values.seed) + round
  console.log(`seed ${seed}`)
  try {
    const { load, deeds, comparison, log } = await stress({
      seed,
      seconds: Number(values.seconds),
      clients: Number(values.clients),
      deeds: values.deeds.split(','),
      shortLived: values.short,
      flush: values.flush,
      scripts: values.scripts,
      users: values.users,
      ...(values.verbose && { log: (line: string) => console.log(line) }),
    })
    console.log(`  ${load.commands} commands, ${load.reconnects} reconnects, ${JSON.stringify(deeds)}`)
    console.log(`  errors ${JSON.stringify(Object.fromEntries(load.errors))}`)
    console.log(
      `  ${comparison.keysCompared} keys compared, ${comparison.differences} differences, ${load.wrong.length} wrong replies`,
    )
    for (const sample of comparison.samples) console.log('  DIFFERENCE', JSON.stringify(sample))
    for (const wrong of load.wrong) console.log('  WRONG', wrong)
    if (comparison.differences + load.wrong.length > 0) {
      failed++
      if (values.log) console.log(log)
    }
  } catch (error) {
    failed++
    console.log('  FAILED', (error as Error).message)
  }
}
console.log(`${failed} of ${values.rounds} rounds failed`)
process.exitCode = failed === 0 ? 0 : 1
