/** The public names of what Ferry can be told to do. They are part of the API, the CLI and the configuration. */

export const sides = ['source', 'target'] as const
export type Side = (typeof sides)[number]

export const otherSide = (side: Side): Side => (side === 'source' ? 'target' : 'source')

export const readModes = ['old', 'new', 'ratio', 'fallback-on-miss', 'version-compare', 'replicated'] as const
export type ReadMode = (typeof readModes)[number]

export const writePolicies = [
  'best-effort',
  'old-authoritative',
  'new-authoritative',
  'both-required',
  'last-write-wins',
  'two-phase-commit',
] as const
export type WritePolicy = (typeof writePolicies)[number]

export const phases = ['observe', 'mirror', 'canary', 'cutover', 'complete'] as const
export type Phase = (typeof phases)[number]

export const migrationStates = [
  'pending',
  'ready',
  'running',
  'paused',
  'completed',
  'failed',
  'rolling_back',
  'rolled_back',
] as const
export type MigrationState = (typeof migrationStates)[number]

export const strategies = ['big-bang', 'canary', 'blue-green', 'tenant', 'shadow'] as const
export type Strategy = (typeof strategies)[number]

export const ratioUnits = ['slot', 'connection', 'tenant'] as const
export type RatioUnit = (typeof ratioUnits)[number]
