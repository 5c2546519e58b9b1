/** The Python that `python-venv.sh` set up, for tests that let programs made by others read our files. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const pythonPath = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url))

const isRequired = process.env['MILLRACE_REQUIRE_SERVICES'] === '1'

/** Whether to run tests that need Python: yes when it is there, or when it must be. */
export function hasPython(): boolean {
  if (isRequired || existsSync(pythonPath)) return true
  process.stderr.write(
    'Left out: tests with Python readers. test/services/python-venv.sh brings them.\n',
  )
  return false
}

/** Runs a script and parses what it prints as JSON. */
export async function runPython<T>(script: URL, scriptArguments: readonly string[]): Promise<T> {
  const command = [fileURLToPath(script), ...scriptArguments]
  const { stdout } = await promisify(execFile)(pythonPath, command, {
    maxBuffer: 256 * 1024 * 1024,
  })
  return JSON.parse(stdout) as T
}
