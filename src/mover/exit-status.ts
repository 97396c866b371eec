/** How `ferry copy` ends where it does not end with an error; docs/cli.md has all of them. */
export const copyStatus = { ok: 0, exported: 8 } as const
