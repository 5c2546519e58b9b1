#!/usr/bin/env node
/** The command `millrace`. */
import './thread-pool.ts'
import { createProgram } from './program.ts'
import { reportError } from './report-error.ts'

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  // Whatever else has been started must not keep a process alive that has failed.
  process.exit(reportError(error))
}
