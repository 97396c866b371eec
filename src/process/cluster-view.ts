/** Cluster mode as the configuration and the state have it. */
import { randomBytes } from 'node:crypto'
import type { Config } from '../config/schema.ts'
import { type ClusterAddress, type ClusterIdentity, ClusterView } from '../session/cluster-view.ts'
import type { Store } from '../state/store.ts'

const identityDocument = 'cluster-identity'
const hexId = /^[0-9a-f]{40}$/

/** Null where clients are to see a server that is in no cluster. */
export function clusterViewOf({ clusterMode, announce, listen }: Config, store: Store): ClusterView | null {
  if (!clusterMode) return null
  const announced = announce === undefined ? null : addressOf(announce)
  const tcp = listen.find((address) => !address.startsWith('unix://'))
  return new ClusterView(identityOf(store), announced, tcp === undefined ? { host: '', port: 0 } : addressOf(tcp))
}

/** Made once and kept: a client takes a node with another id for another node. */
function identityOf(store: Store): ClusterIdentity {
  const known = store.loadDocument(identityDocument) as Partial<ClusterIdentity> | null
  const { nodeId, shardId } = known ?? {}
  if (nodeId !== undefined && shardId !== undefined && hexId.test(nodeId) && hexId.test(shardId)) return { nodeId, shardId }
  const identity: ClusterIdentity = { nodeId: randomBytes(20).toString('hex'), shardId: randomBytes(20).toString('hex') }
  store.saveDocument(identityDocument, identity)
  return identity
}

function addressOf(hostAndPort: string): ClusterAddress {
  const colon = hostAndPort.lastIndexOf(':')
  return { host: hostAndPort.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(hostAndPort.slice(colon + 1)) }
}
