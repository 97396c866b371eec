/** When a server makes the consumer that a command names. */
import { isBefore, isSince, type Release, type ServerName } from '../server-name.ts'

/** From here on a claim or a read of a group makes its consumer even where there is nothing for it. */
const makesConsumer: Release = { redis: '7.2', valkey: '7.2' }

/** Whether this server makes it for nothing; null: not known. */
export function madeConsumer(server: ServerName | null): boolean | null {
  if (server === null) return null
  return isSince(server, makesConsumer) ? true : isBefore(server, makesConsumer) ? false : null
}

/** Whether it was there before, no reply tells. */
export const createConsumer = (key: Buffer, group: Buffer, consumer: Buffer) => ({
  words: ['XGROUP', 'CREATECONSUMER', key, group, consumer],
  expected: null,
})
