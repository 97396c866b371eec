/** Lua 5.1 source as a flat list of tokens: enough to see which commands a script calls, and with what. Never throws. */

export interface LuaToken {
  readonly type: 'name' | 'string' | 'number' | 'op'
  /** A name or an operator as written; what a string holds, its escapes left as they are. */
  readonly text: string
}

/** A comment or a string in long brackets: `[[ … ]]`, `[==[ … ]==]`. */
const longOpen = /\[(=*)\[/y
const name = /[A-Za-z_]\w*/y
const number = /0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?/y
const operator = /\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.]/y
const space = /\s+/y

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(source)
}

/** Null where it is not Lua as far as this goes: an unknown character, or a string without an end. */
export function luaTokens(source: string): LuaToken[] | null {
  const tokens: LuaToken[] = []
  // The first line of a library, or of a script with flags.
  let at = source.startsWith('#!') ? lineEnd(source, 0) : 0
  while (at < source.length) {
    const blank = match(space, source, at)
    if (blank !== null) {
      at += blank[0].length
      continue
    }
    if (source.startsWith('--', at)) {
      const long = match(longOpen, source, at + 2)
      at = long === null ? lineEnd(source, at) : endOfLong(source, at + 2, long)
      continue
    }
    const long = match(longOpen, source, at)
    if (long !== null) {
      const end = endOfLong(source, at, long)
      tokens.push({ type: 'string', text: source.slice(at + long[0].length, end - long[0].length) })
      at = end
      continue
    }
    const end = source[at] === '"' || source[at] === "'" ? quoted(source, at, tokens) : word(source, at, tokens)
    if (end < 0) return null
    at = end
  }
  return tokens
}

function lineEnd(source: string, at: number): number {
  const end = source.indexOf('\n', at)
  return end < 0 ? source.length : end
}

function endOfLong(source: string, at: number, open: RegExpExecArray): number {
  const close = `]${open[1]}]`
  const end = source.indexOf(close, at + open[0].length)
  return end < 0 ? source.length : end + close.length
}

function quoted(source: string, at: number, into: LuaToken[]): number {
  const quote = source[at]
  let end = at + 1
  while (end < source.length && source[end] !== quote) {
    if (source[end] === '\n') return -1
    end += source[end] === '\\' ? 2 : 1
  }
  if (end >= source.length) return -1
  into.push({ type: 'string', text: source.slice(at + 1, end) })
  return end + 1
}

function word(source: string, at: number, into: LuaToken[]): number {
  for (const [type, pattern] of [
    ['name', name],
    ['number', number],
    ['op', operator],
  ] as const) {
    const found = match(pattern, source, at)
    if (found === null) continue
    into.push({ type, text: found[0] })
    return at + found[0].length
  }
  return -1
}
