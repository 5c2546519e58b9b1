/** How the compiler says no: where, what, why, and what to write instead. */
import { MillraceError } from '../errors.ts'
import type { ViewSource } from '../pipeline.ts'
import { type AstNode, locationOf } from './ast.ts'

export interface Refusal {
  /** Byte offset in the source; -1 for the statement as a whole. */
  readonly location: number
  /** What was found, e.g. `list() has no mergeable state`. */
  readonly what: string
  /** Why that cannot be answered exactly. */
  readonly reason: string
  /** What to write instead. */
  readonly remedy: string
}

/** Thrown inside the compiler, where the file's name is not known; `compileView` adds the place. */
export class ViewRefusal extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.what)
    this.refusal = refusal
  }
}

/** Ends the compilation at `node`. */
export function refuse(node: AstNode | null, what: string, reason: string, remedy: string): never {
  throw new ViewRefusal({ location: node === null ? -1 : placeOf(node), what, reason, remedy })
}

/** A node's own place, or the first one inside it: some nodes carry none. */
function placeOf(node: AstNode): number {
  const own = locationOf(node)
  return own > 0 ? own : -1
}

/** `file:line:column: what: reason. remedy.` as the error that the layers know. */
export function refusalError(source: ViewSource, refusal: Refusal): MillraceError {
  const { line, column } = position(source.sql, refusal.location)
  const { what, reason, remedy } = refusal
  return new MillraceError(
    'VIEW_REFUSED',
    `${source.file}:${line}:${column}: The view '${source.name}' is refused: ${what}. ${reason}. ${remedy}.`,
    { details: { view: source.name, file: source.file, line, column } },
  )
}

/** Line and column (in characters), both from 1, of a byte offset in UTF-8. */
function position(text: string, byteOffset: number): { line: number; column: number } {
  let bytes = 0
  let line = 1
  let column = 1
  for (const character of text) {
    if (bytes >= byteOffset) break
    bytes += utf8Length(character.codePointAt(0) ?? 0)
    if (character === '\n') {
      line += 1
      column = 1
    } else column += 1
  }
  return { line, column }
}

function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1
  if (codePoint < 0x800) return 2
  return codePoint < 0x10000 ? 3 : 4
}
