/** What all primaries of a cluster hold together. */
import { type FullState, fullStateOf } from './full-state.ts'
import type { RedisCluster } from './redis-cluster.ts'

export async function clusterStateOf(cluster: RedisCluster): Promise<FullState> {
  const states = await Promise.all((await cluster.primaries()).map(({ port }) => fullStateOf(port)))
  return {
    keys: Object.assign({}, ...states.map(({ keys }) => keys)),
    deliveries: Object.assign({}, ...states.map(({ deliveries }) => deliveries)),
  }
}
