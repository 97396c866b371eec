/** What the servers of a run are, and which commands they have: asked, not assumed. */
import { RawConnection, type Reply } from '../../../src/demo/raw-connection.ts'

export class Engine {
  readonly name: 'redis' | 'valkey'
  /** Major and minor, as in 8.1. */
  readonly version: number
  /** Lower case; a subcommand is `parent|sub`. */
  readonly commands: ReadonlySet<string>

  static async of(port: number): Promise<Engine> {
    const connection = await RawConnection.open(port)
    try {
      const info = String(await connection.command('INFO', 'server'))
      const commands = new Set<string>()
      collect((await connection.command('COMMAND')) as Reply[], commands)
      return new Engine(info, commands)
    } finally {
      connection.close()
    }
  }

  private constructor(info: string, commands: ReadonlySet<string>) {
    const valkey = /^valkey_version:(\d+\.\d+)/m.exec(info)
    this.name = valkey === null ? 'redis' : 'valkey'
    this.version = Number((valkey ?? /^redis_version:(\d+\.\d+)/m.exec(info))?.[1] ?? 0)
    this.commands = commands
  }

  /** Whether it is this engine, in this version or a later one. */
  is(name: 'redis' | 'valkey', version: number): boolean {
    return this.name === name && this.version >= version
  }
}

const subcommandsAt = 9

function collect(rows: readonly Reply[], into: Set<string>): void {
  for (const row of rows as Reply[][]) {
    into.add(String(row[0]).toLowerCase())
    collect((row[subcommandsAt] as Reply[] | undefined) ?? [], into)
  }
}
