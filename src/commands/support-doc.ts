/** Developer script: writes docs/commands.md. `node src/commands/support-doc.ts`. */
import { writeFileSync } from 'node:fs'
import { commandsPage } from './support.ts'

writeFileSync(new URL('../../docs/commands.md', import.meta.url), commandsPage())
