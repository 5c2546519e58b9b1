/** Lets a bounded number of queries run and a bounded number wait, first come first served. */
import { MillraceError } from '../../core/errors.ts'

export class Admission {
  readonly #runningMax: number
  readonly #waitingMax: number
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor({ runningMax, waitingMax }: { runningMax: number; waitingMax: number }) {
    this.#runningMax = runningMax
    this.#waitingMax = waitingMax
  }

  /**
   * Runs `work` when it is its turn. Throws `QUERY_OVERLOADED` when too many wait already, and
   * whatever `signal` was aborted with when that happens before the turn comes.
   */
  async admit<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    if (this.#running < this.#runningMax) this.#running += 1
    else await this.#turn(signal)
    try {
      return await work()
    } finally {
      this.#release()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#waitingMax) {
      throw new MillraceError(
        'QUERY_OVERLOADED',
        `${this.#running} queries are running and ${this.#waiting.size} are waiting. Try again later.`,
      )
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(enter)
        reject(signal.reason)
      }
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.add(enter)
    })
  }

  /** Hands the place to the next in line, if there is one. */
  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#running -= 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
