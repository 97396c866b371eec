import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { commandsPage } from '../../../src/commands/support.ts'

describe('docs/commands.md', () => {
  it('is what the command table says', () => {
    const written = readFileSync(new URL('../../../docs/commands.md', import.meta.url), 'utf8')
    expect(written === commandsPage(), 'run: node src/commands/support-doc.ts').toBe(true)
  })

  it('gives each command a row and each refused one its reason', () => {
    const page = commandsPage()
    expect(page).toContain('| INCR | string | write | both sides, as it is |')
    expect(page).toMatch(/\| PSYNC \| server \| refused \| it turns .+ \|/)
    expect(page).not.toMatch(/\|\s+\|$/m)
  })
})
