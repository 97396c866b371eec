/** All that a stream holds beside its entries: counters, groups with their places, consumers, who has which entry since when, how often. */
import type { RawConnection, Reply } from '../../../src/demo/raw-connection.ts'

/** By name; a name with a tilde is a time in milliseconds. */
export async function streamParts(connection: RawConnection, key: string): Promise<Map<string, string>> {
  const parts = new Map<string, string>()
  const info = fields((await connection.command('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)) as Reply[])
  for (const name of ['length', 'last-generated-id', 'max-deleted-entry-id', 'entries-added', 'recorded-first-entry-id'])
    parts.set(name, text(info.get(name)))
  for (const entry of (info.get('entries') ?? []) as Reply[][]) parts.set(`entry ${text(entry[0])}`, text(entry[1]))
  for (const group of (info.get('groups') ?? []) as Reply[][]) groupParts(fields(group), parts)
  return parts
}

function groupParts(group: Map<string, Reply>, parts: Map<string, string>): void {
  const name = `group ${text(group.get('name'))}`
  parts.set(`${name} last delivered`, text(group.get('last-delivered-id')))
  parts.set(`${name} entries read`, text(group.get('entries-read')))
  for (const consumer of (group.get('consumers') ?? []) as Reply[][])
    parts.set(`${name} consumer ${text(fields(consumer).get('name'))}`, 'there')
  for (const pending of (group.get('pending') ?? group.get('pel') ?? []) as Reply[][]) {
    const [id, consumer, deliveredMs, deliveries] = pending.map(text)
    parts.set(`${name} pending ${id}`, `${consumer}, delivered ${deliveries} times`)
    parts.set(`~delivery to ${name} of ${id}`, deliveredMs ?? '')
  }
}

function text(reply: Reply | undefined): string {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  return Array.isArray(reply) ? reply.map(text).join('\0') : String(reply)
}

function fields(flat: readonly Reply[]): Map<string, Reply> {
  const made = new Map<string, Reply>()
  for (let position = 0; position + 1 < flat.length; position += 2) made.set(text(flat[position]), flat[position + 1] as Reply)
  return made
}
