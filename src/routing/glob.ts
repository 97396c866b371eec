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
      const found = classAt(text, at + 1)
      source += found.source
      at = found.end
    } else if (char === '\\' && at + 1 < text.length) source += literal(text[++at] as string)
    else source += literal(char)
  }
  return new RegExp(`^${source}$`)
}

const literal = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`

/** As servers read it: a range may end with `]`, and a class that is not closed goes to the end of the pattern. */
function classAt(text: string, from: number): { source: string; end: number } {
  const negated = text[from] === '^'
  let source = negated ? '[^' : '['
  let at = negated ? from + 1 : from
  for (; at < text.length && text[at] !== ']'; at++) {
    const char = text[at] as string
    if (char === '\\' && at + 1 < text.length) source += literal(text[++at] as string)
    else if (text[at + 1] === '-' && at + 2 < text.length) {
      const [low, high] = [char, text[at + 2] as string].sort() as [string, string]
      source += `${literal(low)}-${literal(high)}`
      at += 2
    } else source += literal(char)
  }
  return { source: `${source}]`, end: at }
}
