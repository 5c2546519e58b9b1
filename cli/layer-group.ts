/** The layers of one process: one that fails ends them all, and each is ended in its turn. */

interface RunningLayer {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

export class LayerGroup implements AsyncDisposable {
  /** Resolves when the process is to end: it was told to, or a layer has failed. */
  readonly stopped: Promise<void>
  readonly #failures: unknown[] = []
  readonly #layers: RunningLayer[] = []
  readonly #fail: () => void

  constructor(signal: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.stopped = promise
    this.#fail = resolve
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  }

  /** Runs a layer until {@link end} aborts its signal. */
  start(run: (signal: AbortSignal) => Promise<void>): RunningLayer {
    const stop = new AbortController()
    const ended = run(stop.signal).catch((error: unknown) => {
      this.#failures.push(error)
      this.#fail()
    })
    const layer = { stop, ended }
    this.#layers.push(layer)
    return layer
  }

  /** Tells these layers to end and waits until they have. */
  async end(layers: readonly RunningLayer[]): Promise<void> {
    for (const { stop } of layers) stop.abort()
    await Promise.all(layers.map(({ ended }) => ended))
  }

  /** Ends what still runs: when the start failed half way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end(this.#layers)
  }

  throwFirstFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0]
  }
}
