import { afterEach, describe, expect, test } from 'vitest'
import { ClusterWire } from '../../../src/cluster/cluster-wire.ts'
import type { NodeLink } from '../../../src/cluster/node-link.ts'
import { Topology } from '../../../src/cluster/topology.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { parseEndpoint } from '../../../src/upstream/endpoint.ts'
import { Turn } from '../../../src/upstream/turn.ts'
import { FakeCluster } from '../../support/fake-cluster.ts'
import { bulk, type FakeConnection } from '../../support/fake-redis.ts'
import { until } from '../../support/wait.ts'

const mebibyte = 1024 * 1024
/** Of replies that wait: heldBytesMax. */
const heldMiB = 64
const value = bulk('v'.repeat(4 * mebibyte))

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

/** What the wire's owner sees of it. */
class Seen {
  readonly cluster: FakeCluster
  readonly topology: Topology
  readonly wire: ClusterWire
  readonly chunks: Buffer[] = []
  bytes = 0
  connectedMs = 0
  fatal = ''

  constructor(cluster: FakeCluster) {
    this.cluster = cluster
    this.topology = new Topology(parseEndpoint(cluster.url))
    const options = {
      credentials: { username: null, password: null },
      whileBusy: false,
      singly: true,
      reordered: () => undefined,
    }
    this.wire = new ClusterWire('source', this.topology, new Turn(), options, {
      connected: () => {
        this.connectedMs = performance.now()
      },
      take: (chunk) => {
        this.chunks.push(chunk)
        this.bytes += chunk.length
      },
    })
    this.wire.on('error', (error) => {
      this.fatal = error.message
    })
    ends.push(() => {
      this.wire.destroy()
      this.topology.stop()
      cluster.stop()
    })
    this.topology.start()
  }

  /** Everything that came, in order. */
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  link(node: number): NodeLink {
    const link = [...this.wire.links].find((one) => one.node.id === `node${node}`)
    if (link === undefined) throw new Error(`no link to ${node}`)
    return link
  }

  write(...commands: string[]): void {
    this.wire.write(Buffer.concat(commands.map((command) => encodeCommand(command.split(' ')))))
  }

  async connected(): Promise<void> {
    await until(() => this.connectedMs > 0, { what: 'the wire to be connected' })
    await until(() => [...this.wire.links].every(({ lane }) => lane.up), { what: 'all lanes to be up' })
  }
}

type Answer = (node: number, command: string, connection: FakeConnection) => string | undefined

async function opened(answer: Answer, count = 3): Promise<Seen> {
  const seen = new Seen(await FakeCluster.start(count, answer))
  await seen.connected()
  return seen
}

/** Server 1 answers with long values; what others are asked is kept to be answered later. */
class LongAnswers {
  asked: { node: number; command: string; connection: FakeConnection }[] = []
  served = 0

  readonly answer: Answer = (node, command, connection) => {
    if (!/^(GET|MGET|SET|EXEC)/.test(command)) return undefined
    if (node === 1 && command.startsWith('GET')) {
      this.served++
      return value
    }
    if (node === 1 && command.startsWith('MGET')) return `*1\r\n${value}`
    this.asked.push({ node, command, connection })
    return undefined
  }

  async first(): Promise<FakeConnection> {
    await until(() => this.asked.length > 0, { what: 'a question' })
    return (this.asked[0] as { connection: FakeConnection }).connection
  }
}

const long = 24

async function fill(seen: Seen): Promise<void> {
  for (let i = 0; i < long; i++) seen.write(`GET ${seen.cluster.keyIn(1)}`)
  await until(() => seen.link(1).lane.paused, { what: 'the server to be read no more', timeoutMs: 15_000 })
}

