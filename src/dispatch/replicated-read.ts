export class ReplicatedRead { constructor(..._a: unknown[]) {} start(): void { throw new Error('stub') } }
export type VersionRules = unknown
