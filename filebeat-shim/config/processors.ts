/** Processors: those that only add facts about the machine may be missing, the rest may not. */
import type { Problem } from '../../core/errors.ts'

const addingOnly = /^add_(host|cloud|docker|kubernetes|process|observer|nomad)_metadata$/

/** A processor that drops or changes events cannot be left out silently: it is refused. */
export function processorProblems(processors: unknown, file: string, line: number): Problem[] {
  if (processors === undefined || processors === null) return []
  if (!Array.isArray(processors)) return [{ file, line, message: "'processors' is not a list." }]
  return processors.flatMap((processor: unknown) => {
    const isMap = typeof processor === 'object' && processor !== null
    const name = isMap ? (Object.keys(processor)[0] ?? '') : String(processor)
    if (addingOnly.test(name)) return []
    const message =
      `Processor '${name}' changes what is sent and is not supported yet: remove it and do the ` +
      `same in the pipeline's curated.sql.`
    return [{ file, line, message }]
  })
}
