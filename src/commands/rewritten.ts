/** The verdicts on a write whose arguments decide. */
export type Rewritten =
  /** Send it as it is to both sides. */
  | { readonly how: 'plain' }
  /**
   * Send this to both sides instead; the client sees the reply it expects. The buffers share the request's memory: write them out, or
   * copy them, before that chunk is given back.
   */
  | { readonly how: 'frames'; readonly argv: readonly Buffer[] }
  /** Authority only, then copy its keys. */
  | { readonly how: 'copy' }
  /** With these arguments it changes nothing. */
  | { readonly how: 'read' }

export const plain: Rewritten = { how: 'plain' }
export const copy: Rewritten = { how: 'copy' }
export const read: Rewritten = { how: 'read' }
