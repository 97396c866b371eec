/** Compares keys that are too long to be read whole, by what each server's own digest says; of streams also the groups and what is pending. */
import { RawConnection, type Reply } from '../../../src/demo/raw-connection.ts'

const pendingRows = 10_000

/** In words, one per difference. Nobody may write meanwhile. Both servers must have DEBUG, and store values alike. */
export async function compareLong(sourcePort: number, targetPort: number): Promise<string[]> {
  const [source, target] = await Promise.all([RawConnection.open(sourcePort), RawConnection.open(targetPort)])
  try {
    const keys = new Set([...(await keysOf(source)), ...(await keysOf(target))])
    const found: string[] = []
    for (const key of keys) {
      const [one, other] = [await factsOf(source, key), await factsOf(target, key)]
      for (const [name, fact] of one) if (other.get(name) !== fact) found.push(`${key}: ${name}: ${fact} and ${other.get(name)}`)
    }
    return found
  } finally {
    source.close()
    target.close()
  }
}

const keysOf = async (connection: RawConnection): Promise<string[]> =>
  ((await connection.command('KEYS', '*')) as Buffer[]).map(String)

async function factsOf(connection: RawConnection, key: string): Promise<Map<string, string>> {
  const type = String(await connection.command('TYPE', key))
  const facts = new Map([
    ['type', type],
    ['digest', String(await connection.command('DEBUG', 'DIGEST-VALUE', key))],
    ['ends', String(Math.round(Number(await connection.command('PTTL', key)) / 2_000))],
  ])
  if (type !== 'stream') return facts
  const info = (await connection.command('XINFO', 'STREAM', key)) as Reply[]
  for (const name of ['length', 'last-generated-id', 'entries-added'])
    facts.set(name, String(info[info.findIndex((word) => String(word) === name) + 1]))
  for (const group of (await connection.command('XINFO', 'GROUPS', key)) as Reply[][]) {
    const name = String(group[1])
    facts.set(`group ${name}`, group.map(String).join(' '))
    facts.set(`pending of ${name}`, (await pendingOf(connection, key, name)).join('\n'))
  }
  return facts
}

async function pendingOf(connection: RawConnection, key: string, group: string): Promise<string[]> {
  const all: string[] = []
  for (let start = '-'; ; ) {
    const rows = (await connection.command('XPENDING', key, group, start, '+', pendingRows)) as Reply[][]
    for (const [id, consumer, , deliveries] of rows) all.push(`${id} ${consumer} ${deliveries}`)
    if (rows.length < pendingRows) return all
    start = `(${rows.at(-1)?.[0]}`
  }
}
