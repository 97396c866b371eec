/**
 * The same scene played at two addresses: what several clients say, one line after the other, and the bytes that each of them gets. Only
 * what names a connection, its age or its memory is masked, so that a scene through Ferry can be held against a server's own.
 *
 * A line is `who: COMMAND words`, where `{who}` is that client's number and `{@who}` its address. `who> …` sends without waiting for a
 * reply, `who<` takes one that is due, `who!` waits for the connection to be closed.
 */
import { bulk, WireClient } from './wire-client.ts'

interface Actor {
  readonly client: WireClient
  readonly id: string
  readonly address: string
}

const line = /^(\w+)([:><!]) ?(.*)$/

/** What was answered, a reply for each line that takes one; `closed` where the connection went. */
export async function played(port: number, scene: readonly string[]): Promise<string[]> {
  const actors = new Map<string, Actor>()
  const heard: string[] = []
  try {
    for (const text of scene) {
      const [, name = '', how = '', words = ''] = line.exec(text) ?? []
      const { client } = actors.get(name) ?? (await enter(actors, name, port))
      if (how === '!') {
        await client.untilClosed()
        heard.push(`${name} ${masked(client.received, actors, port)} closed`)
        continue
      }
      if (how !== '<') client.socket.write(encoded(words, actors))
      if (how !== '>') heard.push(`${name} ${masked((await client.take(1))[0] as string, actors, port)}`)
    }
    return heard
  } catch (error) {
    throw new Error(`after ${heard.length} replies of ${JSON.stringify(scene)}: ${(error as Error).message}`, { cause: error })
  } finally {
    for (const { client } of actors.values()) client.close()
  }
}

async function enter(actors: Map<string, Actor>, name: string, port: number): Promise<Actor> {
  const client = await WireClient.open(port)
  const id = (await client.ask('CLIENT ID')).slice(1, -2)
  const { address } = client.socket.address() as { address: string }
  const actor = { client, id, address: `${address}:${client.socket.localPort}` }
  actors.set(name, actor)
  return actor
}

/** Words are parted by single blanks; `""` is an empty one, `_` within a word in quotes a blank. */
function encoded(words: string, actors: ReadonlyMap<string, Actor>): Buffer {
  const argv = words.split(' ').map((word) => {
    const whole = word
      .replace(/\{@(\w+)\}/g, (_, who: string) => (actors.get(who) as Actor).address)
      .replace(/\{(\w+)\}/g, (_, who: string) => (actors.get(who) as Actor).id)
    return /^".*"$/.test(whole) ? whole.slice(1, -1).replaceAll('_', ' ') : whole
  })
  return Buffer.from(`*${argv.length}\r\n${argv.map(bulk).join('')}`, 'latin1')
}

/** Figures that no two servers have alike. */
const ownFigures =
  /\b(fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rbs|rbp|obl|oll|omem|tot-mem|tot-net-in|tot-net-out|tot-cmds)=-?\d+/g

function masked(reply: string, actors: ReadonlyMap<string, Actor>, port: number): string {
  let text = reply.replace(ownFigures, '$1=').replaceAll(`laddr=127.0.0.1:${port}`, 'laddr=')
  for (const [name, { id, address }] of actors) {
    text = text
      .replaceAll(address, `@${name}`)
      .replaceAll(new RegExp(`(id=|\\$2\r\nid\r\n:)${id}\\b`, 'g'), `$1{${name}}`)
      .replace(new RegExp(`^:${id}\r\n$`), `:{${name}}\r\n`)
  }
  return /\bid=/.test(text) ? text.replace(/([$=])\d+(\r\n(txt:)?id=)/g, '$1$2') : text
}
