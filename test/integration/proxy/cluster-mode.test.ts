/** Cluster mode: what a cluster-aware client is told, byte for byte beside a real cluster of one node; and what it is told without it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { slotOf } from '../../../src/routing/slot.ts'
import { Ferry } from '../../support/ferry.ts'
import { type RedisCluster, startCluster } from '../../support/redis-cluster.ts'
import { engineMissing, type RedisServer, startRedis } from '../../support/redis-server.ts'
import { WireClient } from '../../support/wire-client.ts'

const engines = ['redis-7.0', 'redis-8.0', 'valkey-8.1', 'valkey-9.1']
const clients: WireClient[] = []

async function open(port: number, protocol: 2 | 3): Promise<WireClient> {
  const client = await WireClient.open(port)
  clients.push(client)
  await client.ask(`HELLO ${protocol}`)
  return client
}

afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

const slot = slotOf(Buffer.from('a'), 0, 1)

/** What both are asked. `ID` stands for the node's own. */
const topology = [
  ...['SLOTS', 'SHARDS', 'NODES', 'INFO', 'MYID', 'MYSHARDID', 'LINKS', 'KEYSLOT a', 'KEYSLOT {a}b', 'GETSLOTMIGRATIONS'],
  ...['REPLICAS ID', 'SLAVES ID', 'REPLICAS x', 'COUNT-FAILURE-REPORTS ID', 'COUNT-FAILURE-REPORTS x'],
  ...['SLOTS x', 'MYID x', 'KEYSLOT', 'NONSENSE', 'COUNTKEYSINSLOT', 'slots', ''],
].map((rest) => `CLUSTER ${rest}`.trim())
const keys = [
  ...[slot, 0, 99_999, -1, 'x'].map((which) => `COUNTKEYSINSLOT ${which}`),
  ...[`${slot} 10`, `${slot} 0`, '0 5', `${slot} -1`, '99999 1', 'x y'].map((which) => `GETKEYSINSLOT ${which}`),
  ...['', 'SLOTSRANGE', `SLOTSRANGE ${slot - 1} ${slot + 1}`, 'SLOTSRANGE 5 4', 'SLOTSRANGE x 1', 'FOO 1'].map(
    (which) => `SLOT-STATS ${which}`,
  ),
  ...[
    'x',
    'key-count limit 3',
    'KEY-COUNT LIMIT 2 ASC',
    'key-count limit 0',
    'key-count asc desc',
    'key-count limit 1 limit 2',
  ].map((which) => `SLOT-STATS ORDERBY ${which}`),
  ...['key-count limit', 'key-count foo', 'KEY-COUNT DESC LIMIT 4'].map((which) => `SLOT-STATS ORDERBY ${which}`),
].map((rest) => `CLUSTER ${rest}`.trim())
const session = [
  ...['ASKING', 'READONLY', 'READWRITE', 'READONLY x', 'INFO cluster', 'SELECT 0', 'SELECT 1', 'SELECT x'],
  ...['MOVE a 1', 'MOVE a x', 'COPY {a}1 {a}2 DB 1', 'SWAPDB 0 1', 'GET a'],
  ...['MULTI', 'SELECT 1', 'CLUSTER MYID', 'CLUSTER SLOTS', 'READONLY', 'SELECT 0', 'GET a', 'EXEC'],
]

