/** Ctrl-C: the first asks everything to drain and end, a second one ends at once. */

const exitCodeInterrupted = 130

/** Under npm one Ctrl-C can arrive twice: from the terminal and passed on by npm. */
const echoMsMax = 200

export function stopOnSignals(onFirst?: () => void): AbortSignal {
  const stop = new AbortController()
  let firstAtMs = 0
  const handle = () => {
    if (!stop.signal.aborted) {
      firstAtMs = performance.now()
      onFirst?.()
      stop.abort()
    } else if (performance.now() - firstAtMs > echoMsMax) {
      process.exit(exitCodeInterrupted)
    }
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
  return stop.signal
}
