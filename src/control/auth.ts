/** Who may do what: every route states a role, and a request states a bearer token. Without tokens everybody on loopback is admin. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { FerryError } from '../errors.ts'
import type { AccessToken, Role } from '../roles.ts'

/** `open` routes hold no secret and change nothing: health, the page's own text, the API's description. */
type RouteRole = 'open' | Role

declare module 'fastify' {
  interface FastifyContextConfig {
    role?: RouteRole
  }
}

const rank: Record<RouteRole, number> = { open: 0, read: 1, operate: 2, admin: 3 }

/** Refuses, when the application is built, any route without a role; and at run time any request that lacks it. */
export function guardRoutes(app: FastifyInstance, tokens: readonly AccessToken[]): void {
  const known = tokens.map(({ token, role }) => ({ digest: digestOf(token), role }))
  app.addHook('onRoute', (route) => {
    if (route.config?.role === undefined) throw new Error(`route ${route.method} ${route.url} states no role`)
  })
  app.addHook('onRequest', async (request) => {
    refuseForeignPages(request, known.length === 0)
    // A path that leads nowhere has no role; its answer is the same for everybody.
    const needed = request.routeOptions.config.role ?? 'open'
    if (needed === 'open' || known.length === 0) return
    const granted = roleOf(request, known)
    if (rank[granted] < rank[needed]) throw new FerryError('forbidden', `this needs the role ${needed}, the token has ${granted}`)
  })
}

function roleOf(request: FastifyRequest, known: readonly { digest: Buffer; role: Role }[]): Role {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (given === undefined) throw new FerryError('unauthorized', 'this needs a bearer token')
  const digest = digestOf(given)
  let found: Role | null = null
  // Digests are of one length and all are compared, so the time tells neither how much of a token was right nor which.
  for (const { digest: expected, role } of known) {
    if (timingSafeEqual(digest, expected) && (found === null || rank[role] > rank[found])) found = role
  }
  if (found === null) throw new FerryError('unauthorized', 'the token is not known')
  return found
}

/**
 * A web page elsewhere must not drive a control API that trusts loopback: its requests carry its own origin, or, after rebinding
 * its name to 127.0.0.1, that name as the host.
 */
function refuseForeignPages(request: FastifyRequest, trustsLoopback: boolean): void {
  const { origin, host = '' } = request.headers
  if (origin !== undefined && hostOf(origin) !== host)
    throw new FerryError('forbidden', 'requests from other web pages are refused')
  if (!trustsLoopback) return
  const name = host.replace(/:\d+$/, '')
  const local = name === '' || name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
  if (!local) throw new FerryError('forbidden', 'without tokens the control API answers only to loopback names')
}

const hostOf = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '')
const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()
