/** A process that writes to a state file until it is killed. Prints what is committed: `<batches>` after each batch of ten keys. */
import { writeSync } from 'node:fs'
import { openStore } from '../../src/state/store.ts'

const store = openStore(process.argv[2] ?? '')
store.markRunning()
for (let batch = 0; ; batch += 1) {
  const keys = Array.from({ length: 10 }, (_, index) => Buffer.from(`${batch}:${index}`))
  store.saveDirty(keys.map((key) => ({ db: 0, key, from: 'source' as const, reason: 'test' })))
  store.saveCheckpoint('copy', { db: 0, cursor: String(batch), keysScanned: batch })
  writeSync(1, `${batch + 1}\n`)
}
