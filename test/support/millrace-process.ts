/** `millrace up` in a process of its own, as people run it: started, asked over HTTP, killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface MillraceOptions {
  readonly dataDirectory: string
  readonly pipelines: string
  /** Further MILLRACE_* variables. */
  readonly environment?: Readonly<Record<string, string>>
}

export class MillraceProcess implements AsyncDisposable {
  readonly url: string
  readonly #options: MillraceOptions
  readonly #port: number
  #child: ChildProcess | null = null
  #output = ''

  private constructor(options: MillraceOptions, port: number) {
    this.#options = options
    this.#port = port
    this.url = `http://127.0.0.1:${port}`
  }

  static async create(options: MillraceOptions): Promise<MillraceProcess> {
    return new MillraceProcess(options, await freePort())
  }

  /** What the process has written, newest last. */
  get output(): string {
    return this.#output.slice(-8_000)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    const child = spawn(
      process.execPath,
      ['cli/main.ts', 'up', '--pipelines', this.#options.pipelines],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          ...this.#options.environment,
          MILLRACE_DATA: this.#options.dataDirectory,
          MILLRACE_HTTP_PORT: `${this.#port}`,
        },
      },
    )
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-64_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    this.#child = child
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.url}/readyz`).catch(() => null)
    return answer?.ok === true
  }

  /** Waits until answers can be had; throws with the output when the process ends first. */
  async ready(timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!(await this.isReady())) {
      const child = this.#child
      if (child === null || child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`millrace is not ready (exit code ${child?.exitCode}):\n${this.output}`)
      }
      await sleep(50)
    }
  }

  /** Throws on GraphQL errors; network errors come as they are (the process may have been killed). */
  async graphql<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = (await response.json()) as { data?: T; errors?: unknown }
    if (errors !== undefined || data === undefined) {
      throw new GraphqlFailure(`${query}: ${JSON.stringify(errors)}`)
    }
    return data
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child
    if (child === null) return null
    this.#child = null
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    }
    return child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

export class GraphqlFailure extends Error {}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No port was given.')
  return address.port
}