describe('replies that wait for an earlier one', { timeout: 30_000 }, () => {
  test('beyond the limit only the server is read that owes it, and none of them is lost', async () => {
    const says = new LongAnswers()
    const seen = await opened(says.answer)
    seen.write(`GET ${seen.cluster.keyIn(0)}`)
    await fill(seen)
    const read = seen.link(1).lane.bytesIn
    expect(read).toBeGreaterThan(heldMiB * mebibyte)
    expect(read).toBeLessThan((heldMiB + 1) * mebibyte)
    expect(seen.link(0).lane.paused).toBe(false)
    expect(seen.bytes).toBe(0)
    ;(await says.first()).send('$5\r\nfirst\r\n')
    await until(() => seen.bytes === 11 + long * value.length, { what: 'everything to come', timeoutMs: 15_000 })
    expect(seen.text.startsWith('$5\r\nfirst\r\n$')).toBe(true)
    expect(seen.link(1).lane.paused).toBe(false)
  })

  test('the same where the first is put together of several servers’', async () => {
    const says = new LongAnswers()
    const seen = await opened(says.answer)
    seen.write(`MGET ${seen.cluster.keyIn(0)} ${seen.cluster.keyIn(1)}`)
    await fill(seen)
    expect(seen.link(1).lane.bytesIn).toBeLessThan((heldMiB + 1) * mebibyte)
    ;(await says.first()).send('*1\r\n$1\r\na\r\n')
    await until(() => seen.bytes === 4 + 7 + (long + 1) * value.length, { what: 'everything to come', timeoutMs: 15_000 })
    expect(seen.text.startsWith('*2\r\n$1\r\na\r\n$')).toBe(true)
  })

  test('shares of replies count, too', async () => {
    const says = new LongAnswers()
    const seen = await opened(says.answer)
    for (let i = 0; i < long; i++) seen.write(`MGET ${seen.cluster.keyIn(0)} ${seen.cluster.keyIn(1)}`)
    // One more, which does not owe the first.
    await until(() => seen.link(2).lane.paused, { what: 'the limit to be reached', timeoutMs: 15_000 })
    await until(() => says.asked.length === long, { what: 'all questions' })
    const connection = await says.first()
    for (let i = 0; i < long; i++) connection.send('*1\r\n$1\r\na\r\n')
    await until(() => seen.bytes === long * (4 + 7 + value.length), { what: 'everything to come', timeoutMs: 15_000 })
    expect([0, 1, 2].map((node) => seen.link(node).lane.paused)).toEqual([false, false, false])
  })

  test('all are read while slots change hands: none could answer what it has otherwise', async () => {
    const says = new LongAnswers()
    const seen = await opened(says.answer)
    const key = seen.cluster.keyIn(0)
    seen.write(`GET ${key}`)
    await fill(seen)
    seen.cluster.owners[0] = 2
    ;(await says.first()).send(seen.cluster.moved(key, 2))
    await until(() => says.asked.length === 2, { what: 'the other server to be asked' })
    expect(says.asked[1]).toMatchObject({ node: 2, command: `GET ${key}` })
    says.asked[1]?.connection.send('$1\r\na\r\n')
    await until(() => seen.bytes === 7 + long * value.length, { what: 'everything to come', timeoutMs: 15_000 })
  })

  test('a server that is not read is not the one that stalls', async () => {
    const says = new LongAnswers()
    const seen = await opened(says.answer)
    seen.write(`GET ${seen.cluster.keyIn(0)}`, `GET ${seen.cluster.keyIn(0)}`)
    await fill(seen)
    // It has answered something since the other was read for the last time.
    ;(await says.first()).send('$1\r\na\r\n')
    await until(() => seen.bytes === 7, { what: 'the first answer' })
    expect(seen.wire.stalled(new Error('no answer within 2000 ms'))).toBe(true)
    const lost = '-FERRYLOST no answer within 2000 ms\r\n'
    await until(() => seen.bytes === 7 + lost.length + long * value.length, { what: 'everything to come', timeoutMs: 15_000 })
    expect(seen.text.slice(7, 7 + lost.length)).toBe(lost)
  })
})

