/** Writes the registry often enough and not more often, one write at a time. */
import type { SteadyClock } from '../stores/clock.ts'
import type { ShipperSettings } from './config.ts'
import { type RegistryEntry, writeRegistry } from './registry.ts'
import type { ShipperTelemetry } from './telemetry.ts'

interface WriterContext {
  readonly telemetry: ShipperTelemetry
  readonly clock: SteadyClock
  readonly settings: ShipperSettings
}

type Entries = () => readonly RegistryEntry[]

export class RegistryWriter {
  readonly #path: string
  readonly #shipperId: string
  readonly #context: WriterContext
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #hasNews = false
  #notBeforeMs = 0

  constructor(path: string, shipperId: string, context: WriterContext) {
    this.#path = path
    this.#shipperId = shipperId
    this.#context = context
  }

  /** Offsets have moved: the next due write takes them along. */
  changed(): void {
    this.#hasNews = true
  }

  /** When a write is due, ms elapsed; infinity when there is nothing to write. */
  dueMs(): number {
    return this.#hasNews && !this.#isRunning ? this.#notBeforeMs : Number.POSITIVE_INFINITY
  }

  /** Starts a write in the background when one is due. A failure is reported and tried again. */
  writeWhenDue(entries: Entries): void {
    if (this.#context.clock.elapsed() < this.dueMs()) return
    void this.#start(entries()).catch((error: unknown) => {
      this.#context.telemetry.registryWriteFailed(error)
      this.#hasNews = true
    })
  }

  /** Returns when the entries as they are now are durable; tries until then or until `signal`. */
  async write(entries: Entries, signal: AbortSignal): Promise<void> {
    const { clock, telemetry, settings } = this.#context
    for (let waitMs = settings.retryDelayMsMin; !signal.aborted; waitMs *= 2) {
      await this.#running.catch(() => {
        // Reported where it was started.
      })
      try {
        return await this.#start(entries())
      } catch (error) {
        telemetry.registryWriteFailed(error)
        await clock.sleep(Math.min(waitMs, settings.retryDelayMsMax), signal)
      }
    }
  }

  /** The last write of a run: what is not written now is sent again by the next run. */
  async writeLast(entries: readonly RegistryEntry[]): Promise<void> {
    await this.#running.catch(() => {
      // Reported where it was started.
    })
    await this.#start(entries).catch(this.#context.telemetry.registryWriteFailed)
  }

  async #start(entries: readonly RegistryEntry[]): Promise<void> {
    this.#isRunning = true
    this.#hasNews = false
    this.#running = writeRegistry(this.#path, { shipperId: this.#shipperId, entries })
    try {
      await this.#running
    } finally {
      this.#isRunning = false
      this.#notBeforeMs = this.#context.clock.elapsed() + this.#context.settings.registryFlushMs
    }
  }
}
