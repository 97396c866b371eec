/** What is known of one of Ferry's clients: what CLIENT LIST and CLIENT KILL choose by. */
export interface ClientFacts {
  readonly id: number
  readonly address: string
  readonly localAddress: string
  readonly name: string
  readonly ageSeconds: number
  readonly idleSeconds: number
  /** Letters as a server has them; N = none. */
  readonly flags: string
  readonly capabilities: string
  readonly db: number
  readonly user: string
  readonly library: string
  readonly libraryVersion: string
  readonly subscribed: boolean
}
