/**
 * What a cluster-aware client is shown in cluster mode: a cluster of one node, which is Ferry and has all slots, in the shape of the
 * server that answers otherwise. Shapes: CLUSTER SLOTS, SHARDS, NODES and INFO of one-node clusters of Redis 7.0 and 8.0, Valkey 8.1 and 9.1.
 */
import type { Socket } from 'node:net'
import { isSince, type ServerName } from '../commands/server-name.ts'
import { encodeArray, encodeBulk, encodeError, encodeInteger, encodeMap, encodeText } from '../resp/encode.ts'
import { slotCount } from '../routing/slot.ts'

export interface ClusterAddress {
  /** A name or an address without brackets; '' where it is not known: a client then uses the one that it connected to. */
  readonly host: string
  readonly port: number
}

/** Both 40 hexadecimal digits that stay the same over restarts. */
export interface ClusterIdentity {
  readonly nodeId: string
  readonly shardId: string
}

/** The client that looks. */
interface Onlooker {
  readonly protocol: number
  readonly socket: Socket
}

/** Which database other than 0 a command wants. */
interface Elsewhere {
  readonly name: string
  readonly databases: readonly number[]
}

const busPortOffset = 10_000
const portMax = 65_535
/** There is nobody to disagree with about slots. */
const epoch = 1

const outOfRange = 'ERR DB index is out of range'

export class ClusterView {
  readonly nodeId: string
  readonly shardId: string
  readonly #announced: ClusterAddress | null
  readonly #listening: ClusterAddress

  /**
   * @param announced what all clients shall connect to; null: the address where each one has connected.
   * @param listening stands in for that for a client of a unix socket.
   */
  constructor({ nodeId, shardId }: ClusterIdentity, announced: ClusterAddress | null, listening: ClusterAddress) {
    this.nodeId = nodeId
    this.shardId = shardId
    this.#announced = announced
    this.#listening = listening
  }

  slots(client: Onlooker): Buffer {
    const { host, port } = this.#addressFor(client)
    const node = [encodeBulk(host), encodeInteger(port), encodeBulk(this.nodeId), encodeMap([], client.protocol)]
    return encodeArray([encodeArray([encodeInteger(0), encodeInteger(slotCount - 1), encodeArray(node)])])
  }

  shards(client: Onlooker, server: ServerName): Buffer {
    const { host, port } = this.#addressFor(client)
    const node = [
      ...[encodeBulk('id'), encodeBulk(this.nodeId)],
      ...[encodeBulk('port'), encodeInteger(port)],
      ...[encodeBulk('ip'), encodeBulk(host)],
      ...[encodeBulk('endpoint'), encodeBulk(host)],
      ...[encodeBulk('role'), encodeBulk('master')],
      ...[encodeBulk('replication-offset'), encodeInteger(0)],
      ...[encodeBulk('health'), encodeBulk('online')],
    ]
    const shard = [
      ...[encodeBulk('slots'), encodeArray([encodeInteger(0), encodeInteger(slotCount - 1)])],
      ...[encodeBulk('nodes'), encodeArray([encodeMap(node, client.protocol)])],
      ...(isSince(server, { redis: null, valkey: '9.0' }) ? [encodeBulk('id'), encodeBulk(this.shardId)] : []),
    ]
    return encodeArray([encodeMap(shard, client.protocol)])
  }

  nodes(client: Onlooker): Buffer {
    const { host, port } = this.#addressFor(client)
    const busPort = port + busPortOffset > portMax ? 0 : port + busPortOffset
    const shown = host.includes(':') ? `[${host}]` : host
    const line = `${this.nodeId} ${shown}:${port}@${busPort} myself,master - 0 0 ${epoch} connected 0-${slotCount - 1}\n`
    return encodeText(line, client.protocol)
  }

  /** @param serving whether the authority can be asked. */
  info(client: Onlooker, server: ServerName, serving: boolean): Buffer {
    const latest = isSince(server, { redis: null, valkey: '9.1' })
    const zeros = (...names: string[]): string[] => names.map((name) => `cluster_${name}:0`)
    const rows = [
      `cluster_state:${serving ? 'ok' : 'fail'}`,
      `cluster_slots_assigned:${slotCount}`,
      `cluster_slots_ok:${slotCount}`,
      ...zeros('slots_pfail', 'slots_fail'),
      ...(latest ? zeros('nodes_pfail', 'nodes_fail', 'voting_nodes_pfail', 'voting_nodes_fail') : []),
      'cluster_known_nodes:1',
      'cluster_size:1',
      `cluster_current_epoch:${epoch}`,
      `cluster_my_epoch:${epoch}`,
      ...zeros('stats_messages_sent', 'stats_messages_received'),
      ...(latest ? zeros(...['', 'pubsub_', 'module_'].flatMap(trafficOf)) : []),
      'total_cluster_links_buffer_limit_exceeded:0',
    ]
    return encodeText(`${rows.join('\r\n')}\r\n`, client.protocol)
  }

  /** What a cluster says to a command that leaves database 0; null where this one does not. Words: by release, as each says it. */
  refusalOf({ name, databases }: Elsewhere, server: ServerName): Buffer | null {
    if (name === 'swapdb') return encodeError('ERR SWAPDB is not allowed in cluster mode')
    const numbered = isSince(server, { redis: null, valkey: '9.0' })
    if (name === 'move' && !numbered) return encodeError('ERR MOVE is not allowed in cluster mode')
    if (databases.every((db) => db === 0)) return null
    if (name === 'select' && !numbered) return encodeError('ERR SELECT is not allowed in cluster mode')
    if (name === 'copy' && !isSince(server, { redis: '7.2', valkey: '7.2' }))
      return encodeError('ERR Copying to another database is not allowed in cluster mode')
    return encodeError(outOfRange)
  }

  #addressFor({ socket }: Onlooker): ClusterAddress {
    if (this.#announced !== null) return this.#announced
    const { localAddress, localPort } = socket
    if (localAddress === undefined || localPort === undefined) return this.#listening
    return { host: localAddress.replace(/^::ffff:(?=\d+\.)/, ''), port: localPort }
  }
}

const trafficOf = (what: string): string[] => [`stats_${what}bytes_sent`, `stats_${what}bytes_received`]
