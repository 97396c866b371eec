/**
 * What COMMAND does not tell, by hand: which kind a command is, why one is refused, what replies can be compared. Reads need no entry
 * (the readonly flag says it); every write has one, and a test holds that. A write without one would be WriteByCopy.
 */
import { Compare, Kind } from './spec.ts'

const words = (text: string): readonly string[] => text.split(/\s+/).filter(Boolean)

const kindLists: readonly (readonly [Kind, string])[] = [
  // Integers, bytes, list ends, set and field membership, double addition: the same on every version and architecture.
  [Kind.WritePlain, 'append decr decrby incr incrby getdel getset mset msetnx setnx bitop'],
  [Kind.WriteFar, 'setrange setbit'],
  // Absolute times: both sides get the same instant.
  [Kind.WritePlain, 'del unlink expireat pexpireat persist rename renamenx'],
  [Kind.WritePlain, 'hdel hincrby hmset hset hsetnx hpersist hexpireat hpexpireat'],
  [Kind.WritePlain, 'linsert lmove lpop lpush lpushx lrem lset ltrim rpop rpoplpush rpush rpushx'],
  // SUNIONSTORE and the like build sets, whose order is not part of the value.
  [Kind.WritePlain, 'sadd srem smove sdiffstore sinterstore sunionstore'],
  // Pops by score are ordered by score, then by bytes. GEOADD's score comes from divisions and powers of two only.
  [Kind.WritePlain, 'zadd zrem zremrangebylex zremrangebyrank zremrangebyscore zrangestore geoadd'],
  [Kind.WritePlain, 'xack xdel xsetid xgroup|destroy xgroup|createconsumer xgroup|delconsumer'],
  // The registers are a pure function of the elements. The bytes may differ where hll-sparse-max-bytes differs; the count does not.
  [Kind.WritePlain, 'pfadd pfmerge'],
  // Indexes are given, or follow from a cursor that is part of the value.
  [Kind.WritePlain, 'ardel ardelrange arinsert armset arring arseek arset'],
  // Attributes only: the graph stays as it is.
  [Kind.WritePlain, 'vsetattr'],

  [Kind.WriteMovable, 'lmpop zmpop zdiffstore'],

  // Relative expiries, optional STORE, generated ids, approximate trims: rewrite.ts decides.
  [Kind.WriteByArguments, 'set setex psetex msetex getex expire pexpire restore copy bitfield sort georadius georadiusbymember'],
  [Kind.WriteByArguments, 'hexpire hpexpire hsetex hgetex xadd xtrim xgroup|create xgroup|setid zunionstore zinterstore'],
  // What a group gives out next is part of the key; when it gave it out differs by as much as the two sides are apart.
  [Kind.WriteByArguments, 'xreadgroup'],
  // As plain as the others, but their answers have to be compared by meaning: two versions write a score differently.
  [Kind.WriteByArguments, 'zincrby zpopmin zpopmax'],
  [Kind.WriteByArguments, 'increx'],
  // As plain as the others between servers that both know them: newer-forms.ts.
  [Kind.WriteByArguments, 'delex delifeq hgetdel xdelex xackdel'],
  // The key changes database: `destinationDb` says which other one is to be minded.
  [Kind.WriteByArguments, 'move'],
  // Flagged readonly, but with one key it stores the count it computed in the value, and Redis replicates that.
  [Kind.WriteByArguments, 'pfcount'],

  // Random members.
  [Kind.WriteByCopy, 'spop'],
  // Long double arithmetic and its text differ between architectures (80-bit on x86, 128-bit on ARM).
  [Kind.WriteByCopy, 'incrbyfloat hincrbyfloat'],
  // Who gets an entry depends on how long it has been idle, by the server's clock.
  [Kind.WriteByCopy, 'xclaim xautoclaim'],
  // Distances come from the C library's sine and arc sine; a member on the rim may be in on one side and out on the other.
  [Kind.WriteByCopy, 'geosearchstore'],
  // Newer than what could be tried on two servers.
  [Kind.WriteByCopy, 'lmovem xcfgset xnack'],
  // The graph has random levels; two sides would answer VSIM differently ever after.
  [Kind.WriteByCopy, 'vadd vrem'],

  [Kind.WriteGlobal, 'flushall flushdb swapdb'],
  [Kind.BothKeyless, 'script|load script|flush function|load function|delete function|flush function|restore'],
  // COMMAND hides that they may write: neither flag is set.
  [Kind.Script, 'eval evalsha fcall'],
  // Likewise, and what COMMAND gives as SPUBLISH's key is a channel.
  [Kind.Publish, 'publish spublish'],

  [Kind.Session, 'auth hello select ping echo quit reset info monitor'],
  [
    Kind.Session,
    'client|caching client|capa client|getname client|getredir client|help client|id client|info client|kill client|list',
  ],
  [
    Kind.Session,
    'client|no-evict client|no-touch client|reply client|setinfo client|setname client|tracking client|trackinginfo',
  ],
  [Kind.Session, 'client|unblock client|pause client|unpause'],
  [Kind.Session, 'asking readonly readwrite cluster|slots cluster|shards cluster|nodes cluster|info cluster|links cluster|help'],
  [Kind.Session, 'cluster|myid cluster|myshardid cluster|replicas cluster|slaves cluster|count-failure-reports cluster|keyslot'],
  [Kind.Session, 'cluster|countkeysinslot cluster|getkeysinslot cluster|slot-stats cluster|getslotmigrations'],
  [Kind.Transaction, 'multi exec discard watch unwatch'],
  [Kind.PubSub, 'subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe'],
  [Kind.Blocking, 'blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin wait waitaof'],

  // Reads of the server itself: neither readonly nor write in COMMAND.
  [Kind.ReadKeyless, 'command command|count command|docs command|getkeys command|getkeysandflags command|info command|list'],
  [
    Kind.ReadKeyless,
    'time lastsave role acl|cat acl|dryrun acl|genpass acl|getuser acl|list acl|log acl|users acl|whoami config|get',
  ],
  [Kind.ReadKeyless, 'commandlog|get commandlog|len slowlog|get slowlog|len latency|doctor latency|graph latency|histogram'],
  [Kind.ReadKeyless, 'latency|history latency|latest memory|doctor memory|malloc-stats memory|stats module|list'],
  [Kind.ReadKeyless, 'pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub'],
  [Kind.ReadKeyless, 'script|exists script|show script|kill function|kill function|dump function|list function|stats'],

  // COMMAND is no container here: all of its subcommands go the same way.
  [
    Kind.Container,
    'acl client cluster commandlog config function latency memory module object pubsub script slowlog xgroup xinfo',
  ],
]

