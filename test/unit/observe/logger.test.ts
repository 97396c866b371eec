import { expect, test } from 'vitest'
import { createLogger } from '../../../src/observe/logger.ts'

test('lines are JSON and hold no secret', () => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line) => lines.push(line) })
  logger.info({ password: 'hunter2', side: { token: 'hunter2' } }, 'connected to redis://ann:hunter2@h')
  logger.debug('too quiet')
  expect(lines).toHaveLength(1)
  const document = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  expect(document).toMatchObject({ level: 'info', password: '***', msg: 'connected to redis://ann:***@h' })
  expect(lines[0]).not.toContain('hunter2')
})
