/** What a person is told when files of the lake cannot be read or written. */
import { MillraceError } from '../../core/errors.ts'
import { systemError } from '../system-errors.ts'

/** The error to throw for a failed write or read below `root`; one that we have no words for is kept. */
export function storageError(error: unknown, root: string): unknown {
  return systemError(error, `The lake in '${root}'`)
}

/**
 * The error to throw when DuckDB cannot read a file that a table of the lake names; others are kept. A
 * query may be repeated, because the file may have been merged into another meanwhile; who reads the
 * newest version of the table may not.
 */
export function lakeFileError(error: unknown, pipeline: string): unknown {
  if (!(error instanceof Error) || !/^(?:IO|Invalid Input) Error: /.test(error.message))
    return error
  const [reason = ''] = error.message.split('\n')
  const sentence = `A file of the lake of '${pipeline}' cannot be read (${reason}). Restore it from a copy; or move the lake's folder '${pipeline}' away, and it is filled again from the event log as far as that reaches back.`
  return new MillraceError('LAKE_TABLE_INVALID', sentence, { cause: error })
}
