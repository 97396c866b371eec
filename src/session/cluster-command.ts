/** CLUSTER, READONLY, READWRITE and ASKING: Ferry as the one node of a cluster, or, without cluster mode, as a server that is in none. */
import { type ArgView, argBytes, argInteger } from '../commands/arg-view.ts'
import { isBefore, isSince, type Release, type ServerName } from '../commands/server-name.ts'
import { arityOk, type CommandSpec, Kind } from '../commands/spec.ts'
import type { Sent } from '../dispatch/frame.ts'
import { encodeArray, encodeBulk, encodeError, encodeInteger, replies } from '../resp/encode.ts'
import { slotCount, slotOf } from '../routing/slot.ts'
import { answer, refusalAtDoor, refusalOf, withAuthority, wrongArity } from './answers.ts'
import type { ClientSession } from './client-session.ts'
import type { ClusterView } from './cluster-view.ts'
import { countKeysIn, keysIn, slotStats } from './slot-walk.ts'

const disabled = encodeError('ERR This instance has cluster support disabled')
const notAnInteger = encodeError('ERR value is not an integer or out of range')

/** Since when the servers know what all of them did not know from Redis 7.0 on. */
const since: Readonly<Record<string, Release>> = {
  'cluster|myshardid': { redis: '7.2', valkey: '7.2' },
  'cluster|slot-stats': { redis: '8.2', valkey: '8.0' },
  'cluster|getslotmigrations': { redis: null, valkey: '9.0' },
}

/** What a server that is in no cluster answers all the same. */
const withoutCluster: Readonly<Record<string, Release>> = {
  readonly: { redis: null, valkey: '8.0' },
  readwrite: { redis: null, valkey: '8.0' },
  'cluster|keyslot': { redis: null, valkey: '9.1' },
}

export const isClusterCommand = ({ family, kind }: CommandSpec): boolean => family === 'cluster' && kind !== Kind.Container

/** Whether it is answered at once, so that it can have its place inside MULTI. */
export const isClusterAnswer = (spec: CommandSpec): boolean =>
  isClusterCommand(spec) && spec.kind === Kind.Session && !walks.has(spec.name)

const walks: ReadonlySet<string> = new Set(['cluster|countkeysinslot', 'cluster|getkeysinslot', 'cluster|slot-stats'])

/** Answered while the authority is away, too: a client that looks for the right node is not to lose the only one. */
export function handleCluster(session: ClientSession, spec: CommandSpec, args: ArgView): Sent {
  const { core, lanes, cluster } = session.shared
  const { server } = lanes.lane(core.traffic.authority)
  const known = since[spec.name]
  if (known !== undefined && isBefore(server, known)) return answer(session, unknownSubcommand(args))
  if (!arityOk(spec, args.argc)) return answer(session, wrongArity(spec.name))
  const notAdmitted = refusalAtDoor(session)
  if (notAdmitted !== null) return answer(session, notAdmitted)
  if (cluster === null) {
    const always = withoutCluster[spec.name]
    if (always === undefined || !isSince(server, always)) return answer(session, disabled)
  }
  const refusal = refusalOf(spec, args)
  if (refusal !== null) {
    core.counters.clientError('unsupported')
    return answer(session, refusal)
  }
  if (spec.name === 'cluster|keyslot') return answer(session, keySlot(argBytes(args, 2)))
  if (cluster === null) return answer(session, replies.ok)
  if (walks.has(spec.name)) return withAuthority(session, () => walk(session, spec, args))
  return answer(session, shown(session, cluster, spec, args, server))
}

function shown(session: ClientSession, cluster: ClusterView, { name }: CommandSpec, args: ArgView, server: ServerName): Buffer {
  const { core } = session.shared
  switch (name) {
    case 'cluster|slots':
      return cluster.slots(session)
    case 'cluster|shards':
      return cluster.shards(session, server)
    case 'cluster|nodes':
      return cluster.nodes(session)
    case 'cluster|info':
      return cluster.info(session, server, core.accepts(core.authorityLane(session.pair)))
    case 'cluster|myid':
      return encodeBulk(cluster.nodeId)
    case 'cluster|myshardid':
      return encodeBulk(cluster.shardId)
    case 'cluster|links':
    case 'cluster|getslotmigrations':
      return replies.emptyArray
    case 'cluster|replicas':
    case 'cluster|slaves':
      return ofNode(cluster, args, replies.emptyArray)
    case 'cluster|count-failure-reports':
      return ofNode(cluster, args, replies.zero)
    case 'cluster|help':
      return help
    default:
      return replies.ok
  }
}

function ofNode({ nodeId }: ClusterView, args: ArgView, reply: Buffer): Buffer {
  const asked = argBytes(args, 2).toString('latin1')
  return asked === nodeId ? reply : Buffer.from(`-ERR Unknown node ${asked.replace(/[\r\n]+/g, ' ')}\r\n`, 'latin1')
}

const keySlot = (key: Buffer): Buffer => encodeInteger(slotOf(key, 0, key.length))

const unknownSubcommand = (args: ArgView): Buffer =>
  encodeError(`ERR unknown subcommand '${argBytes(args, 1).toString('latin1')}'. Try CLUSTER HELP.`)

/** Those that look at keys. */
function walk(session: ClientSession, { name }: CommandSpec, args: ArgView): Sent {
  if (name === 'cluster|slot-stats') return slotStats(session, args)
  const slot = argInteger(args, 2)
  const inRange = slot >= 0 && slot < slotCount
  if (name === 'cluster|countkeysinslot') {
    if (Number.isNaN(slot)) return answer(session, notAnInteger)
    return inRange ? countKeysIn(session, slot) : answer(session, encodeError('ERR Invalid slot'))
  }
  const most = argInteger(args, 3)
  if (Number.isNaN(slot) || Number.isNaN(most)) return answer(session, notAnInteger)
  return inRange && most >= 0 ? keysIn(session, slot, most) : answer(session, encodeError('ERR Invalid slot or number of keys'))
}

const helpLines = [
  'CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'SLOTS, SHARDS, NODES, INFO, LINKS',
  '    Ferry as the one node of a cluster, with all slots.',
  'MYID, MYSHARDID',
  '    The names of that node and of its shard; they stay the same.',
  'REPLICAS <node-id>, COUNT-FAILURE-REPORTS <node-id>',
  '    None: the servers behind Ferry are not shown.',
  'KEYSLOT <key>',
  '    The slot of a key.',
  'COUNTKEYSINSLOT <slot>, GETKEYSINSLOT <slot> <count>, SLOT-STATS ...',
  '    Keys by slot. All keys of the authority are looked through for it.',
  'HELP',
  '    This text.',
]
const help = encodeArray(helpLines.map((line) => Buffer.from(`+${line}\r\n`)))
