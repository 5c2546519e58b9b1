#!/usr/bin/env node
/** The command `millrace`. */
import './thread-pool.ts'
import { createProgram } from './program.ts'
import { reportError } from './report-error.ts'

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  process.exitCode = reportError(error)
}
