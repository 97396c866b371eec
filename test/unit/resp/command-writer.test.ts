import { describe, expect, it } from 'vitest'
import { CommandWriter } from '../../../src/resp/command-writer.ts'
import { encodeCommand } from '../../../src/resp/encode.ts'
import { bytesOf } from '../../support/written.ts'

const large = Buffer.alloc(20_000, 'l')

describe('commands one behind the other', () => {
  it.each([64, 70, 4_096])('are the same bytes with %i bytes to begin with', (expectedBytes) => {
    const argv = [
      Buffer.from('SET'),
      Buffer.from(''),
      large,
      Buffer.alloc(47, 'a'),
      Buffer.alloc(48, 'b'),
      Buffer.alloc(16_384, 'c'),
    ]
    const bytes = bytesOf((out) => {
      for (let n = 0; n < 3; n++) {
        out.begin(argv.length + 2)
        for (const arg of argv) out.add(arg)
        out.number(0).number(4_102_444_800_000)
      }
      out.command('MULTI').command('EXPIRE', Buffer.from('k'), 12)
    }, expectedBytes)
    const set = encodeCommand([...argv, 0, 4_102_444_800_000])
    expect(bytes.equals(Buffer.concat([set, set, set, encodeCommand(['MULTI']), encodeCommand(['EXPIRE', 'k', 12])]))).toBe(true)
  })

  it('are counted', () => {
    expect(new CommandWriter().command('A').command('B', 1).commands).toBe(2)
  })

  it('a large argument is handed over as it is', () => {
    const pieces: Buffer[] = []
    const out = new CommandWriter()
    out.begin(2).add(Buffer.from('ECHO')).add(large)
    out.writeTo({ write: (buf) => void pieces.push(buf) })
    expect(pieces).toContain(large)
  })
})
