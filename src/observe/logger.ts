/** One pino logger for everything: JSON lines, without secrets. Nothing is logged per command. */
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { redactUrls } from '../upstream/endpoint.ts'

const secretPaths = [
  'password',
  'token',
  'authorization',
  '*.password',
  '*.token',
  '*.authorization',
  'req.headers.authorization',
]

/** To stderr by default, since stdout belongs to what a command prints. `level` is one of pino's. */
export function createLogger(level: string, stream: DestinationStream = destination({ dest: 2, sync: true })): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: secretPaths, censor: '***' },
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        logMethod(args, method) {
          const clean = args.map((arg) => (typeof arg === 'string' ? redactUrls(arg) : arg))
          method.apply(this, clean as Parameters<typeof method>)
        },
      },
    },
    stream,
  )
}
