/** Ctrl-C: the first asks everything to drain and end, a second one ends at once. */

const exitCodeInterrupted = 130

export function stopOnSignals(onFirst?: () => void): AbortSignal {
  const stop = new AbortController()
  const handle = () => {
    if (stop.signal.aborted) process.exit(exitCodeInterrupted)
    onFirst?.()
    stop.abort()
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
  return stop.signal
}
