/** That nothing was missed: a stream and its copy have as many entries, and in each group each consumer has as much pending. */
import { CommandWriter } from '../../resp/command-writer.ts'
import { ReplyCursor } from '../../resp/reply-cursor.ts'
import { contextOf } from '../../upstream/lane.ts'
import { exchange } from '../key-transfer.ts'
import { ask, type Passage } from '../typed/passage.ts'
import { shareOf } from '../typed/streams.ts'
import { answerOf, Spoiled } from './moving.ts'

/** Nobody writes to either of them. Throws Spoiled. */
export async function mustBeAlike(
  passage: Passage,
  key: Buffer,
  copy: Buffer,
  groups: readonly { readonly name: Buffer }[],
): Promise<void> {
  const askAll = (out: CommandWriter, name: Buffer): void => {
    out.command('XLEN', name)
    for (const group of groups) out.command('XINFO', 'CONSUMERS', name, group.name)
  }
  const here = await ask(passage, (out) => askAll(out, key))
  const out = new CommandWriter()
  askAll(out, copy)
  const there = new ReplyCursor(await exchange(passage.to, contextOf(2, passage.db), out.commands, (lane) => out.writeTo(lane)))
  const [length, copied] = [answerOf(here), answerOf(there)]
  if (length !== copied) throw new Spoiled(`it has ${length} entries, its copy ${copied}`)
  for (const { name } of groups)
    if (shareOf(answerOf(here)) !== shareOf(answerOf(there))) throw new Spoiled(`its copy has something else pending in ${name}`)
}
