/**
 * What can be said of a Lua script without running it. Every answer errs to the careful side: a script that cannot be understood may do
 * anything. Rests on what the servers forbid (no new globals, no changed tables of theirs), so a call of the server can only be written
 * as `redis.call(…)`, or by a local name for it.
 */
import { type ArgView, argBytes } from './arg-view.ts'
import { lookup, resolveSub } from './lookup.ts'
import { type LuaToken, luaTokens } from './lua-tokens.ts'
import { provenKeyNames } from './script-keys.ts'
import { type CommandSpec, KeyForm, Kind } from './spec.ts'

export interface ScriptFacts {
  /** Whatever it writes is a key that it was given as one: no need to look what else it changed. */
  readonly declaredOnly: boolean
  /** It may change keys in another database than its client's. */
  readonly otherDatabases: boolean
  /** It may empty a database. */
  readonly flushes: boolean
  /**
   * It changes something that no server announces to those who track keys (stream groups, swapped databases), and not provably in a
   * declared key alone. Of one that is not understood: its source names such a command, or its arguments do.
   */
  readonly unannounced: boolean
  /** Every call of the server in it can be read. */
  readonly understood: boolean
}

/** Of a script whose source is not known. */
export const unknownFacts: ScriptFacts = {
  declaredOnly: false,
  otherDatabases: true,
  flushes: true,
  unannounced: false,
  understood: false,
}

/**
 * Redis 7.0 to 8.0 and Valkey 8.0 to 9.1 send no invalidation for these (each was run under CLIENT TRACKING BCAST). SWAPDB renames
 * everything at once.
 */
const unannouncedNames = 'xgroup xreadgroup xack xclaim xautoclaim xackdel xdelex xsetid swapdb'.split(' ')
const unannouncedCommands = new Set(unannouncedNames)
const unannouncedWord = new RegExp(unannouncedNames.join('|'), 'i')
const shortestName = Math.min(...unannouncedNames.map((name) => name.length))
const longestName = Math.max(...unannouncedNames.map((name) => name.length))
const otherDatabaseCommands = new Set(['select', 'swapdb', 'move', 'copy', 'flushall'])
const flushCommands = new Set(['flushall', 'flushdb'])
/** By these a script reaches a call that is not written down in it. */
const reflection = new Set(['_G', 'getfenv', 'setfenv', 'load', 'loadstring', 'loadfile', 'dofile', 'require'])
/** What is harmless beside `call` and `pcall`. */
const harmless =
  /^(error_reply|status_reply|sha1hex|log|LOG_\w+|setresp|replicate_commands|set_repl|REPL_\w+|breakpoint|debug|acl_check_cmd|register_function|REDIS_\w+|SERVER_\w+|VALKEY_\w+)$/

/** One call of the server, as far as it can be read. */
interface Call {
  /** Lower case; a subcommand is `parent|sub`. Null where it is not written as a plain string. */
  readonly name: string | null
  /** Tokens of each argument after the name. */
  readonly args: readonly (readonly LuaToken[])[]
}

export function factsOf(source: string): ScriptFacts {
  const tokens = luaTokens(source)
  const calls = tokens === null ? null : callsIn(tokens)
  if (tokens === null || calls === null || calls.some(({ name }) => name === null))
    return { ...unknownFacts, unannounced: unannouncedWord.test(source) }
  const isKey = provenKeyNames(tokens)
  const stray = calls.filter((call) => !provenDeclared(call, isKey))
  const names = calls.map(({ name }) => rootOf(name as string))
  return {
    declaredOnly: stray.length === 0,
    otherDatabases: names.some((name) => otherDatabaseCommands.has(name)),
    flushes: names.some((name) => flushCommands.has(name)),
    unannounced: stray.some(({ name }) => unannouncedCommands.has(rootOf(name as string))),
    understood: true,
  }
}

/** What holds for a call with these arguments (from the fourth word on): one that is not understood may take a command's name from them. */
export function factsWith(facts: ScriptFacts, args: ArgView): ScriptFacts {
  if (facts.understood || facts.unannounced) return facts
  for (let i = 3; i < args.argc; i++) {
    const length = args.offsets[2 * i + 1] as number
    if (length < shortestName || length > longestName) continue
    if (unannouncedCommands.has(argBytes(args, i).toString('latin1').toLowerCase())) return { ...facts, unannounced: true }
  }
  return facts
}

/** What holds for whichever of them runs. */
export function mergedFacts(all: readonly ScriptFacts[]): ScriptFacts {
  return {
    declaredOnly: all.every((facts) => facts.declaredOnly),
    otherDatabases: all.some((facts) => facts.otherDatabases),
    flushes: all.some((facts) => facts.flushes),
    unannounced: all.some((facts) => facts.unannounced),
    understood: all.every((facts) => facts.understood),
  }
}

const rootOf = (name: string): string => name.split('|')[0] as string