describe('what was written and has not left', () => {
  test('counts until it has, wherever it waits', async () => {
    const held: { node: number; command: string; connection: FakeConnection }[] = []
    const seen = await opened((node, command, connection) => {
      if (!/^(GET|SET)/.test(command)) return undefined
      if (node === 2) return '+OK\r\n'
      held.push({ node, command, connection })
      return undefined
    })
    const { cluster } = seen
    const [gone, slow, later] = [cluster.keyIn(0), cluster.keyIn(1), cluster.keyIn(2)]
    const many = 'x'.repeat(100_000)
    const kept = seen.wire.writableLength
    expect(kept).toBe(0)
    seen.write(`SET ${gone} ${many}`)
    // Not looked at yet.
    expect(seen.wire.writableLength).toBeGreaterThan(many.length)
    seen.write(`GET ${slow}`)
    await until(() => held.length === 2, { what: 'both to be asked' })
    await until(() => seen.wire.writableLength === 0, { what: 'all to have left' })
    // What is to be sent again waits for the server that has not answered, and what comes behind it, too.
    held.find(({ node }) => node === 0)?.connection.send(cluster.moved(gone, 2))
    await until(() => seen.wire.writableLength > many.length, { what: 'the redirected one to be counted' })
    expect(seen.wire.writableLength).toBeLessThan(2 * many.length)
    seen.write(`SET ${later} ${many}`)
    await until(() => seen.wire.writableLength > 2 * many.length, { what: 'the one behind it to be counted' })
    held.find(({ node }) => node === 1)?.connection.send('$1\r\na\r\n')
    await until(() => seen.text === '+OK\r\n$1\r\na\r\n+OK\r\n', { what: 'all answers' })
    expect(seen.wire.writableLength).toBe(0)
  })

  test('counts while its server is being connected to', async () => {
    const seen = await opened((_, command) => (command.startsWith('SET') ? '+OK\r\n' : undefined))
    seen.link(1).lane.fail(new Error('cut'))
    seen.write(`SET ${seen.cluster.keyIn(1)} ${'x'.repeat(1_000)}`, `SET ${seen.cluster.keyIn(1)} ${'x'.repeat(1_000)}`)
    await until(() => seen.link(1).waitingBytes > 2_000, { what: 'both to wait', intervalMs: 0 })
    expect(seen.wire.writableLength).toBeGreaterThan(2_000)
    await until(() => seen.text === '+OK\r\n+OK\r\n', { what: 'both answers' })
    expect(seen.wire.writableLength).toBe(0)
  })

  test.each([10, 200_000])(
    'a writer may use its buffer again, where it is no longer than that of lanes (%i bytes)',
    async (bytes) => {
      const sets: string[] = []
      const seen = await opened((_, command) => {
        if (!command.startsWith('SET')) return undefined
        sets.push(command)
        return '+OK\r\n'
      })
      const key = seen.cluster.keyIn(0)
      const frame = encodeCommand(['SET', key, 'x'.repeat(bytes)])
      seen.wire.write(frame)
      if (bytes < 65_536) frame.fill(0)
      await until(() => seen.text === '+OK\r\n', { what: 'an answer' })
      expect(sets).toEqual([`SET ${key} ${'x'.repeat(bytes)}`])
    },
  )
})

describe('the first of the servers', () => {
  test('is waited for, and not for long', async () => {
    let silent = true
    const answer: Answer = (node, command) => {
      if (node === 0 && silent && command === 'CLIENT ID') return ''
      return command === 'PING' || command !== 'ECHO x' ? undefined : bulk(`from ${node}`)
    }
    const seen = new Seen(await FakeCluster.start(2, answer))
    await until(() => seen.topology.map !== null && seen.link(1).lane.up, { what: 'the second', intervalMs: 1 })
    const upMs = performance.now()
    await until(() => seen.connectedMs > 0, { what: 'the wire to be connected', intervalMs: 1 })
    expect(seen.connectedMs - upMs).toBeGreaterThan(150)
    seen.write('ECHO x')
    await until(() => seen.text === bulk('from 1'), { what: 'an answer of the second' })
    silent = false
  })
})