describe.each(engines)('beside a cluster of one node of %s', (engine) => {
  let plain: RedisCluster
  let sides: RedisServer[] = []
  let ferry: Ferry
  const skipped = engineMissing(engine)

  beforeAll(async () => {
    if (skipped) return
    const args = ['--cluster-announce-ip', '127.0.0.1']
    ;[plain, ...sides] = await Promise.all([
      startCluster({ engine, primaries: 1, args }),
      startRedis({ engine }),
      startRedis({ engine }),
    ])
    const [source, target] = sides as [RedisServer, RedisServer]
    ferry = await Ferry.start({ source: source.url, target: target.url, clusterMode: true })
    for (const port of [plain.nodes[0]?.port as number, ferry.port]) {
      const client = await open(port, 2)
      expect(await client.pipeline(['SET a 1', 'SET {a}b 2', 'SET b 3'])).toEqual(Array(3).fill('+OK\r\n'))
    }
  }, 60_000)

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all([plain?.stop(), ...sides.map((side) => side.stop())])
  })

  /** Every reply, with the names and ports that belong to one node alone taken out, and a set of keys in order. */
  async function told(port: number, busPort: number, protocol: 2 | 3, lines: readonly string[]): Promise<string[]> {
    const client = await open(port, protocol)
    const id = (await client.ask('CLUSTER MYID')).split('\r\n')[1] as string
    expect(id).toMatch(/^[0-9a-f]{40}$/)
    const replies: string[] = []
    for (const line of lines) {
      const reply = await client.ask(line.replace(/ ID$/, ` ${id}`))
      const plainReply = reply
        .replaceAll(id, 'ID')
        .replaceAll(/[0-9a-f]{40}/g, 'SHARD')
        .replaceAll(`@${busPort}`, '@BUS')
        .replaceAll(new RegExp(`(?<=:)${port}\\b`, 'g'), 'PORT')
      replies.push(`${line}: ${JSON.stringify(plainReply)}`)
    }
    return replies
  }

  describe.each([2, 3] as const)('RESP%i', (protocol) => {
    it.skipIf(skipped).each([
      ['the topology', topology],
      ['keys by slot', keys],
      ['databases and the session', session],
    ])('%s is told as there', async (_, lines) => {
      const [node] = plain.nodes
      const there = await told(node?.port as number, node?.busPort as number, protocol, lines)
      const here = await told(ferry.port, ferry.port + 10_000 > 65_535 ? 0 : ferry.port + 10_000, protocol, lines)
      expect(here.map(inOrder)).toEqual(there.map(inOrder))
    })

    it.skipIf(skipped)('HELLO and INFO name the mode', async () => {
      for (const port of [plain.nodes[0]?.port as number, ferry.port]) {
        const client = await open(port, protocol)
        expect(await client.ask('HELLO')).toContain('$4\r\nmode\r\n$7\r\ncluster\r\n')
        const info = await client.ask('INFO')
        expect(info).toMatch(/\r\n(redis|server)_mode:cluster\r\n/)
        expect(info).toContain('\r\ncluster_enabled:1\r\n')
      }
    })
  })
})

/** SCAN and a slot's own list give keys in any order. */
const inOrder = (line: string): string =>
  line.includes('GETKEYSINSLOT')
    ? [...line.matchAll(/\$\d+\\r\\n.*?\\r\\n|^[^$]*/g)]
        .map(([part]) => part)
        .sort()
        .join('')
    : line

describe.each(engines)('without cluster mode, on %s', (engine) => {
  const skipped = engineMissing(engine)

  it.skipIf(skipped)('Ferry is a server that is in no cluster', { timeout: 30_000 }, async () => {
    const [plain, source, target] = await Promise.all([startRedis({ engine }), startRedis({ engine }), startRedis({ engine })])
    const ferry = await Ferry.start({ source: source.url, target: target.url })
    try {
      const refused = ['CLUSTER MEET 127.0.0.1 1', 'CLUSTER RESET', 'CLUSTER FAILOVER', 'CLUSTER HELP', 'CLUSTER ADDSLOTS']
      const lines = [...topology, ...keys, ...refused, 'ASKING', 'READONLY', 'READWRITE', 'READONLY x', 'INFO cluster']
      const there = await (await open(plain.port, 3)).pipeline(lines)
      const here = await (await open(ferry.port, 3)).pipeline(lines)
      expect(here).toEqual(there)
    } finally {
      await ferry.dispose()
      await Promise.all([plain, source, target].map((server) => server.stop()))
    }
  })
})

