/** A table of commands: by the name that the command table of src uses, what makes one. */
import type { Argv, World } from './world.ts'

export type Make = (world: World) => Argv

export interface Generator {
  readonly name: string
  /** How often, as against the others. */
  readonly weight: number
  readonly make: Make
}

export const family = (makes: Readonly<Record<string, Make>>, weight = 1): readonly Generator[] =>
  Object.entries(makes).map(([name, make]) => ({ name, weight, make }))
