/** The command line under test: run in this process, against a real listening control app with a fake Ferry behind it. */
import type { AddressInfo } from 'node:net'
import type { LocalWork } from '../../src/cli/local-work.ts'
import { run } from '../../src/cli/run.ts'
import { buildControlApp } from '../../src/control/app.ts'
import { createLogger } from '../../src/observe/logger.ts'
import type { AccessToken } from '../../src/roles.ts'
import { FakeOperations } from './fake-operations.ts'

const unused = (name: string) => async (): Promise<never> => {
  throw new Error(`${name} was not meant to be called`)
}

export const unusedWork: LocalWork = {
  serve: unused('serve'),
  copy: unused('copy'),
  verify: unused('verify'),
  demo: unused('demo'),
}

export interface CliRun {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliSetting {
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
  readonly work?: Partial<LocalWork>
  readonly signal?: AbortSignal
  /** Told of each piece of stdout as it comes. */
  readonly onStdout?: (text: string) => void
}

export async function runCli(args: readonly string[], setting: CliSetting = {}): Promise<CliRun> {
  let stdout = ''
  let stderr = ''
  const { isTTY = false, env = {}, signal = new AbortController().signal } = setting
  const write = (text: string): void => {
    stdout += text
    setting.onStdout?.(text)
  }
  const io = {
    stdout: { isTTY, columns: 120, write },
    stderr: { isTTY, columns: 120, write: (text: string) => (stderr += text) },
    env,
    signal,
  }
  const status = await run(args, io, { ...unusedWork, ...setting.work })
  return { status, stdout, stderr }
}

export interface TestControl {
  readonly operations: FakeOperations
  /** host:port, as `--control` takes it. */
  readonly address: string
  close(): Promise<void>
}

export async function startControl(tokens: readonly AccessToken[] = []): Promise<TestControl> {
  const operations = new FakeOperations()
  const metrics = async () => ({ contentType: 'text/plain', body: 'ferry_info 1\n' })
  const app = buildControlApp({ operations, metrics, tokens, logger: createLogger('silent') })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { operations, address: `127.0.0.1:${port}`, close: () => app.close() }
}
