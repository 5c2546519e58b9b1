/** Processors: those that only add facts about the machine may be missing, the rest may not. */
import type { Problem } from '../../core/errors.ts'
import type { LocatedNode } from './located-yaml.ts'

const addingOnly = /^add_(host|cloud|docker|kubernetes|process|observer|nomad)_metadata$/

/** A processor that drops or changes events cannot be left out silently: it is refused. */
export function processorProblems(node: LocatedNode | undefined, file: string): Problem[] {
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return []
  if (node.kind !== 'list') {
    return [{ file, line: node.line, message: "'processors' is not a list." }]
  }
  return node.items.flatMap((item) => {
    const name = item.kind === 'map' ? (item.entries[0]?.key ?? '') : ''
    if (addingOnly.test(name)) return []
    const message =
      `Processor '${name}' changes what is sent and is not supported yet: remove it and do the ` +
      `same in the pipeline's curated.sql.`
    return [{ file, line: item.line, message }]
  })
}
