/** Lets a loop sleep until something happens, without losing what happens while it is awake. */
import type { Clock } from '../stores/clock.ts'

export class Wakeup {
  readonly #clock: Clock
  #isRung = false
  #sleeper: AbortController | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {
    this.#isRung = true
    this.#sleeper?.abort()
  }

  /** Returns after `ms`, or as soon as it is rung; at once when it was rung since the last wait. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung && ms > 0) {
      this.#sleeper = new AbortController()
      await this.#clock.sleep(ms, this.#sleeper.signal)
      this.#sleeper = null
    }
    this.#isRung = false
  }
}
