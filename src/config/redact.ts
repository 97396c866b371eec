/** The configuration as it may be printed or logged. */
import { redactUrls } from '../upstream/endpoint.ts'
import type { Config } from './schema.ts'

export function redactConfig(config: Config): Config {
  const side = <Endpoint extends Config['source']>(endpoint: Endpoint): Endpoint => ({
    ...endpoint,
    url: redactUrls(endpoint.url),
    ...(endpoint.password === undefined ? {} : { password: '***' }),
  })
  return {
    ...config,
    source: side(config.source),
    target: side(config.target),
    tokens: config.tokens.map(({ role }) => ({ token: '***', role })),
  }
}
