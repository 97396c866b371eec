/** A program of a real client library: what it does with a server at a port, and what it saw. The same must be seen through Ferry. */
export interface Program {
  readonly name: string
  /** Resolves with what the program saw, in words and values that do not depend on time or chance. Rejects where the library does. */
  run(port: number): Promise<unknown>
}

/** The value, or the error's message: an error is something a program sees, too. */
export async function seen(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    return `error: ${(error as Error).message}`
  }
}
