import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export function startChild(file: URL, parameters: readonly string[]): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(file), ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

export async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  if (child.stdout === null) throw new Error('The child has no stdout.')
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) yield line
  await ended
}