describe('a command that is redirected', () => {
  test('again and again is answered with the redirection after sixteen times', async () => {
    let asked = 0
    const seen = await opened((node, command): string | undefined => {
      if (!command.startsWith('SET')) return undefined
      asked++
      return seen.cluster.moved(seen.cluster.keyIn(0), 1 - node)
    }, 2)
    seen.write(`SET ${seen.cluster.keyIn(0)} x`)
    await until(() => seen.text !== '', { what: 'an answer' })
    expect(seen.text).toMatch(/^-MOVED \d+ 127\.0\.0\.1:\d+\r\n$/)
    expect(asked).toBe(17)
  })

  test('because some of its keys have gone is tried for a second, and then answered with that', async () => {
    let asked = 0
    const seen = await opened((_, command) => {
      if (!command.startsWith('SET')) return undefined
      asked++
      return '-TRYAGAIN Multiple keys request during rehashing of slot\r\n'
    })
    const fromMs = performance.now()
    seen.write(`SET ${seen.cluster.keyIn(0)} x`)
    await until(() => seen.text !== '', { what: 'an answer' })
    expect(seen.text).toMatch(/^-TRYAGAIN /)
    expect(performance.now() - fromMs).toBeGreaterThan(1_000)
    // With a pause of 20 ms before each.
    expect(asked).toBeGreaterThan(5)
    expect(asked).toBeLessThan(52)
  })

  test('waits for a server that serves nothing any more for two seconds, for one that serves slots as long as it takes', async () => {
    const held = new Map<string, FakeConnection>()
    const seen = await opened((node, command, connection) => {
      if (!command.startsWith('SET')) return undefined
      if (node === 2) return '+two\r\n'
      held.set(command, connection)
      return undefined
    })
    const { cluster } = seen
    const [gone, slow, later] = [cluster.keyIn(0), cluster.keyIn(1), cluster.keyIn(2)]
    seen.write(`SET ${gone} 1`, `SET ${slow} 2`)
    await until(() => held.size === 2, { what: 'both to be asked' })
    cluster.owners[0] = 2
    const fromMs = performance.now()
    await seen.topology.refresh()
    seen.write(`SET ${later} 3`)
    await until(() => seen.text !== '', { what: 'a first answer' })
    expect(performance.now() - fromMs).toBeGreaterThan(2_000)
    // Nobody knows whether it ran.
    expect(seen.text).toMatch(/^-FERRYLOST it serves no slots any more\r\n$/)
    held.get(`SET ${slow} 2`)?.send('+one\r\n')
    await until(() => seen.text.endsWith('+one\r\n+two\r\n'), { what: 'the others' })
    seen.write(`SET ${gone} 4`)
    await until(() => seen.text.endsWith('+two\r\n+two\r\n'), { what: 'the heir' })
  })
})

describe('a block', () => {
  const asked: string[] = []
  const says =
    (multi: string, script: string): Answer =>
    (node, command) => {
      if (!/^(MULTI|EVAL|EXEC)/.test(command)) return undefined
      asked.push(`${node} ${command}`)
      if (node === 1) return command === 'EXEC' ? '*1\r\n:1\r\n' : '+OK\r\n'
      if (command === 'MULTI') return multi
      return command === 'EXEC' ? '-EXECABORT Transaction discarded because of previous errors.\r\n' : script
    }

  afterEach(() => asked.splice(0))

  test('goes elsewhere as a whole where a server redirects one of its commands', async () => {
    let moved = ''
    const seen = await opened((...question) => says('+OK\r\n', moved)(...question), 2)
    const key = seen.cluster.keyIn(0)
    moved = seen.cluster.moved(key, 1)
    seen.cluster.owners[0] = 1
    seen.write('MULTI', `EVAL x 1 ${key}`, 'EXEC')
    await until(() => seen.text !== '', { what: 'an answer' })
    expect(seen.text).toBe('+OK\r\n+OK\r\n*1\r\n:1\r\n')
    expect(asked).toEqual([0, 1].flatMap((node) => [`${node} MULTI`, `${node} EVAL x 1 ${key}`, `${node} EXEC`]))
  })

  test('that was not opened has run command by command, and goes nowhere else', async () => {
    let moved = ''
    const seen = await opened((...question) => says('-NOPERM no permissions\r\n', moved)(...question), 2)
    const key = seen.cluster.keyIn(0)
    moved = seen.cluster.moved(key, 1)
    seen.write('MULTI', `EVAL x 1 ${key}`, 'EXEC')
    await until(() => seen.text !== '', { what: 'an answer' })
    expect(seen.text).toBe(`-NOPERM no permissions\r\n${moved}-EXECABORT Transaction discarded because of previous errors.\r\n`)
    expect(asked).toEqual(['0 MULTI', `0 EVAL x 1 ${key}`, '0 EXEC'])
  })
})

