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

it('a cluster whose servers have different ones waits for writes under way no longer than its limit, and lets the others go on', async () => {
  const { core, source, target } = new FakeSides()
  const libraries = async () => [new Map([['a', 'one']]), new Map([['a', 'two']])]
  const lanes = {
    orphaned: () => false,
    lane: () => source,
    layouts: { source: { libraries }, target: null },
  } as unknown as Lanes
  core.libraries.differ('a change was lost')
  const held = core.board.hold([7])
  await new FunctionCopy(core, lanes).copy()
  expect(core.libraries.problem).toBe('writes were under way for more than 200 ms')
  expect([core.board.gates, source.commands, target.commands]).toEqual([0, [], []])
  core.board.finish(held)
  expect(core.board.gates).toBe(0)
})
