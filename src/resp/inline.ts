/** Inline commands: one line, split like a shell would, with Redis' own quoting rules (sdssplitargs in the server's sources). */

const escapes: Record<string, number> = { n: 10, r: 13, t: 9, b: 8, a: 7 }
const isSpace = (c: number | undefined): boolean => c === 32 || (c !== undefined && c >= 9 && c <= 13) || c === 0

/** The arguments of a line without its line break, or null where quotes are unbalanced. */
export function splitInline(line: Buffer): Buffer[] | null {
  const argv: Buffer[] = []
  let p = 0
  while (true) {
    while (p < line.length && isSpace(line[p])) p++
    if (p >= line.length) return argv
    const bytes: number[] = []
    let quote = 0
    while (true) {
      const c = line[p]
      if (c === undefined) {
        if (quote !== 0) return null
        break
      }
      if (quote === 0) {
        if (isSpace(c)) break
        if (c === 34 || c === 39) quote = c
        else bytes.push(c)
        p++
        continue
      }
      if (c === 92 && (quote === 34 || line[p + 1] === 39)) {
        p += escaped(line, p, quote, bytes)
        continue
      }
      p++
      if (c !== quote) {
        bytes.push(c)
        continue
      }
      if (p < line.length && !isSpace(line[p])) return null
      break
    }
    argv.push(Buffer.from(bytes))
  }
}

/** One backslash sequence at `p`; returns how many bytes it took. */
function escaped(line: Buffer, p: number, quote: number, bytes: number[]): number {
  const next = line[p + 1]
  if (quote === 39) {
    bytes.push(39)
    return 2
  }
  if (next === undefined) {
    bytes.push(92)
    return 1
  }
  const letter = String.fromCharCode(next)
  const hex = line.toString('latin1', p + 2, p + 4)
  if (letter === 'x' && /^[0-9a-fA-F]{2}$/.test(hex)) {
    bytes.push(Number.parseInt(hex, 16))
    return 4
  }
  bytes.push(escapes[letter] ?? next)
  return 2
}
