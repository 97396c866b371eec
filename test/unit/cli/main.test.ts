import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startControl } from '../../support/cli.ts'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return { child, ended }
}

test('the process gives the exit status, and the text on the stream that it belongs to', async () => {
  const version = start(['--version'])
  expect([await text(version.child.stdout), await version.ended]).toEqual(['0.1.0\n', 0])
  // An address where nobody listens any more.
  const { address, close } = await startControl()
  await close()
  const unreachable = start(['status', '--control', address])
  const [stdout, stderr] = await Promise.all([text(unreachable.child.stdout), text(unreachable.child.stderr)])
  expect([stdout, stderr, await unreachable.ended]).toEqual([
    '',
    expect.stringContaining(`no Ferry answers at http://${address} (ECONNREFUSED)`),
    4,
  ])
})

test('a signal ends a watch in order, and a reader that closes the pipe ends it too', async () => {
  const control = await startControl()
  const watch = ['status', '--watch', '--json', '--interval', '0.05', '--control', control.address]
  const signalled = start(watch)
  signalled.child.stdout.once('data', () => signalled.child.kill('SIGINT'))
  expect(await signalled.ended).toBe(0)
  const closed = start(watch)
  closed.child.stdout.once('data', () => closed.child.stdout.destroy())
  expect(await closed.ended).toBe(0)
  await control.close()
})
