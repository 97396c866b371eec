/** Names this start of the machine. What was written and not synced is there as long as it is the same, and only then. */
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

const bootIdFile = '/proc/sys/kernel/random/boot_id'
/** Two readings of clock and uptime give the same start within this. A step of the clock looks like another start, which is safe. */
const roundSeconds = 10

export function machineStart(): string {
  try {
    return readFileSync(bootIdFile, 'utf8').trim()
  } catch {
    // Only Linux has it.
    return `since ${Math.round((Date.now() / 1000 - uptime()) / roundSeconds)}`
  }
}
