/** Which arguments in a script are surely one of its KEYS: `KEYS[n]`, or a local name that is never anything else. */
import type { LuaToken } from './lua-tokens.ts'

type Tokens = readonly LuaToken[]
/** `one`: a declared key; `all`: `unpack(KEYS)`, each of them. */
type Proof = 'one' | 'all' | null

const isOp = (token: LuaToken | undefined, text: string): boolean => token?.type === 'op' && token.text === text
const isName = (token: LuaToken | undefined, text?: string): boolean =>
  token?.type === 'name' && (text === undefined || token.text === text)
/** After one of these an expression goes on. */
const continues = new Set([
  '..',
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '.',
  '[',
  ':',
  '(',
  '{',
  'or',
  'and',
  '==',
  '~=',
  '<',
  '>',
  '<=',
  '>=',
])

export function provenKeyNames(tokens: Tokens): (argument: Tokens) => Proof {
  if (tampered(tokens)) return () => null
  const { bound, positions } = bindings(tokens)
  const proven = new Set([...bound].filter((name) => onlyBoundSo(tokens, name, positions)))
  return (argument) => {
    if (isElement(argument)) return 'one'
    if (argument.length === 1 && isName(argument[0]) && proven.has((argument[0] as LuaToken).text)) return 'one'
    const words = argument.map(({ text }) => text).join(' ')
    return words === 'unpack ( KEYS )' ? 'all' : null
  }
}

/** `KEYS[…]` and nothing after it. */
const isElement = (argument: Tokens): boolean =>
  isName(argument[0], 'KEYS') && isOp(argument[1], '[') && closing(argument, 1) === argument.length - 1

/** Where the bracket at `open` is closed; past the end where it is not. */
function closing(tokens: Tokens, open: number): number {
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    if (tokens[at]?.type !== 'op') continue
    if ('([{'.includes((tokens[at] as LuaToken).text)) depth++
    else if (')]}'.includes((tokens[at] as LuaToken).text) && --depth === 0) return at
  }
  return tokens.length
}

/** Whether KEYS is used in any way but by reading an element, its length, or all of it. */
function tampered(tokens: Tokens): boolean {
  return tokens.some((token, at) => {
    if (!isName(token, 'KEYS') || isOp(tokens[at - 1], '.') || isOp(tokens[at - 1], ':')) return false
    if (isOp(tokens[at - 1], '#')) return isOp(tokens[at + 1], '[')
    if (isOp(tokens[at + 1], '[')) return assignedAfter(tokens, closing(tokens, at + 1) + 1)
    const caller = tokens[at - 2]?.text ?? ''
    const whole = isOp(tokens[at - 1], '(') && isOp(tokens[at + 1], ')')
    return !(whole && ['ipairs', 'pairs', 'unpack'].includes(caller))
  })
}

/** Whether what ended just before `at` is (part of) the left side of an assignment. */
function assignedAfter(tokens: Tokens, at: number): boolean {
  let here = at
  while (isOp(tokens[here], ',') || isOp(tokens[here], '.') || isOp(tokens[here], '[') || tokens[here]?.type === 'name') {
    if (isOp(tokens[here], '[')) here = closing(tokens, here)
    // Two names in a row end the statement.
    else if (tokens[here]?.type === 'name' && tokens[here - 1]?.type === 'name') return false
    here++
  }
  return isOp(tokens[here], '=')
}

/** Names bound to a declared key somewhere, and where. */
function bindings(tokens: Tokens): { bound: Set<string>; positions: Set<number> } {
  const bound = new Set<string>()
  const positions = new Set<number>()
  const bind = (at: number): void => {
    bound.add((tokens[at] as LuaToken).text)
    positions.add(at)
  }
  for (let at = 0; at < tokens.length; at++) {
    if (isName(tokens[at], 'local') && isName(tokens[at + 1])) bindLocals(tokens, at + 1, bind)
    // for _, key in ipairs(KEYS) do
    const loop = tokens.slice(at, at + 9).map(({ text }) => text)
    const over = loop[5] === 'ipairs' || loop[5] === 'pairs'
    if (loop[0] === 'for' && loop[2] === ',' && loop[4] === 'in' && over && loop.slice(6).join('') === '(KEYS)') bind(at + 3)
  }
  return { bound, positions }
}

/** `local a, b = KEYS[1], ARGV[1]`: as far as the values are plain. */
function bindLocals(tokens: Tokens, first: number, bind: (at: number) => void): void {
  const names = [first]
  let at = first + 1
  while (isOp(tokens[at], ',') && isName(tokens[at + 1])) {
    names.push(at + 1)
    at += 2
  }
  if (!isOp(tokens[at], '=')) return
  at++
  for (const name of names) {
    const start = at
    const indexed = isName(tokens[at]) && isOp(tokens[at + 1], '[')
    at = indexed ? closing(tokens, at + 1) + 1 : at + 1
    if (continues.has(tokens[at]?.text ?? '') && tokens[at]?.type !== 'string') return
    if (indexed && isName(tokens[start], 'KEYS')) bind(name)
    if (!isOp(tokens[at], ',')) return
    at++
  }
}

/** Whether every place that could give the name a value is one of `positions`. */
function onlyBoundSo(tokens: Tokens, name: string, positions: ReadonlySet<number>): boolean {
  return tokens.every((token, at) => {
    if (!isName(token, name) || positions.has(at)) return true
    if (isOp(tokens[at - 1], '.') || isOp(tokens[at - 1], ':')) return true
    return !(assignedAfter(tokens, at + 1) || isListed(tokens, at))
  })
}

/** Whether the name stands in a list that binds: `local a, name`, `for name, b in`, `function (name, b)`, `function name`. */
function isListed(tokens: Tokens, at: number): boolean {
  let before = at - 1
  while (isOp(tokens[before], ',') && isName(tokens[before - 1])) before -= 2
  const opener = tokens[before]
  if (isName(opener, 'local') || isName(opener, 'for') || isName(opener, 'function')) return true
  if (!isOp(opener, '(')) return false
  return isName(tokens[before - 1], 'function') || (isName(tokens[before - 1]) && isName(tokens[before - 2], 'function'))
}
