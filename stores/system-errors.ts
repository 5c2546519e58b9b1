/** What the operating system's refusals mean to a person; used for our own writes and for DuckDB's. */
import { type FailureCode, MillraceError } from '../core/errors.ts'

const codeOf: Readonly<Record<string, FailureCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EACCES: 'DATA_DIRECTORY_UNUSABLE',
  EPERM: 'DATA_DIRECTORY_UNUSABLE',
  EROFS: 'DATA_DIRECTORY_UNUSABLE',
  ENOTDIR: 'DATA_DIRECTORY_UNUSABLE',
  // A file lies where a folder must be.
  EEXIST: 'DATA_DIRECTORY_UNUSABLE',
}

/** DuckDB reports the same refusals as text only. */
const codeOfText: readonly (readonly [RegExp, FailureCode])[] = [
  [/no space left on device|disk quota exceeded/i, 'DISK_FULL'],
  [/permission denied|read-only file system/i, 'DATA_DIRECTORY_UNUSABLE'],
]

/**
 * The error to throw when a file cannot be written or read; one that we have no words for is kept.
 *
 * @param subject What it belongs to, as a sentence begins: `The lake in '/data/lake'`.
 */
export function systemError(error: unknown, subject: string): unknown {
  const code = failureCodeOf(error)
  if (code === 'DISK_FULL') {
    const sentence = `${subject} cannot be written: the disk is full. Free some space; nothing is damaged.`
    return new MillraceError(code, sentence, { cause: error })
  }
  if (code === 'DATA_DIRECTORY_UNUSABLE') {
    const reason = error instanceof Error ? error.message : `${error}`
    const sentence = `${subject} cannot be used: ${reason}. Give this user the right to read and write it, or choose another directory.`
    return new MillraceError(code, sentence, { cause: error })
  }
  return error
}

function failureCodeOf(error: unknown): FailureCode | undefined {
  if (error instanceof MillraceError || !(error instanceof Error)) return undefined
  const known = systemCodeOf(error)
  if (known !== undefined) return codeOf[known]
  return codeOfText.find(([pattern]) => pattern.test(error.message))?.[1]
}

/** `ENOENT`, `EEXIST`, … of a failed system call, else undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
