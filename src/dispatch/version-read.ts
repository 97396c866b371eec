export class VersionRead { constructor(..._a: unknown[]) {} start(): void { throw new Error('stub') } }
export type VersionRules = unknown
