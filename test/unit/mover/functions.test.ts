/** When function libraries are not copied. */
import { expect, it } from 'vitest'
import type { Lanes } from '../../../src/dispatch/lanes.ts'
import { FunctionCopy } from '../../../src/mover/functions.ts'
import type { Side } from '../../../src/routing/modes.ts'
import { FakeSides } from '../../support/fake-sides.ts'

it.each<Side>(['source', 'target'])('not while a lost connection may still bring a change to the %s', async (late) => {
  const sides = new FakeSides()
  const { core, source, target } = sides
  const lanes = { orphaned: (side: Side) => side === late, lane: (side: Side) => sides[side] } as unknown as Lanes
  await new FunctionCopy(core, lanes).copy()
  expect([source.commands, target.commands]).toEqual([[], []])
  expect(core.libraries.problem).toBe(`${late} may still run commands of a connection that was lost`)
})
