/** Replies cut into their parts without decoding them: slices that share the reply's memory and can be sent on as they are. */
import { ReplyScanner } from './reply-scanner.ts'

const asterisk = 42

/** Where the reply that begins at `at` ends. The reply lies whole in `buf`. */
export const replyEnd = (buf: Buffer, at: number): number => new ReplyScanner().scan(buf, at, buf.length)

/** The elements of an array reply that lies whole in `reply`, each with its header; null for anything but an array. */
export function elementsOf(reply: Buffer): Buffer[] | null {
  if (reply[0] !== asterisk) return null
  const headerEnd = reply.indexOf(10) + 1
  const count = Number(reply.toString('latin1', 1, headerEnd - 2))
  if (count < 0) return null
  const scanner = new ReplyScanner()
  const elements: Buffer[] = []
  let at = headerEnd
  for (let i = 0; i < count; i++) {
    const next = scanner.scan(reply, at, reply.length)
    elements.push(reply.subarray(at, next))
    at = next
  }
  return elements
}
