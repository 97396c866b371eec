/** A primary with a replica, and sentinels that watch them, for tests. Loopback only. */
import type { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis-server.ts'
import { until } from './wait.ts'

export interface StartSentinelOptions {
  /** One of engineNames(); absent: the redis-server on PATH. */
  engine?: string
  /** Default 3. The quorum is more than half of them. */
  sentinels?: number
  /** What the sentinels call the primary. Default `main`. */
  name?: string
  /** After how long without an answer a server is taken for down. Default 1000. */
  downAfterMs?: number
  /** Of the servers; the sentinels ask for none. */
  password?: string
  /** Further flags for the two servers. */
  args?: readonly string[]
}

const startLimitMs = 30_000
const failoverLimitMs = 30_000

export async function startSentinel(options: StartSentinelOptions = {}): Promise<SentinelSet> {
  const set = new SentinelSet(options)
  try {
    await set.form()
  } catch (error) {
    await set.stop()
    throw error
  }
  return set
}

export class SentinelSet {
  /** The two servers, whichever is the primary. A killed one stays in it. */
  readonly servers: RedisServer[] = []
  readonly sentinels: RedisServer[] = []
  readonly name: string
  readonly #options: StartSentinelOptions
  readonly #clients = new Map<RedisServer, Redis>()
  readonly #killed = new Set<RedisServer>()

  /** Use startSentinel(). */
  constructor(options: StartSentinelOptions) {
    this.#options = options
    this.name = options.name ?? 'main'
  }

  /** redis-sentinel://127.0.0.1:p,127.0.0.1:p/name, with the password of the servers. */
  get url(): string {
    const { password } = this.#options
    const hosts = this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')
    return `redis-sentinel://${password === undefined ? '' : `:${password}@`}${hosts}/${this.name}`
  }

  /** Starts everything. Only for startSentinel(). */
  async form(): Promise<void> {
    const { sentinels = 3, downAfterMs = 1_000, password, args = [] } = this.#options
    const secrets = password === undefined ? [] : ['--requirepass', password, '--masterauth', password]
    await this.#launch(this.servers, 2, { args: [...secrets, '--repl-diskless-sync-delay', '0', ...args] })
    const [primary, replica] = this.servers as [RedisServer, RedisServer]
    await this.client(replica).replicaof('127.0.0.1', primary.port)
    // A sentinel that does not find the replica at once looks for it again 10 s later.
    await this.untilInStep()
    const about = `sentinel monitor ${this.name} 127.0.0.1 ${primary.port} ${Math.floor(sentinels / 2) + 1}`
    const rules = [
      `down-after-milliseconds ${this.name} ${downAfterMs}`,
      `failover-timeout ${this.name} ${Math.max(5_000, downAfterMs)}`,
    ]
    if (password !== undefined) rules.push(`auth-pass ${this.name} ${password}`)
    const sentinel = [about, ...rules.map((rule) => `sentinel ${rule}`), ''].join('\n')
    await this.#launch(this.sentinels, sentinels, { sentinel })
    await this.#untilWatched()
  }

  /** Of one server or sentinel, the same one each time; it reconnects. */
  client(server: RedisServer): Redis {
    let client = this.#clients.get(server)
    if (client === undefined) {
      const { password } = this.#options
      // A sentinel ends all connections of the server that it promotes.
      const again = { retryStrategy: () => 50, maxRetriesPerRequest: 20 }
      client = server.client(password !== undefined && this.servers.includes(server) ? { ...again, password } : again)
      this.#clients.set(server, client)
    }
    return client
  }

  /** As the sentinels see it; throws while they do not agree. */
  async primary(): Promise<RedisServer> {
    const answers = await Promise.all(this.sentinels.map((sentinel) => this.#ask(sentinel, 'get-master-addr-by-name')))
    const ports = new Set(answers.map((answer) => Number((answer as string[])[1])))
    const primary = this.servers.find(({ port }) => ports.size === 1 && ports.has(port))
    if (primary === undefined) throw new Error(`the sentinels name ${[...ports].join(' and ')}`)
    return primary
  }

  /**
   * SENTINEL FAILOVER: the replica is promoted. Answers it once all sentinels name it and it takes writes. The old primary goes on taking
   * writes, and loses them, until a sentinel makes it a replica; untilInStep() waits for that.
   */
  async failover(): Promise<RedisServer> {
    const before = await this.primary()
    const [sentinel] = this.sentinels as [RedisServer]
    await until(() => this.#asked(sentinel), { timeoutMs: failoverLimitMs, what: 'a sentinel to begin a failover' })
    return this.#untilPrimaryIsNot(before)
  }

  /** SIGKILL, and waits until the sentinels made the replica the primary. */
  async killPrimary(): Promise<RedisServer> {
    const before = await this.primary()
    this.#killed.add(before)
    await before.kill9()
    return this.#untilPrimaryIsNot(before)
  }

  /** Waits until one of the servers follows the other one. */
  async untilInStep(): Promise<void> {
    const linked = async (): Promise<boolean> => {
      const infos = await Promise.all(this.#alive.map((server) => this.client(server).info('replication')))
      return infos.some((info) => info.includes('master_link_status:up')) && infos.some((info) => info.includes('role:master'))
    }
    await until(linked, { timeoutMs: startLimitMs, what: 'a replica in step' })
  }

  /** Ends all of it. Can be repeated. */
  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()))
  }

  get #alive(): RedisServer[] {
    return this.servers.filter((server) => !this.#killed.has(server))
  }

  #ask(sentinel: RedisServer, subcommand: string): Promise<unknown> {
    return this.client(sentinel).call('SENTINEL', subcommand, this.name)
  }

  /** False where a sentinel has not yet heard anew from the replica, as on a loaded machine, or is still at the failover before. */
  async #asked(sentinel: RedisServer): Promise<boolean> {
    try {
      return (await this.#ask(sentinel, 'FAILOVER')) === 'OK'
    } catch (error) {
      if (/^(NOGOODSLAVE|INPROG)/.test((error as Error).message)) return false
      throw error
    }
  }

  /** Starts them side by side into the list; when one does not start, stop() still ends the others. */
  async #launch(into: RedisServer[], count: number, options: { args?: string[]; sentinel?: string }): Promise<void> {
    const { engine } = this.#options
    const start = (): Promise<RedisServer> => startRedis(engine === undefined ? options : { engine, ...options })
    const attempts = await Promise.allSettled(Array.from({ length: count }, start))
    for (const attempt of attempts) if (attempt.status === 'fulfilled') into.push(attempt.value)
    for (const attempt of attempts) if (attempt.status === 'rejected') throw attempt.reason
  }

  /** A failover needs sentinels that know each other and the replica. */
  async #untilWatched(): Promise<void> {
    const watched = async (): Promise<boolean> => {
      const answers = await Promise.all(this.sentinels.map((sentinel) => this.#ask(sentinel, 'MASTER')))
      return answers.every((answer) => {
        const words = answer as string[]
        const field = (name: string): string | undefined => words[words.indexOf(name) + 1]
        const others = field('num-other-sentinels') === `${this.sentinels.length - 1}`
        return field('flags') === 'master' && field('num-slaves') === '1' && others
      })
    }
    await until(watched, { timeoutMs: startLimitMs, what: 'the sentinels to know each other' })
  }

  async #untilPrimaryIsNot(before: RedisServer): Promise<RedisServer> {
    const changed = async (): Promise<RedisServer | null> => {
      const primary = await this.primary()
      if (primary === before) return null
      return (await this.client(primary).info('replication')).includes('role:master') ? primary : null
    }
    return until(changed, { timeoutMs: failoverLimitMs, what: 'another primary' })
  }
}
