/** What `ferry verify` finds different between two servers that nobody writes to. */
import { Verification } from '../../src/mover/verify.ts'
import type { VerificationReport } from '../../src/mover/verify-report.ts'
import { connectClient } from '../../src/upstream/client-factory.ts'
import { parseEndpoint } from '../../src/upstream/endpoint.ts'

export async function verified(source: { url: string }, target: { url: string }): Promise<VerificationReport['samples']> {
  const connect = ({ url }: { url: string }) => connectClient(parseEndpoint(url), 'test')
  const [left, right] = await Promise.all([connect(source), connect(target)])
  const options = { ttlToleranceMs: 1_000, rounds: 1, settleMs: 0 }
  const { samples } = await new Verification({ source: left, target: right, options }).run()
  left.disconnect()
  right.disconnect()
  return samples
}