describe('a server that is away', () => {
  test('is waited for for two seconds; then its commands are answered that they were not run', async () => {
    const seen = await opened((_, command) => (command.startsWith('SET') ? '+OK\r\n' : undefined))
    const [away, other] = [seen.cluster.keyIn(1), seen.cluster.keyIn(2)]
    seen.cluster.nodes[1]?.stop()
    await until(() => !seen.link(1).lane.up, { what: 'the lane to be down' })
    const fromMs = performance.now()
    seen.write(`SET ${away} 1`, `SET ${other} 2`)
    await until(() => seen.text.endsWith('+OK\r\n'), { what: 'both answers' })
    expect(performance.now() - fromMs).toBeGreaterThan(1_500)
    expect(seen.text).toMatch(/^-CLUSTERDOWN 127\.0\.0\.1:\d+ was not reachable for 2000 ms \(.*\)\r\n\+OK\r\n$/)
    // From then on nobody waits.
    const againMs = performance.now()
    seen.write(`SET ${away} 3`)
    await until(() => (seen.text.match(/CLUSTERDOWN/g) ?? []).length === 2, { what: 'an answer at once' })
    expect(performance.now() - againMs).toBeLessThan(1_000)
  })
})

describe('what is for no slot', () => {
  const published: string[] = []
  const says: Answer = (node, command) => {
    if (!command.startsWith('PUBLISH')) return undefined
    published.push(`${node} ${command}`)
    return ':0\r\n'
  }
  afterEach(() => published.splice(0))

  test('waits for the server that it goes to, if that is away for a moment only', async () => {
    const seen = await opened(says)
    seen.write('PUBLISH c 1')
    await until(() => published.length === 1, { what: 'the first' })
    seen.cluster.nodes[0]?.connections.at(-1)?.cut()
    await until(() => !seen.link(0).lane.up, { what: 'the lane to be down', intervalMs: 0 })
    seen.write('PUBLISH c 2')
    await until(() => published.length === 2, { what: 'the second' })
    expect(published).toEqual(['0 PUBLISH c 1', '0 PUBLISH c 2'])
  })

  test('goes elsewhere where that stays away, and does not come back', async () => {
    const seen = await opened(says)
    seen.write('PUBLISH c 1')
    await until(() => published.length === 1, { what: 'the first' })
    const [server] = seen.cluster.nodes
    const cutting = setInterval(() => server?.connections.at(-1)?.cut(), 1)
    await until(() => seen.link(0).awayMs > 200, { what: 'the server to be away' })
    seen.write('PUBLISH c 2')
    await until(() => published.length === 2, { what: 'the second' }).finally(() => clearInterval(cutting))
    expect(published).toEqual(['0 PUBLISH c 1', '1 PUBLISH c 2'])
    await until(() => seen.link(0).lane.up, { what: 'the server to be back' })
    seen.write('PUBLISH c 3')
    await until(() => published.length === 3, { what: 'the third' })
    expect(published.at(-1)).toBe('1 PUBLISH c 3')
  })
})
