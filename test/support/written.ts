/** What a CommandWriter wrote, as lines of words. */
import RedisParser from 'redis-parser'
import { CommandWriter } from '../../src/resp/command-writer.ts'

export function bytesOf(write: (out: CommandWriter) => void, expectedBytes?: number): Buffer {
  const out = new CommandWriter(expectedBytes)
  write(out)
  const pieces: Buffer[] = []
  out.writeTo({ write: (buf, start, end) => void pieces.push(buf.subarray(start, end)) })
  return Buffer.concat(pieces)
}

export function written(write: (out: CommandWriter) => void): string[] {
  const lines: string[] = []
  const parser = new RedisParser({
    returnReply: (argv: Buffer[]) => lines.push(argv.map((word) => word.toString('latin1')).join(' ')),
    returnError: (error) => {
      throw error
    },
    returnBuffers: true,
  })
  parser.execute(bytesOf(write))
  return lines
}
