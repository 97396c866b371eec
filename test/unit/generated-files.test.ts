import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { generatedFiles } from '../support/generated-files.ts'

const root = join(import.meta.dirname, '..', '..')

for (const [path, content] of Object.entries(generatedFiles())) {
  test(`${path} is what the code makes of it`, () => {
    const file = join(root, path)
    if (process.env.UPDATE_GENERATED) {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
    }
    expect(readFileSync(file, 'utf8')).toBe(content)
  })
}
