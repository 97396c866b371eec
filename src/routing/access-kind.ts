/** What of the use of a key travels with its copy: nothing, how long it was not used, or how often it was. */
export const accessKinds = ['none', 'idle', 'frequency'] as const
export type AccessKind = (typeof accessKinds)[number]
