/**
 * Where a verification is, kept so that another process can go on with it. Cursors belong to one run of one server: where either server was
 * started anew, or failed over, what was found equal may not be so any more, and the verification begins anew.
 */
import { z } from 'zod'
import { sides } from '../routing/modes.ts'
import type { LocatedFinding } from './verify-finding.ts'
import type { Findings } from './verify-findings.ts'
import { looks } from './verify-tally.ts'

/** The part of the state file that a verification writes to. */
export interface VerifyNotes {
  loadDocument(name: string): unknown | null
  saveDocument(name: string, value: unknown): void
  removeDocument(name: string): void
}

const count = z.number().int().nonnegative()
const schema = z.object({
  version: z.literal(1),
  /** What must be the same for the rest to go on from here. */
  terms: z.object({
    addresses: z.array(z.string()),
    runIds: z.array(z.string()),
    ttlToleranceMs: z.number(),
    samplePercent: z.number(),
  }),
  startedAt: z.string(),
  /** Both sides are read, what is left is to look again; then there is no place. */
  through: z.boolean(),
  place: z.object({ db: count, side: z.enum(sides), cursor: z.string().regex(/^\d{1,20}$/) }).nullable(),
  keysScanned: count,
  tally: z.object({ types: z.record(z.string(), count), looks: z.record(z.enum(looks), count) }),
  findingParts: count,
})

export type VerifyPlace = NonNullable<z.infer<typeof schema>['place']>
export type VerifyTerms = z.infer<typeof schema>['terms']
export type VerifyCheckpoint = Omit<z.infer<typeof schema>, 'version' | 'findingParts'>

const documentName = 'verification'
/** Findings of one document: it is written in one piece. */
const partFindings = 10_000

const part = z.array(z.tuple([count, z.string(), z.string(), z.enum(['missing', 'extra', 'type', 'value', 'ttl']), z.string()]))
const partName = (index: number): string => `verification-findings-${index}`

export class VerifyCheckpoints {
  readonly #notes: VerifyNotes
  #parts = 0

  constructor(notes: VerifyNotes) {
    this.#notes = notes
  }

  /** What an earlier process left, its findings into `findings`; a text says why it cannot be gone on with. */
  resume(terms: VerifyTerms, findings: Findings): VerifyCheckpoint | string {
    const parsed = schema.safeParse(this.#notes.loadDocument(documentName))
    if (!parsed.success) return 'from the beginning: no verification was interrupted'
    const { terms: before, findingParts, ...checkpoint } = parsed.data
    const reason = changed(before, terms)
    if (reason !== null) return `from the beginning: ${reason}`
    const restored: LocatedFinding[] = []
    for (let index = 0; index < findingParts; index++) {
      const rows = part.safeParse(this.#notes.loadDocument(partName(index)))
      if (!rows.success) return 'from the beginning: what was found is not legible any more'
      for (const [db, key, type, kind, detail] of rows.data)
        restored.push({ db, key: Buffer.from(key, 'base64'), type, kind, detail })
    }
    for (const finding of restored) findings.restore(finding)
    this.#parts = findingParts
    return { terms: before, ...checkpoint }
  }

  /** What was added to `findings` since the last time goes along. A crash in between leaves the former checkpoint as it was. */
  save(checkpoint: VerifyCheckpoint, findings: Findings): void {
    const unsaved = findings.takeUnsaved()
    for (let at = 0; at < unsaved.length; at += partFindings) {
      const rows = unsaved.slice(at, at + partFindings)
      this.#notes.saveDocument(
        partName(this.#parts++),
        rows.map(({ db, key, type, kind, detail }) => [db, key.toString('base64'), type, kind, detail]),
      )
    }
    this.#notes.saveDocument(documentName, { version: 1, findingParts: this.#parts, ...checkpoint })
  }

  /** Whatever an earlier process left, too. */
  clear(): void {
    const parsed = schema.safeParse(this.#notes.loadDocument(documentName))
    const parts = Math.max(this.#parts, parsed.success ? parsed.data.findingParts : 0)
    this.#notes.removeDocument(documentName)
    for (let index = 0; index < parts; index++) this.#notes.removeDocument(partName(index))
    this.#parts = 0
  }
}

function changed(before: VerifyTerms, now: VerifyTerms): string | null {
  if (before.addresses.join() !== now.addresses.join()) return 'it was of other servers'
  for (const [index, side] of sides.entries()) {
    if (!now.runIds[index]) return `the ${side} does not tell its run id, to which a cursor belongs`
    if (before.runIds[index] !== now.runIds[index]) return `the ${side} was started anew, or is another server`
  }
  if (before.ttlToleranceMs !== now.ttlToleranceMs) return 'the tolerance is another one'
  return before.samplePercent === now.samplePercent ? null : 'the sample is another one'
}
