/** `ferry verify --source … --target …`: the comparison without a running Ferry. Repair copies straight from the source; nothing else may write meanwhile. */
import { ttlToleranceMs as ttlToleranceDefaultMs } from '../limits.ts'
import { connectClient } from '../upstream/client-factory.ts'
import { parseEndpoint } from '../upstream/endpoint.ts'
import { progressLine, standAlone, untilSignal } from './stand-alone.ts'
import { Verification } from './verify.ts'

interface Options {
  readonly source: string
  readonly target: string
  readonly json: boolean
  readonly repair: boolean
  readonly ttlToleranceMs: number | undefined
  readonly rounds: number | undefined
}

const settleMs = 300
const roundsDefault = 3
const exits = { equal: 0, different: 5 }

/** Resolves to the exit status: 0 equal, 5 differences left. Throws FerryError otherwise. */
export async function runVerify(options: Options): Promise<number> {
  const endpoints = { source: parseEndpoint(options.source), target: parseEndpoint(options.target) }
  const source = await connectClient(endpoints.source, 'verify')
  const target = await connectClient(endpoints.target, 'verify')
  const alone = options.repair ? await standAlone(endpoints, null) : null
  const signal = untilSignal()
  const verification = new Verification({
    source,
    target,
    options: {
      ttlToleranceMs: options.ttlToleranceMs ?? ttlToleranceDefaultMs,
      rounds: options.rounds ?? roundsDefault,
      settleMs,
      signal,
      ...(alone !== null && { repair: (keys) => alone.copyKeys(keys) }),
      ...(!options.json && {
        onProgress: (report) => progressLine(`compared ${report.keysCompared} keys, ${report.keysPerSecond}/s`),
      }),
    },
  })
  try {
    const report = await verification.run()
    const found = report.differences + report.missing + report.extra + report.ttlDifferences
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    else {
      progressLine('')
      process.stdout.write(
        `compared ${report.keysCompared} keys: ${report.differences} different, ${report.missing} missing, ${report.extra} extra, ` +
          `${report.ttlDifferences} with another expiry; ${report.repaired} repaired\n`,
      )
      for (const sample of report.samples)
        process.stdout.write(`  db ${sample.db} ${sample.kind} ${sample.key}: ${sample.detail}\n`)
    }
    return found - report.repaired > 0 ? exits.different : exits.equal
  } finally {
    source.disconnect()
    target.disconnect()
    await alone?.stop()
  }
}
