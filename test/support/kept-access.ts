/** What makes a server keep how lately or how often its keys were used, and the option of RESTORE that gives it to one of them. */
export const policies = {
  idle: ['--maxmemory-policy', 'allkeys-lru'],
  // It would go down by one for each minute otherwise.
  frequency: ['--maxmemory-policy', 'allkeys-lfu', '--lfu-decay-time', '0'],
} as const
export const options = { idle: 'IDLETIME', frequency: 'FREQ' } as const
export type Kind = keyof typeof policies
