/** A command with some of its arguments changed: what is not changed is sent as it lies. */
import type { ArgView } from '../commands/arg-view.ts'
import type { LargeFrame } from '../resp/large-frame.ts'
import type { ArgumentEdit } from './carried.ts'

/** The frame lies in [start, end) of the view's buffer. */
export function spliced(args: ArgView, start: number, end: number, edits: readonly ArgumentEdit[]): Buffer[] {
  const { buf, offsets } = args
  const pieces: Buffer[] = []
  let from = start
  for (const edit of edits) {
    const at = offsets[2 * edit.at] as number
    const length = offsets[2 * edit.at + 1] as number
    // Argument 0 is never changed, so there is one before it, with its line end.
    const headerAt = (offsets[2 * edit.at - 2] as number) + (offsets[2 * edit.at - 1] as number) + 2
    pieces.push(buf.subarray(from, headerAt), headerOf(edit, length))
    from = 'prefix' in edit ? at : at + length
  }
  pieces.push(buf.subarray(from, end))
  return pieces
}

/** The same of a command in pieces: its large arguments are not copied. */
export function splicedLarge(frame: LargeFrame, edits: readonly ArgumentEdit[]): Buffer[] {
  const byArgument = new Map(edits.map((edit) => [edit.at, edit]))
  const pieces: Buffer[] = [Buffer.from(`*${frame.argc}`)]
  for (let i = 0; i < frame.argc; i++) {
    const edit = byArgument.get(i)
    const length = frame.argumentLength(i)
    pieces.push(lineEnd, edit === undefined ? Buffer.from(`$${length}\r\n`) : headerOf(edit, length))
    if (edit === undefined || 'prefix' in edit) pieces.push(...frame.argumentPieces(i))
  }
  pieces.push(lineEnd)
  return pieces
}

const lineEnd = Buffer.from('\r\n')

/** With all of the argument that comes before its old bytes. */
function headerOf(edit: ArgumentEdit, length: number): Buffer {
  const added = 'prefix' in edit ? edit.prefix : edit.bytes
  const total = 'prefix' in edit ? length + added.length : added.length
  return Buffer.concat([Buffer.from(`$${total}\r\n`), added])
}

/** Longer arguments than this are no keys that anybody has, and no options: they are not looked at. */
const lookedAtBytesMax = 1 << 20

/** What is needed of a large command to find its keys; arguments that are too long for that are seen as empty. */
export function viewOf(frame: LargeFrame): ArgView {
  const parts = Array.from({ length: frame.argc }, (_, i) =>
    frame.argumentLength(i) > lookedAtBytesMax ? noBytes : frame.argument(i),
  )
  const offsets = new Int32Array(2 * frame.argc)
  let at = 0
  parts.forEach((part, i) => {
    offsets[2 * i] = at
    offsets[2 * i + 1] = part.length
    at += part.length
  })
  return { buf: Buffer.concat(parts), offsets, argc: frame.argc }
}

const noBytes = Buffer.alloc(0)
