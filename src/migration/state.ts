/** What the migration remembers: one document, saved at every change. */
import { z } from 'zod'
import { migrationStates, phases, ratioUnits, readModes, strategies, writePolicies } from '../routing/modes.ts'
import type { Store } from '../state/store.ts'

/** What the target had before Ferry wrote to it. */
const targetKeys = z.object({
  /** Without credentials. Another one has to be asked anew. */
  address: z.string(),
  /**
   * `unasked`: it could not be reached yet; `empty`; `foreign`: it has keys of somebody else's, and nobody has given them up; `ours`: it was
   * empty when the first write went there, or its keys were given up.
   */
  state: z.enum(['unasked', 'empty', 'foreign', 'ours']),
  /** Clients may have written to it through Ferry while it was not `ours`. */
  written: z.boolean(),
  /** How many it had when they were found. */
  keys: z.number(),
  /** What was found, for people. */
  text: z.string().nullable(),
})

const schema = z.object({
  phase: z.enum(phases),
  state: z.enum(migrationStates),
  strategy: z.enum(strategies).nullable(),
  writePolicy: z.enum(writePolicies),
  readMode: z.enum(readModes),
  readPercentage: z.number(),
  ratioBy: z.enum(ratioUnits),
  tenants: z.array(z.string()),
  coveredSlots: z.number().int(),
  resyncReason: z.string().nullable(),
  /** A bulk copy was under way. */
  moving: z.boolean(),
  verifiedAt: z.string().nullable(),
  verifiedDifferences: z.number().nullable(),
  /** When the one that ended at `verifiedAt` began. */
  verifiedFrom: z.string().nullable().default(null),
  /** When it was last known that the sides may differ in more than single keys: a verification that began earlier says nothing. */
  unsureAt: z.string().nullable().default(null),
  /** Null: of a process that did not ask yet; what it began goes on. */
  targetKeys: targetKeys.nullable().default(null),
})

export type TargetKeysRecord = z.infer<typeof targetKeys>
export type MigrationRecord = z.infer<typeof schema>

const documentName = 'migration'

export function loadMigration(store: Store): MigrationRecord | null {
  const parsed = schema.safeParse(store.loadDocument(documentName))
  return parsed.success ? parsed.data : null
}

export function saveMigration(store: Store, record: MigrationRecord): void {
  store.saveDocument(documentName, record)
}
