/** Compares keys that are too long to be read whole, by what each server's own digest says; of streams also the groups and what is pending. */
import { RawConnection, type Reply } from '../../../src/demo/raw-connection.ts'

const pendingRows = 10_000

/**
 * In words, one per difference. Nobody may write meanwhile. All servers must have DEBUG, and store values alike. A side is one server, or
 * those of a cluster.
 */
export async function compareLong(sourcePorts: readonly number[], targetPorts: readonly number[]): Promise<string[]> {
  const [source, target] = [await factsOn(sourcePorts), await factsOn(targetPorts)]
  const found: string[] = []
  for (const key of new Set([...source.keys(), ...target.keys()])) {
    const [one, other] = [source.get(key), target.get(key)]
    for (const name of new Set([...(one?.keys() ?? []), ...(other?.keys() ?? [])]))
      if (one?.get(name) !== other?.get(name)) found.push(`${key}: ${name}: ${one?.get(name)} and ${other?.get(name)}`)
  }
  return found
}

async function factsOn(ports: readonly number[]): Promise<Map<string, Map<string, string>>> {
  const all = new Map<string, Map<string, string>>()
  for (const port of ports) {
    const connection = await RawConnection.open(port)
    for (const key of await keysOf(connection)) all.set(key, await factsOf(connection, key))
    connection.close()
  }
  return all
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
