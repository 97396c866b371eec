/** How far into a string a command writes. Whatever is missing before that place is filled with zeros. */
import { type ArgView, argInteger, argIs } from './arg-view.ts'

type Reach = (args: ArgView) => number

const setRange: Reach = (args) => argInteger(args, 2)
const setBit: Reach = (args) => Math.floor(argInteger(args, 2) / 8)

/** SET and INCRBY, each with a type and an offset: `u8 100` in bits, `u8 #100` in numbers of that type. */
const bitField: Reach = (args) => {
  let most = 0
  for (let i = 2; i < args.argc; ) {
    const writes = argIs(args, i, 'set') || argIs(args, i, 'incrby')
    if (writes) most = Math.max(most, fieldStart(args, i + 1) || 0)
    i += writes ? 4 : argIs(args, i, 'get') ? 3 : 2
  }
  return most
}

/** Bytes; NaN for what is no field. The type stands at `at`, the offset behind it. */
function fieldStart(args: ArgView, at: number): number {
  if (at + 1 >= args.argc) return Number.NaN
  const word = (i: number): string => {
    const from = args.offsets[2 * i] as number
    return args.buf.toString('latin1', from, from + Math.min(args.offsets[2 * i + 1] as number, 20))
  }
  const bits = Number(/^[ui](\d{1,2})$/i.exec(word(at))?.[1] ?? Number.NaN)
  const offset = /^(#?)(\d{1,15})$/.exec(word(at + 1))
  if (offset === null) return Number.NaN
  return Math.floor((Number(offset[2]) * (offset[1] === '#' ? bits : 1)) / 8)
}

const rules: Readonly<Record<string, Reach>> = { setrange: setRange, setbit: setBit, bitfield: bitField }

/** Bytes before it; 0 for a command that fills nothing up, and for one that its server will refuse. It has as many arguments as it needs. */
export function reachOf(name: string, args: ArgView): number {
  return Math.max(rules[name]?.(args) || 0, 0)
}
