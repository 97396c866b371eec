/** Redis' own patterns (`*`, `?`, `[a-c]`, `[^x]`, `\` before a literal), over bytes. */

/** Matches keys given as latin1 text, one character per byte. */
export function compileGlob(pattern: string): RegExp {
  const text = Buffer.from(pattern).toString('latin1')
  let source = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === '*') source += '[^]*'
    else if (char === '?') source += '[^]'
    else if (char === '[') {
      const end = classEnd(text, at)
      source += classSource(text.slice(at + 1, end))
      at = end
    } else if (char === '\\' && at + 1 < text.length) source += literal(text[++at] as string)
    else source += literal(char)
  }
  return new RegExp(`^${source}$`)
}

const literal = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`

/** Where the class that begins at `at` is closed; a class that is not goes to the end of the pattern, as in servers. */
function classEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ']') return i
  }
  return text.length
}

function classSource(inside: string): string {
  const negated = inside.startsWith('^')
  let source = ''
  for (let at = negated ? 1 : 0; at < inside.length; at++) {
    let first = inside[at] as string
    if (first === '\\' && at + 1 < inside.length) first = inside[++at] as string
    else if (inside[at + 1] === '-' && at + 2 < inside.length) {
      const [low, high] = [first, inside[at + 2] as string].sort() as [string, string]
      source += `${literal(low)}-${literal(high)}`
      at += 2
      continue
    }
    source += literal(first)
  }
  return `[${negated ? '^' : ''}${source}]`
}