const refusals: readonly (readonly [string, string])[] = [
  ['it turns the connection into a stream that Ferry does not relay', 'psync sync replconf'],
  ['it changes who replicates whom, which a running migration depends on', 'replicaof slaveof failover'],
  ['it would stop a server that the migration depends on; connect to that server', 'shutdown'],
  ['it moves keys to a third server, past the migration', 'migrate'],
  ['it keeps field names with the connection, which clients share here; use HSET', 'himport'],
  ['it waits on the server in a way that is not carried yet; use LMOVEM', 'blmovem'],
  ['it can do anything to a server; connect to that server', 'debug pfdebug pfselftest'],
  [
    'it changes one server only; connect to that server',
    'acl|deluser acl|load acl|save acl|setuser config|resetstat config|rewrite config|set',
  ],
  [
    'it changes one server only; connect to that server',
    'backup hotkeys commandlog|reset slowlog|reset latency|reset memory|purge',
  ],
  ['it changes one server only; connect to that server', 'module|load module|loadex module|unload save bgsave bgrewriteaof'],
  ['the debugger needs a connection of its own; connect to that server', 'script|debug'],
  ['it is for import tools that write to the server themselves; Ferry sets it where it needs it', 'client|import-source'],
  [
    'Ferry is one server to its clients; the cluster behind it is its own business',
    `restore-asking clusterscan cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|cancelslotmigrations
     cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslot cluster|flushslots cluster|forget cluster|meet
     cluster|migrateslots cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot
     cluster|syncslots`,
  ],
]

const compareLists: readonly (readonly [Compare, string])[] = [
  [Compare.Lifetime, 'ttl pttl expiretime pexpiretime httl hpttl hexpiretime hpexpiretime'],
  [Compare.Unordered, 'smembers sunion sdiff sinter hkeys hvals keys geosearch georadius georadius_ro georadiusbymember'],
  [Compare.Unordered, 'georadiusbymember_ro'],
  [Compare.UnorderedPairs, 'hgetall'],
  // The payload names the version that made it.
  [Compare.Never, 'dump'],
  // Encoding, memory and radix tree shape belong to the server, idle times to its clock; a group's lag is reckoned by version.
  [
    Compare.Never,
    'object|encoding object|freq object|idletime object|refcount memory|usage xinfo|stream xinfo|consumers xinfo|groups xpending',
  ],
  // Approximate searches of a graph that is not the same twice.
  [Compare.Never, 'vsim vlinks vinfo vrandmember'],
]

/** Newer than the engines the table was made from, in the table's own form. */
export const extraRows: readonly string[] = [
  'delex -2 1 1 1 string w',
  'digest 2 1 1 1 string r',
  'xackdel -6 1 1 1 stream w',
  'xdelex -5 1 1 1 stream w',
  // Redis 8.6 to 8.10, Valkey 9.2.
  'ardel -3 1 1 1 array w',
  'ardelrange -4 1 1 1 array w',
  'arinsert -3 1 1 1 array w',
  'armset -4 1 1 1 array w',
  'arring -4 1 1 1 array w',
  'arseek 3 1 1 1 array w',
  'arset -4 1 1 1 array w',
  'backup -2 0 0 0 server a',
  'blmovem -6 1 2 1 list bw',
  'himport -2 0 0 0 hash -',
  'hotkeys -2 0 0 0 server a',
  'increx -2 1 1 1 string w',
  'lmovem -5 1 2 1 list w',
  'xcfgset -2 1 1 1 stream w',
  'xnack -7 1 1 1 stream w',
]

/** What they do to one key rests on what another holds: see CommandSpec.derives. */
const derivingWords = `bitop copy lmove rename renamenx rpoplpush sdiffstore sinterstore sunionstore smove zrangestore zdiffstore
  zinterstore zunionstore pfmerge lmovem lmpop zmpop blmpop bzmpop blpop brpop bzpopmin bzpopmax blmove brpoplpush msetnx msetex sort
  georadius georadiusbymember geosearchstore move`

function indexed<T>(lists: readonly (readonly [T, string])[]): ReadonlyMap<string, T> {
  const map = new Map<string, T>()
  for (const [value, names] of lists) {
    for (const name of words(names)) {
      if (map.has(name)) throw new Error(`${name} is listed twice in the command overlay`)
      map.set(name, value)
    }
  }
  return map
}

export const explicitKinds = indexed(kindLists)
/** Reason by name. */
export const refusedCommands = indexed(refusals)
export const explicitCompare = indexed(compareLists)
export const derivingCommands: ReadonlySet<string> = new Set(words(derivingWords))
export const cursorCommands: ReadonlySet<string> = new Set(words('scan hscan sscan zscan'))