describe('a Ferry in cluster mode', () => {
  let sides: [RedisServer, RedisServer]
  let ferry: Ferry

  beforeAll(async () => {
    sides = await Promise.all([
      startRedis({ args: ['--requirepass', 'secret'] }),
      startRedis({ args: ['--requirepass', 'secret'] }),
    ])
    const [source, target] = sides.map(({ port }) => `redis://:secret@127.0.0.1:${port}`) as [string, string]
    ferry = await Ferry.start({ source, target, clusterMode: true, announce: 'ferry.example.com:17379' })
  })

  afterAll(async () => {
    await ferry?.dispose()
    await Promise.all(sides.map((side) => side.stop()))
  })

  const known = async (): Promise<WireClient> => {
    const client = await open(ferry.port, 2)
    await client.ask('AUTH secret')
    return client
  }

  it('tells what is announced, not where it listens', async () => {
    const client = await known()
    const [slots, nodes] = await client.pipeline(['CLUSTER SLOTS', 'CLUSTER NODES'])
    expect(slots).toContain('$17\r\nferry.example.com\r\n:17379\r\n')
    expect(nodes).toContain(' ferry.example.com:17379@27379 myself,master ')
  })

  it('is the same node after a restart', async () => {
    const ids = ['CLUSTER MYID', 'CLUSTER SLOTS']
    const before = await (await known()).pipeline(ids)
    await ferry.restart()
    expect(await (await known()).pipeline(ids)).toEqual(before)
  })

  it('tells nothing to a client that the servers do not know', async () => {
    const client = await WireClient.open(ferry.port)
    clients.push(client)
    const lines = ['CLUSTER SLOTS', 'CLUSTER COUNTKEYSINSLOT 0', 'READONLY', 'CLUSTER HELP']
    expect(await client.pipeline(lines)).toEqual(Array(4).fill(expect.stringMatching(/^-NOAUTH /)))
  })

  it('refuses to be changed, in words of its own, and explains itself', async () => {
    const client = await known()
    const refused = ['MEET 127.0.0.1 1', 'ADDSLOTS 1', 'FAILOVER', 'RESET', 'FORGET x', 'SETSLOT 1 STABLE', 'BUMPEPOCH']
    for (const reply of await client.pipeline(refused.map((rest) => `CLUSTER ${rest}`)))
      expect(reply).toMatch(/^-ERR FERRY unsupported: 'cluster [a-z-]+': Ferry is one server to its clients/)
    expect(await client.ask('CLUSTER HELP')).toMatch(/^\*\d+\r\n\+CLUSTER <subcommand>/)
  })

  it('serves keys of several slots at once, as its sides do', async () => {
    const client = await known()
    expect(await client.pipeline(['MSET a 1 b 2 c 3', 'MGET a b c'])).toEqual([
      '+OK\r\n',
      '*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n',
    ])
  })

  it('goes through many pages of keys, one walk at a time, and answers in order', async () => {
    const client = await known()
    const names = Array.from({ length: 4_500 }, (_, i) => `{many}${i}`)
    await client.call('MSET', ...names.flatMap((name) => [name, 'v']))
    const many = slotOf(Buffer.from('many'), 0, 4)
    const [counted, five, pong, all] = await client.pipeline([
      `CLUSTER COUNTKEYSINSLOT ${many}`,
      `CLUSTER GETKEYSINSLOT ${many} 5`,
      'PING',
      `CLUSTER GETKEYSINSLOT ${many} 100000`,
    ])
    expect(counted).toBe(':4500\r\n')
    expect(five).toMatch(/^\*5\r\n(\$\d+\r\n\{many\}\d+\r\n){5}$/)
    expect(pong).toBe('+PONG\r\n')
    expect(new Set((all as string).match(/\{many\}\d+/g)).size).toBe(4_500)
  })
})

describe('cluster mode while the authority is away', () => {
  it('still tells where to connect, and that it serves nothing', async () => {
    const [source, target] = await Promise.all([startRedis(), startRedis()])
    const ferry = await Ferry.start({ source: source.url, target: target.url, clusterMode: true, limits: { authorityWaitMs: 0 } })
    try {
      const client = await open(ferry.port, 2)
      const before = await client.ask('CLUSTER SLOTS')
      await source.kill9()
      await ferry.untilStatus('the source to be missed', (status) => status.source.state !== 'up')
      const [slots, info, keys] = await client.pipeline(['CLUSTER SLOTS', 'CLUSTER INFO', 'CLUSTER COUNTKEYSINSLOT 0'])
      expect(slots).toBe(before)
      expect(info).toContain('cluster_state:fail')
      expect(keys).toMatch(/^-ERR FERRY authority-unavailable/)
    } finally {
      await ferry.dispose()
      await Promise.all([source.stop(), target.stop()])
    }
  })
})
