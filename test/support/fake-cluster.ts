/** Servers that say of themselves that they are a cluster, and otherwise what the test tells them to. */
import { slotCount, slotOf } from '../../src/routing/slot.ts'
import { bulk, type FakeConnection, FakeRedis, infoReply } from './fake-redis.ts'

/** As `Answer` of fake-redis.ts, for the server with that index. Asked first of everything but the greeting of clients and the map. */
type NodeAnswer = (node: number, command: string, connection: FakeConnection) => string | undefined

export class FakeCluster {
  readonly nodes: FakeRedis[]
  /** For each of as many equal parts of the slots as there are servers, the index of its owner; null = nobody is. */
  readonly owners: (number | null)[]
  /** When the map was read, clock of `performance.now`. */
  readonly readings: number[] = []
  #ports: readonly number[] = []

  private constructor(count: number, answer: NodeAnswer) {
    this.owners = Array.from({ length: count }, (_, i) => i)
    this.nodes = this.owners.map(
      (_, node) =>
        new FakeRedis((command, connection) => this.#told(node, command.toUpperCase()) ?? answer(node, command, connection)),
    )
  }

  static async start(count: number, answer: NodeAnswer): Promise<FakeCluster> {
    const cluster = new FakeCluster(count, answer)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    cluster.#ports = cluster.nodes.map(({ port }) => port)
    return cluster
  }

  get url(): string {
    return `redis-cluster://${this.#ports.map((port) => `127.0.0.1:${port}`).join(',')}`
  }

  /** Another name for each `nth`, in that part of the slots. */
  keyIn(part: number, nth = 0): string {
    for (let i = 0, found = 0; ; i++) if (this.#partOf(slotOfName(`k${i}`)) === part && found++ === nth) return `k${i}`
  }

  moved(key: string, to: number): string {
    return `-MOVED ${slotOfName(key)} 127.0.0.1:${this.#ports[to]}\r\n`
  }

  stop(): void {
    for (const node of this.nodes) node.stop()
  }

  #partOf(slot: number): number {
    return Math.floor((slot * this.owners.length) / slotCount)
  }

  #told(node: number, command: string): string | undefined {
    if (command.startsWith('HELLO')) return "-ERR unknown command 'HELLO'\r\n"
    if (command === 'INFO') return bulk('loading:0')
    if (command === 'INFO SERVER') return infoReply(`start${node}`)
    if (command.startsWith('CLIENT SETNAME')) return '+OK\r\n'
    if (command.startsWith('CONFIG GET')) return '*0\r\n'
    if (command !== 'CLUSTER SLOTS') return undefined
    this.readings.push(performance.now())
    return this.#slots()
  }

  #slots(): string {
    const parts = this.owners.length
    const bound = (part: number): number => Math.ceil((part * slotCount) / parts)
    const ranges = this.owners.flatMap((owner, part) => {
      if (owner === null) return []
      const server = `*3\r\n${bulk('127.0.0.1')}:${this.#ports[owner]}\r\n${bulk(`node${owner}`)}`
      return [`*3\r\n:${bound(part)}\r\n:${bound(part + 1) - 1}\r\n${server}`]
    })
    return `*${ranges.length}\r\n${ranges.join('')}`
  }
}

function slotOfName(name: string): number {
  const bytes = Buffer.from(name)
  return slotOf(bytes, 0, bytes.length)
}
