/** A configuration under construction: plain values, and for each of them where it came from. */
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { FerryError } from '../errors.ts'
import { redactUrls } from '../upstream/endpoint.ts'

type Path = readonly (string | number)[]

export class ConfigDocument {
  readonly values: Record<string, unknown>
  readonly #fileName: string | null
  readonly #lines = new LineCounter()
  readonly #tree: ReturnType<typeof parseDocument> | null
  readonly #origins = new Map<string, string>()

  /** @throws FerryError `invalid-config` when the text is no YAML map. */
  constructor(file: { readonly name: string; readonly text: string } | null) {
    this.#fileName = file?.name ?? null
    this.#tree = file === null ? null : parseDocument(file.text, { lineCounter: this.#lines, prettyErrors: false })
    const broken = this.#tree?.errors[0]
    if (broken !== undefined) throw this.#wrong(`${this.#position(broken.pos[0])}: ${redactUrls(broken.message)}`)
    const values: unknown = this.#tree?.toJS() ?? {}
    if (!isPlainObject(values))
      throw this.#wrong(`${this.#position(0)}: expected a map of settings, found ${describe(values, [])}`)
    this.values = values
  }

  /** `origin` is what a message calls the place, e.g. `--percent`. */
  set(path: Path, value: unknown, origin: string): void {
    let parent = this.values
    for (const step of path.slice(0, -1)) {
      const child = parent[step]
      const next = isPlainObject(child) ? child : {}
      parent[step] = next
      parent = next
    }
    const last = path.at(-1)
    if (last === undefined) return
    parent[last] = value
    this.#origins.set(path.join('.'), origin)
  }

  append(listName: string, value: unknown, origin: string): void {
    const list = this.values[listName]
    const items = Array.isArray(list) ? list : []
    this.values[listName] = [...items, value]
    this.#origins.set(`${listName}.${items.length}`, origin)
  }

  /** Where the value stands: a flag, a variable or file:line:column; for a missing one, its nearest parent. */
  whereIs(path: Path): string {
    for (let length = path.length; length > 0; length -= 1) {
      const origin = this.#origins.get(path.slice(0, length).join('.'))
      if (origin !== undefined) return origin
    }
    if (this.#tree === null) return 'configuration'
    for (let length = path.length; length >= 0; length -= 1) {
      const start = this.#startOf(path.slice(0, length))
      if (start !== null) return this.#position(start)
    }
    return this.#position(0)
  }

  found(path: Path): string {
    let value: unknown = this.values
    for (const step of path)
      value = isPlainObject(value) || Array.isArray(value) ? (value as Record<string | number, unknown>)[step] : undefined
    return describe(value, path)
  }

  /** A key's own place rather than its value's, since `key:` and a long value may be lines apart. */
  #startOf(path: Path): number | null {
    const last = path.at(-1)
    const parent = last === undefined ? this.#tree?.contents : this.#tree?.getIn(path.slice(0, -1), true)
    if (last === undefined) return isNode(parent) ? (parent.range?.[0] ?? null) : null
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last)
      return isScalar(pair?.key) ? (pair.key.range?.[0] ?? null) : null
    }
    const node = this.#tree?.getIn(path, true)
    return isNode(node) ? (node.range?.[0] ?? null) : null
  }

  #position(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#fileName}:${Math.max(line, 1)}:${Math.max(col, 1)}`
  }

  #wrong(message: string): FerryError {
    return new FerryError('invalid-config', message, { details: [message] })
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const secretNames = ['password', 'token']

/** Values as a message may show them: short, and never a secret. */
function describe(value: unknown, path: Path): string {
  if (value === undefined) return 'nothing'
  if (secretNames.includes(String(path.at(-1)))) return 'a secret that does not fit'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isPlainObject(value)) return 'a map'
  const shown = JSON.stringify(redactUrls(typeof value === 'string' ? value : String(value)))
  return typeof value === 'string' ? (shown.length > 80 ? `${shown.slice(0, 80)}…` : shown) : String(value)
}
