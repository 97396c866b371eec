/** The environment variables and flags that set a configuration key; the reference page is made from the same list. */

export interface Override {
  /** Dotted path in the configuration. */
  readonly key: string
  readonly variable: string
  /** Without the two dashes; null where there is no flag. */
  readonly flag: string | null
  readonly kind: 'text' | 'number' | 'list' | 'boolean'
  /** The variable with `_FILE` appended names a file that holds the value. */
  readonly fromFile: boolean
}

const override = (
  key: string,
  variable: string,
  flag: string | null,
  kind: Override['kind'] = 'text',
  fromFile = false,
): Override => ({
  key,
  variable,
  flag,
  kind,
  fromFile,
})

export const overrides: readonly Override[] = [
  override('source.url', 'SOURCE_REDIS_URL', 'source', 'text', true),
  override('target.url', 'TARGET_REDIS_URL', 'target', 'text', true),
  override('target.databases', 'FERRY_DATABASES', 'databases'),
  override('listen', 'FERRY_LISTEN', 'listen', 'list'),
  override('clusterMode', 'FERRY_CLUSTER_MODE', 'cluster-mode', 'boolean'),
  override('announce', 'FERRY_ANNOUNCE', 'announce'),
  override('control', 'FERRY_CONTROL', 'control'),
  override('state', 'FERRY_STATE', 'state'),
  override('phase', 'FERRY_PHASE', 'phase'),
  override('policy', 'FERRY_POLICY', 'policy'),
  override('readMode', 'FERRY_READ_MODE', 'read-mode'),
  override('percent', 'FERRY_PERCENT', 'percent', 'number'),
  override('ratioBy', 'FERRY_RATIO_BY', 'ratio-by'),
  override('tenants', 'FERRY_TENANTS', 'tenants', 'list'),
  override('logLevel', 'FERRY_LOG_LEVEL', 'log-level'),
  override('datadog.enabled', 'FERRY_DATADOG', null, 'boolean'),
  override('datadog.host', 'DD_AGENT_HOST', null),
  override('datadog.port', 'DD_DOGSTATSD_PORT', null, 'number'),
  override('datadog.service', 'DD_SERVICE', null),
  override('datadog.env', 'DD_ENV', null),
  override('datadog.version', 'DD_VERSION', null),
]

/** An admin token beside those of the file; `FERRY_TOKEN_FILE` names a file that holds it. */
export const tokenVariable = 'FERRY_TOKEN'
export const configVariable = 'FERRY_CONFIG'
