/** What is wrong with a record's bytes, and the text that is kept of them. */
import { isUtf8 } from 'node:buffer'

/** How much of an over-long record is kept as text in the rejected table; raw has all of it. */
const longTextBytesMax = 8192

type RecordProblem = 'empty' | 'too_long' | 'invalid_utf8'

/** A reason to reject that shows in the bytes alone; null: it can be parsed. */
export function recordProblem(value: Buffer, recordBytesMax: number): RecordProblem | null {
  if (value.length === 0) return 'empty'
  if (value.length > recordBytesMax) return 'too_long'
  return isUtf8(value) ? null : 'invalid_utf8'
}

/** The record's text, with invalid UTF-8 replaced and an over-long one cut. */
export function recordText(value: Buffer, problem: RecordProblem | null): string {
  return problem === 'too_long'
    ? value.toString('utf8', 0, longTextBytesMax)
    : value.toString('utf8')
}
