/** Where to start reading a file that may be the one of an earlier run. */
import { type ContentMarker, isMarkedBy } from './content-marker.ts'

/** What the registry knows about a file. */
export interface SavedPosition {
  /** Start of the first line that the log has not acknowledged. */
  readonly offset: number
  /** The first bytes of the file. */
  readonly head: ContentMarker
  /** The bytes right before `offset`. */
  readonly tail: ContentMarker
}

/** What is there now. `head` and `tail` are read at the saved places. */
export interface FoundContent {
  readonly size: number
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

export type Resumption =
  | { readonly kind: 'continue'; readonly offset: number }
  | { readonly kind: 'restart'; readonly reason: 'shorter' | 'other content' }
  | { readonly kind: 'new' }

/**
 * A saved offset holds only for the content it was saved for. Size alone does not tell: a file that was
 * truncated and has grown past the offset, or another file with a reused inode, is larger.
 */
export function resumeAt(
  saved: SavedPosition | undefined,
  found: FoundContent | undefined,
): Resumption {
  if (saved === undefined || found === undefined) return { kind: 'new' }
  if (found.size < saved.offset) return { kind: 'restart', reason: 'shorter' }
  const isSame = isMarkedBy(saved.head, found.head) && isMarkedBy(saved.tail, found.tail)
  if (!isSame) return { kind: 'restart', reason: 'other content' }
  return { kind: 'continue', offset: saved.offset }
}
