/** `ferry verify --source … --target …`: the comparison without a running Ferry. Repair copies straight from the source; nothing else may write meanwhile. */
import { sidesBehind } from '../cluster/sides.ts'
import { FerryError } from '../errors.ts'
import { standstillSecondsMax, ttlToleranceMs as ttlToleranceDefaultMs } from '../limits.ts'
import { openStore } from '../state/store.ts'
import { connectClient } from '../upstream/client-factory.ts'
import { parseEndpoint } from '../upstream/endpoint.ts'
import { Turn } from '../upstream/turn.ts'
import { layoutOf, standAlone } from './stand-alone.ts'
import { Verification, type VerificationOptions } from './verify.ts'
import { type VerifyDocument, verifyDocument } from './verify-report.ts'

interface Options extends Omit<Partial<VerificationOptions>, 'repair' | 'notes' | 'onProgress' | 'databases'> {
  readonly source: string
  readonly target: string
  readonly repair: boolean
  /** SQLite file; null = the place is kept nowhere. */
  readonly state: string | null
  readonly onProgress: ((report: VerifyDocument) => void) | undefined
  /** As `target.databases` of the configuration. */
  readonly databases: string
}

const settleDefaultMs = 300
const roundsDefault = 3

/** @throws FerryError where it does not reach its end; `interrupted` says how it can be gone on with. */
export async function runVerify({ repair, state, onProgress, databases, ...options }: Options): Promise<VerifyDocument> {
  const layout = layoutOf(databases)
  const sides = { source: parseEndpoint(options.source), target: parseEndpoint(options.target) }
  const behind = sidesBehind(sides, new Turn(), layout)
  const { endpoints } = behind
  const store = state === null ? null : openStore(state)
  const alone = repair ? await standAlone(sides, null, null, layout, 'none', 0, standstillSecondsMax * 1000) : null
  const source = await connectClient(endpoints.source, 'verify')
  const target = await connectClient(endpoints.target, 'verify')
  const verification = new Verification({
    source,
    target,
    options: {
      ...options,
      databases: layout,
      ttlToleranceMs: options.ttlToleranceMs ?? ttlToleranceDefaultMs,
      rounds: options.rounds ?? roundsDefault,
      settleMs: options.settleMs ?? settleDefaultMs,
      ...(store !== null && { notes: store }),
      ...(alone !== null && { repair: (keys) => alone.copyKeys(keys) }),
      onProgress: (report) => onProgress?.(verifyDocument(report)),
    },
  })
  try {
    return verifyDocument(await verification.run())
  } catch (error) {
    if (alone?.fault.aborted) throw alone.fault.reason
    if (!(error instanceof FerryError) || error.code !== 'interrupted') throw error
    throw new FerryError('interrupted', hint(state), { cause: error })
  } finally {
    source.disconnect()
    target.disconnect()
    behind.stop()
    await alone?.stop()
    store?.close()
  }
}

const hint = (state: string | null): string =>
  state === null
    ? 'the verification was stopped; give --state to be able to go on later'
    : `the verification was stopped; the same command with --resume goes on (--state ${state})`