/** Every call of the server in it; null where there may be others. */
function callsIn(tokens: readonly LuaToken[]): Call[] | null {
  const aliases = aliasesIn(tokens)
  const calls: Call[] = []
  for (let at = 0; at < tokens.length; at++) {
    const { type, text } = tokens[at] as LuaToken
    if (type !== 'name' || isField(tokens, at)) continue
    if (reflection.has(text)) return null
    let open = -1
    if (text === 'redis' || text === 'server') {
      const member = tokens[at + 1]?.text === '.' ? (tokens[at + 2]?.text ?? '') : ''
      if (member === 'call' || member === 'pcall') {
        if (aliases.definitions.has(at)) continue
        open = at + 3
      } else if (harmless.test(member)) continue
      else return null
    } else if (aliases.names.has(text)) {
      if (aliases.targets.has(at)) continue
      open = at + 1
    } else continue
    if (!isOp(tokens[open], '(')) return null
    calls.push(callAt(tokens, open))
  }
  return calls
}

/** `local rcall = redis.call`: the names, where `redis` stands in each, and where the name itself does. */
function aliasesIn(tokens: readonly LuaToken[]): { names: Set<string>; definitions: Set<number>; targets: Set<number> } {
  const found = { names: new Set<string>(), definitions: new Set<number>(), targets: new Set<number>() }
  for (let at = 0; at + 5 < tokens.length; at++) {
    const [local, name, equals, library, dot, member] = tokens.slice(at, at + 6) as LuaToken[]
    if (local?.text !== 'local' || name?.type !== 'name' || !isOp(equals, '=')) continue
    if ((library?.text !== 'redis' && library?.text !== 'server') || !isOp(dot, '.')) continue
    if (member?.text !== 'call' && member?.text !== 'pcall') continue
    if (['(', '.', '[', ':', '{'].includes(tokens[at + 6]?.text ?? '') || tokens[at + 6]?.type === 'string') continue
    found.names.add(name.text)
    found.targets.add(at + 1)
    found.definitions.add(at + 3)
  }
  return found
}

/** The arguments between the bracket at `open` and its partner. */
function callAt(tokens: readonly LuaToken[], open: number): Call {
  const args: LuaToken[][] = [[]]
  let depth = 0
  for (let at = open; at < tokens.length; at++) {
    const token = tokens[at] as LuaToken
    if (token.type === 'op' && '([{'.includes(token.text)) depth++
    else if (token.type === 'op' && ')]}'.includes(token.text)) depth--
    if (depth === 0) break
    if (at === open) continue
    if (depth === 1 && isOp(token, ',')) args.push([])
    else (args.at(-1) as LuaToken[]).push(token)
  }
  const [first = [], second = []] = args
  const name = literalOf(first)
  const spec = name === null ? null : specNamed(name)
  if (name === null || spec?.kind !== Kind.Container) return { name, args: args.slice(1) }
  const sub = literalOf(second)
  return { name: sub === null ? null : `${name}|${sub}`, args: args.slice(1) }
}

function literalOf(argument: readonly LuaToken[]): string | null {
  const [only] = argument
  if (argument.length !== 1 || only?.type !== 'string' || only.text.includes('\\')) return null
  return only.text.toLowerCase()
}

function specNamed(name: string): CommandSpec {
  const [root = '', sub] = name.split('|')
  const bytes = Buffer.from(root)
  const spec = lookup(bytes, 0, bytes.length)
  if (sub === undefined || spec.kind !== Kind.Container) return spec
  const subBytes = Buffer.from(sub)
  return resolveSub(spec, subBytes, 0, subBytes.length)
}

/** Whether the call writes nothing but keys that the script was given. */
function provenDeclared(call: Call, isKey: (argument: readonly LuaToken[]) => 'one' | 'all' | null): boolean {
  const spec = specNamed(call.name as string)
  if (spec.kind === Kind.Unknown || spec.kind === Kind.WriteGlobal || otherDatabaseCommands.has(rootOf(spec.name))) return false
  if (!spec.write) return true
  if (spec.firstKey < 1 || spec.keyForm !== KeyForm.Range || spec.keyStep < 1) return false
  const args = call.args
  const last = spec.lastKey < 0 ? args.length + 1 + spec.lastKey : spec.lastKey
  if (last > args.length) return false
  for (let at = spec.firstKey; at <= last; at += spec.keyStep) {
    const proof = isKey(args[at - 1] as LuaToken[])
    if (proof === null) return false
    // `unpack(KEYS)` stands for many, which only the end of a list of keys can be.
    if (proof === 'all' && !(spec.lastKey === -1 && spec.keyStep === 1 && at === last)) return false
  }
  // Something that stands for many arguments, among the keys, would shift what follows it.
  return args.slice(0, last).every((argument) => isKey(argument) === 'all' || !isMany(argument)) || spec.lastKey > 0
}

/** The last argument of a call may be a call that gives many. */
const isMany = (argument: readonly LuaToken[]): boolean => argument.some(({ text }) => text === '...' || text === 'unpack')

/** After a dot or a colon it is a field, whatever it is called. */
const isField = (tokens: readonly LuaToken[], at: number): boolean => isOp(tokens[at - 1], '.') || isOp(tokens[at - 1], ':')

const isOp = (token: LuaToken | undefined, text: string): boolean => token?.type === 'op' && token.text === text
