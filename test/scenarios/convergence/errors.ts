/** Which error replies say nothing about Ferry: a plain server gives them for the same commands, or Ferry may under what is done to it. */

/** What random commands earn on any server. */
const plain: readonly RegExp[] = [
  /^WRONGTYPE /,
  /^(BUSYGROUP|NOGROUP|BUSYKEY|UNBLOCKED) /,
  /^NOSCRIPT /,
  /^INVALIDOBJ /,
  /^ERR (no such key|member .* does not exist)/,
  /^ERR source and destination objects are the same/,
  /^ERR (index out of range|offset is out of range|bit offset is not|string exceeds)/,
  /^ERR value is not (an integer|a valid float|a float)/,
  /^ERR hash value is not/,
  /^ERR (increment or decrement would overflow|increment would produce|resulting score is not a number)/,
  /^ERR Bad data format/,
  /^ERR (not supported for this module key|The specified keys must contain string values)/,
  /^ERR DUMP payload version or checksum are wrong/,
  /^ERR One or more scores can't be converted/,
  /^ERR The ID (specified in|argument)/,
  /^ERR The (entries_added|max_deleted)/,
  /^ERR .*(XGROUP|consumer group|XREADGROUP|XADD|XSETID|The \$)/,
  /^ERR could not decode requested zset member/,
  /^ERR (Function not found|Library not found|Library '.*' already exists|Failed to .* function)/,
  /^ERR unknown command '?NOSUCHCOMMAND/i,
  /^ERR wrong number of arguments for 'get' command/,
  /^ERR (DB index is out of range|invalid (first|second) DB index)/,
  /^ERR (element not found|key does not|no such (element|member)|Numeric|Number of)/,
  /^ERR (invalid expire time|syntax error)/,
  /^ERR .*script: [0-9a-f]{40}/,
  /^ERR Error (running|compiling) script/,
]

/** A side was lost with the command under way, or is away. */
const ofLoss: readonly RegExp[] = [/^ERR FERRY (unknown-outcome|authority-unavailable|overloaded)/]

/** What two policies promise when one side fails. */
const ofPolicy: readonly RegExp[] = [/^ERR FERRY (both-required|aborted)/]

/** What clients of a cluster see: of keys that lie in several slots, and while slots or servers are on their way. */
const ofCluster: readonly RegExp[] = [
  /^CROSSSLOT /,
  /^EXECABORT /,
  /^(CLUSTERDOWN|TRYAGAIN) /,
  /attempted to access (a non local key|keys that do not hash to the same slot)/i,
  /^ERR (SELECT|SWAPDB|MOVE|COPY) is not allowed in cluster mode/i,
  /^ERR (BY|GET) option of SORT denied in cluster mode/i,
]

export const isPlainError = (error: string): boolean => plain.some((words) => words.test(error))
export const isLossError = (error: string): boolean => ofLoss.some((words) => words.test(error))
export const isPolicyError = (error: string): boolean => ofPolicy.some((words) => words.test(error))
export const isClusterError = (error: string): boolean => ofCluster.some((words) => words.test(error))
export const isUnsupported = (error: string): boolean => /^ERR FERRY unsupported/.test(error)

/** The part that says what kind it is, for counting. */
export function kindOf(error: string): string {
  const kind = /^ERR FERRY [a-z-]+|^\S+/.exec(error)?.[0] ?? ''
  return kind === 'ERR' ? error.slice(0, 60).replace(/'[^']*'|[0-9a-f]{40}|\d+/g, '…') : kind
}
