/** What the `main.ts` of every layer gives: a layer that is wired and has not started. */
export interface Layer extends AsyncDisposable {
  /**
   * Called once. Works until `signal` aborts, brings to an end what it holds, and resolves; rejects with
   * what cannot be retried. Dispose of the layer afterwards.
   */
  readonly run: (signal: AbortSignal) => Promise<void>
}
