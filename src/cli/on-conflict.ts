/** `--on-conflict` of the steps that may be the first to write to the target. */
import { type Command, Option } from 'commander'

export const withOnConflict = (command: Command): Command =>
  command.addOption(
    new Option(
      '--on-conflict <rule>',
      'a target that has keys before anything was copied there: refuse (the default), or replace: what the source has takes their place, and what it does not have is removed',
    ).choices(['refuse', 'replace']),
  )
