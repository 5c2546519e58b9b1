/** The fields of an event that do not change from line to line of a file. */
interface FieldSource {
  readonly id: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly fieldsUnderRoot: boolean
  readonly tags: readonly string[]
  readonly dialect: string
}

export function staticFields(input: FieldSource, path: string): Readonly<Record<string, unknown>> {
  return {
    log: { file: { path } },
    input: { type: input.dialect },
    ...(input.tags.length === 0 ? {} : { tags: input.tags }),
    ...(input.fieldsUnderRoot ? input.fields : withFields(input.fields)),
  }
}

function withFields(fields: Readonly<Record<string, unknown>>) {
  return Object.keys(fields).length === 0 ? {} : { fields }
}
