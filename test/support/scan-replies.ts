/** Drives a ReplyScanner over chunks and puts each top-level reply together again. */
import { ReplyScanner } from '../../src/resp/reply-scanner.ts'

export interface ScannedReply {
  readonly kind: number
  readonly bytes: Buffer
}

export function scanReplies(chunks: readonly Buffer[]): { replies: ScannedReply[]; midReply: boolean } {
  const scanner = new ReplyScanner()
  const replies: ScannedReply[] = []
  let pieces: Buffer[] = []
  for (const chunk of chunks) {
    let position = 0
    while (position < chunk.length) {
      const from = position
      position = scanner.scan(chunk, from, chunk.length)
      if (position === from) throw new Error('the scanner stands still')
      pieces.push(chunk.subarray(from, position))
      if (!scanner.done) continue
      if (scanner.midReply) throw new Error('a reply that is done is not under way')
      replies.push({ kind: scanner.kind, bytes: Buffer.concat(pieces) })
      pieces = []
    }
    if (scanner.midReply !== pieces.length > 0) throw new Error('midReply is wrong')
  }
  return { replies, midReply: scanner.midReply }
}
