/**
 * What a view says about itself beside its SQL, in comments of the form
 *
 *   -- millrace: distinct_exact_max = 10000
 *
 * SQL has no place for it, and the file must run in DuckDB as it is.
 */
import { ViewRefusal } from './refusal.ts'

export interface ViewOptions {
  /** How many distinct values of a group are kept exactly; null where the view does not say. */
  readonly distinctExactMax: number | null
  /** The relative error of quantile sketches; null where the view does not say. */
  readonly quantileAccuracy: number | null
}

interface OptionSpec {
  readonly field: keyof ViewOptions
  readonly least: number
  readonly greatest: number
  readonly isInteger: boolean
}

/** Every option, with its range. `docs/views.md` describes them. */
export const optionSpecs: ReadonlyMap<string, OptionSpec> = new Map([
  [
    'distinct_exact_max',
    { field: 'distinctExactMax', least: 1, greatest: 1_000_000, isInteger: true },
  ],
  [
    'quantile_accuracy',
    { field: 'quantileAccuracy', least: 0.0001, greatest: 0.1, isInteger: false },
  ],
])

const optionLine = /^[ \t]*--[ \t]*millrace:(.*)$/gm

export function readViewOptions(sql: string): ViewOptions {
  const options = { distinctExactMax: null, quantileAccuracy: null } as {
    -readonly [Field in keyof ViewOptions]: ViewOptions[Field]
  }
  for (const match of sql.matchAll(optionLine)) {
    const [line, text = ''] = match
    const location = new TextEncoder().encode(sql.slice(0, match.index + line.indexOf('--'))).length
    const { field, value } = readOption(text, location)
    if (options[field] !== null) {
      refuseOption(location, `the option '${text.trim()}' is there twice`, 'Leave one of them out')
    }
    options[field] = value
  }
  return options
}

function readOption(text: string, location: number) {
  const [, name = '', number = ''] = /^\s*(\w+)\s*=\s*(\S+)\s*$/.exec(text) ?? []
  const spec = optionSpecs.get(name)
  if (spec === undefined) {
    return refuseOption(
      location,
      `'${text.trim()}' is not an option of a view`,
      `Write one of: ${[...optionSpecs.keys()].map((key) => `-- millrace: ${key} = …`).join(', ')}`,
    )
  }
  const value = Number(number.replaceAll('_', ''))
  const isInRange = value >= spec.least && value <= spec.greatest
  if (!isInRange || (spec.isInteger && !Number.isInteger(value))) {
    refuseOption(
      location,
      `'${number}' is no value for ${name}`,
      `Write ${spec.isInteger ? 'an integer' : 'a number'} from ${spec.least} to ${spec.greatest}`,
    )
  }
  return { field: spec.field, value }
}

function refuseOption(location: number, what: string, remedy: string): never {
  throw new ViewRefusal({
    location,
    what,
    reason: "A line that begins with '-- millrace:' sets an option of the view",
    remedy,
  })
}
