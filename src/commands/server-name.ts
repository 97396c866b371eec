/** Which server it is, and what follows from that: from which release on it knows a command or has a habit. */

export interface ServerName {
  /** `redis` or `valkey`. */
  readonly family: string
  /** As in INFO: digits with dots between them. */
  readonly version: string
}

/** Stands for a server that did not tell. Nothing is known about it: `isSince` and `isBefore` are both false. */
export const unnamedServer: ServerName = { family: 'redis', version: '7.0.0' }

/** The first release of each family, as `8.0`; null: none yet. */
export interface Release {
  readonly redis: string | null
  readonly valkey: string | null
}

/** Whether it is known to be this release of its family or a later one. */
export const isSince = (server: ServerName, release: Release): boolean => order(server, release) === true

/** Whether it is known to be older. */
export const isBefore = (server: ServerName, release: Release): boolean => order(server, release) === false

/** True: this release or later; false: older; null: not known. */
function order(server: ServerName, release: Release): boolean | null {
  if (server === unnamedServer || (server.family !== 'redis' && server.family !== 'valkey')) return null
  const wanted = release[server.family]
  if (wanted === null) return false
  const [major = 0, minor = 0] = server.version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  if (Number.isNaN(major) || Number.isNaN(minor)) return null
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
