/** Replies cut into their parts without decoding them: slices that share the reply's memory and can be sent on as they are. */
import { ReplyScanner } from './reply-scanner.ts'

const asterisk = 42

/** Where the reply that begins at `at` ends. The reply lies whole in `buf`. */
export const replyEnd = (buf: Buffer, at: number): number => new ReplyScanner().scan(buf, at, buf.length)

/** So many replies that lie whole in `buf`, one behind the other, the first at `at`. */
export function repliesFrom(buf: Buffer, at: number, count: number): Buffer[] {
  const scanner = new ReplyScanner()
  const replies: Buffer[] = []
  let start = at
  for (let i = 0; i < count; i++) {
    const end = scanner.scan(buf, start, buf.length)
    replies.push(buf.subarray(start, end))
    start = end
  }
  return replies
}

/** The elements of an array reply that lies whole in `reply`, each with its header; null for anything but an array. */
export function elementsOf(reply: Buffer): Buffer[] | null {
  if (reply[0] !== asterisk) return null
  const headerEnd = reply.indexOf(10) + 1
  const count = Number(reply.toString('latin1', 1, headerEnd - 2))
  if (count < 0) return null
  return repliesFrom(reply, headerEnd, count)
}
