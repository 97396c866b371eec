/** What must not outlive this process, whether it ends by itself, by a signal (a run that is stopped or out of time), or by losing the runner. */
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
const works: (() => void)[] = []

const runAll = (): void => {
  for (const work of works) work()
}
process.once('exit', runAll)
process.once('disconnect', runAll)
for (const signal of signals) {
  process.once(signal, () => {
    runAll()
    // The listener is gone: this time it does what it would have done.
    process.kill(process.pid, signal)
  })
}

/** @param work synchronous; may run more than once. */
export function atEnd(work: () => void): void {
  works.push(work)
}
