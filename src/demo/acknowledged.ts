/** Checks that a server holds what the clients were told it holds: two sides that lost the same write would look equal to each other. */
import { RawConnection } from './raw-connection.ts'

/** `expected` by database; null = the key must not exist. Answers one line per key that is not as it was acknowledged. */
export async function findUnkept(
  port: number,
  expected: ReadonlyMap<number, ReadonlyMap<string, string | null>>,
): Promise<string[]> {
  const connection = await RawConnection.open(port)
  const unkept: string[] = []
  try {
    for (const [db, values] of expected) {
      await connection.command('SELECT', db)
      const replies = await connection.batch([...values.keys()].map((key) => ['GET', key]))
      for (const [position, [key, value]] of [...values].entries()) {
        const reply = replies[position]
        const found = Buffer.isBuffer(reply) ? reply.toString('latin1') : reply
        if (found !== value) unkept.push(`db ${db} ${key}: acknowledged ${value}, holds ${found}`)
      }
    }
  } finally {
    connection.close()
  }
  return unkept
}
