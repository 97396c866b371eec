/** Drives a RequestReader as a session does: chunk, frames, chunk, frames, until it wants more or finds fault. */
import { RequestReader } from '../../src/resp/request-reader.ts'
import { Found, type RequestLimits } from '../../src/resp/request-scanner.ts'

export const roomyLimits: RequestLimits = { bulkBytes: 512 * 2 ** 20, argumentsMax: 2 ** 20, inlineBytes: 65_536 }

export interface ReadRequests {
  /** The arguments of every frame, copied when it was found. */
  readonly commands: Buffer[][]
  /** Empty where nothing is wrong. */
  readonly problem: string
  /** How many frames came piece by piece. */
  readonly large: number
  readonly pendingBytes: number
}

export function readRequests(chunks: readonly Buffer[], limits = roomyLimits, queryBufferBytes = 2 ** 30): ReadRequests {
  const reader = new RequestReader(limits, queryBufferBytes)
  const commands: Buffer[][] = []
  let large = 0
  for (const chunk of chunks) {
    reader.push(chunk)
    for (;;) {
      const found = reader.next()
      if (found === Found.more) break
      if (found === Found.malformed) return { commands, problem: reader.problem, large, pendingBytes: reader.pendingBytes }
      if (found !== Found.frame && found !== Found.large) throw new Error(`next() gave ${found}`)
      if (found === Found.large) large++
      commands.push(found === Found.large ? largeArguments(reader) : frameArguments(reader))
    }
  }
  return { commands, problem: '', large, pendingBytes: reader.pendingBytes }
}

function frameArguments({ scanner, large }: RequestReader): Buffer[] {
  if (large !== null) throw new Error('an ordinary frame shows an older large one')
  const args: Buffer[] = []
  for (let i = 0; i < scanner.argc; i++) {
    const [offset, length] = [scanner.offsets[2 * i] as number, scanner.offsets[2 * i + 1] as number]
    args.push(Buffer.from(scanner.buf.subarray(offset, offset + length)))
  }
  if (scanner.frameStart > scanner.position || scanner.position > scanner.end) throw new Error('the frame has no sane bounds')
  return args
}

function largeArguments({ large }: RequestReader): Buffer[] {
  if (large === null) throw new Error('there is no large frame')
  const whole = Buffer.concat(large.pieces)
  if (whole.length !== large.length) throw new Error(`the pieces have ${whole.length} bytes, the frame says ${large.length}`)
  return Array.from({ length: large.argc }, (_, i) => {
    const bytes = large.argument(i)
    if (bytes.length !== large.argumentLength(i)) throw new Error('argument and argumentLength differ')
    return Buffer.from(bytes)
  })
}
