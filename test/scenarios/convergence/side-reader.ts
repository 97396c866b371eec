/** Plain connections to the servers of one side: for what has to be read or said beside Ferry. */
import { RawConnection, type Reply } from '../../../src/demo/raw-connection.ts'
import { slotCount, slotOf } from '../../../src/routing/slot.ts'
import type { RedisCluster } from '../../support/redis-cluster.ts'

export class SideReader {
  /** One per server that has data of its own. */
  readonly all: readonly RawConnection[]
  readonly #bySlot: readonly (RawConnection | undefined)[] | null

  static async single(port: number): Promise<SideReader> {
    return new SideReader([await RawConnection.open(port)], null)
  }

  /** Of a cluster whose slots stay where they are until it is closed. */
  static async cluster(cluster: RedisCluster): Promise<SideReader> {
    const primaries = await cluster.primaries()
    const connections = await Promise.all(primaries.map(({ port }) => RawConnection.open(port)))
    const bySlot = new Array<RawConnection | undefined>(slotCount)
    const ranges = (await (connections[0] as RawConnection).command('CLUSTER', 'SLOTS')) as Reply[][]
    for (const [from, to, owner] of ranges) {
      const id = String((owner as Reply[])[2])
      bySlot.fill(connections[primaries.findIndex((node) => node.id === id)], Number(from), Number(to) + 1)
    }
    return new SideReader(connections, bySlot)
  }

  private constructor(all: readonly RawConnection[], bySlot: readonly (RawConnection | undefined)[] | null) {
    this.all = all
    this.#bySlot = bySlot
  }

  /** To the server that has this key. Text is Latin-1. */
  at(key: string | Buffer): RawConnection {
    const bytes = typeof key === 'string' ? Buffer.from(key, 'latin1') : key
    const found = this.#bySlot === null ? this.all[0] : this.#bySlot[slotOf(bytes, 0, bytes.length)]
    if (found === undefined) throw new Error(`no server has the slot of ${key}`)
    return found
  }

  /** Told to every server. */
  async everywhere(...argv: (string | number)[]): Promise<Reply[]> {
    return Promise.all(this.all.map((connection) => connection.command(...argv)))
  }

  close(): void {
    for (const connection of this.all) connection.close()
  }
}
