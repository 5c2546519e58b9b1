import { describe, expect, it } from 'vitest'
import { MillraceError } from '../errors.ts'
import { parsePipeline } from '../pipeline-definition.ts'
import { schemaType } from '../schema-types.ts'

const minimal = `topic: clicks
schema:
  ts: TIMESTAMPTZ
  page: text
`

const parse = (text: string, files: readonly { path: string; text: string }[] = []) =>
  parsePipeline({ folder: 'clicks', files: [{ path: 'pipeline.yml', text }, ...files] })

function problemsOf(text: string, files: readonly { path: string; text: string }[] = []): string {
  try {
    parse(text, files)
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError)
    expect((error as MillraceError).code).toBe('PIPELINE_INVALID')
    return (error as MillraceError).message
  }
  throw new Error('The definition was accepted.')
}

describe('a pipeline definition', () => {
  it('has defaults for all but its topic and schema', () => {
    expect(parse(minimal)).toEqual({
      name: 'clicks',
      description: '',
      topic: 'clicks',
      partitions: 3,
      format: { kind: 'json' },
      schema: [
        { name: 'ts', type: 'TIMESTAMP WITH TIME ZONE' },
        { name: 'page', type: 'VARCHAR' },
      ],
      eventTime: null,
      checks: [],
      references: [],
      table: 'clicks',
      curatedSql: 'SELECT * FROM input',
      partitionBy: [],
      views: [],
    })
  })

  it('takes views with the comment at their top as description', () => {
    const sql = '-- Clicks per page,\n-- most first.\nSELECT 1'
    const [view] = parse(minimal, [{ path: 'views/by_page.sql', text: sql }]).views
    expect(view).toEqual({
      name: 'by_page',
      file: 'sql/clicks/views/by_page.sql',
      sql,
      description: 'Clicks per page, most first.',
    })
  })

  it('keeps patterns of text and the delimiter of csv', () => {
    const patterns = `format: text\npatterns: ['^(?P<page>\\S+)']\n`
    expect(parse(minimal + patterns).format).toEqual({
      kind: 'text',
      patterns: ['^(?P<page>\\S+)'],
    })
    expect(parse(`${minimal}format: csv\ndelimiter: ';'\n`).format).toEqual({
      kind: 'csv',
      delimiter: ';',
    })
  })

  it.each([
    ['nothing', '', ':1: ', /must be a map of names/],
    ['no map', 'topic', ':1: ', /must be a map of names/],
    ['an alias of nothing', 'topic: *t\n', ':1: ', /aliases of the file cannot be used/],
    ['an unknown key', `${minimal}tabel: x\n`, ':5: ', /The key 'tabel' is unknown/],
    [
      'an unknown key of a reference',
      `${minimal}references:\n  m:\n    path: m.csv\n    key: id\n    kye: 1\n`,
      ':9: ',
      /'references\.m\.kye'/,
    ],
    ['a missing topic', 'schema:\n  a: INTEGER\n', ': ', /'topic' is missing/],
    ['a missing schema', 'topic: a\n', ': ', /'schema' is missing/],
    ['an empty schema', 'topic: a\nschema: {}\n', ':2: ', /The schema is empty/],
    ['a time without a zone', `${minimal}  at: TIMESTAMP\n`, ':5: ', /Use TIMESTAMPTZ/],
    ['an unsigned type', `${minimal}  n: UINTEGER\n`, ':5: ', /Use BIGINT/],
    ['a HUGEINT', `${minimal}  n: HUGEINT\n`, ':5: ', /Use DECIMAL\(38,0\)/],
    ['an unknown type', `${minimal}  n: NUMBER\n`, ':5: ', /Use one of: VARCHAR/],
    ['partitions out of range', `${minimal}partitions: 0\n`, ':5: ', /partitions.*'0'/],
    ['an event time that is no column', `${minimal}event_time: at\n`, ':5: ', /does not have/],
    ['an event time that is no time', `${minimal}event_time: page\n`, ':5: ', /TIMESTAMPTZ/],
    ['patterns of another format', `${minimal}patterns: ['(?P<page>x)']\n`, ':5: ', /format: text/],
    ['a text without patterns', `${minimal}format: text\n`, ':5: ', /needs patterns/],
    [
      'a pattern without groups',
      `${minimal}format: text\npatterns: ['x+']\n`,
      ':6: ',
      /named group/,
    ],
    [
      'a group that is no column',
      `${minimal}format: text\npatterns: ['(?P<url>x)']\n`,
      ':6: ',
      /'url'/,
    ],
    [
      'a pattern that looks ahead',
      `${minimal}format: text\npatterns: ['(?P<page>x)(?=y)']\n`,
      ':6: ',
      /RE2/,
    ],
    [
      'a partition column of the schema',
      `${minimal}partition_by:\n  page: page\n`,
      ':6: ',
      /another name/,
    ],
    ['a name with capitals', `topic: a\nschema:\n  Page: VARCHAR\n`, ':3: ', /lower-case/],
    ['text that is not YAML', 'topic: [a\n', ':', /not YAML/],
    ['a key given twice', `${minimal}topic: again\n`, ':5: ', /not YAML as expected.*unique/],
  ])('refuses %s with its line', (_, text, place, message) => {
    const problems = problemsOf(text)
    expect(problems).toContain(`sql/clicks/pipeline.yml${place}`)
    expect(problems).toMatch(message)
  })

  it('reports every problem of every file at once', () => {
    const text = `${minimal}  n: HUGEINT\nevent_time: nothing\nformat: text\n`
    const problems = problemsOf(text, [{ path: 'views/By-Page.sql', text: 'SELECT 1' }])
    expect(problems.split('\n').slice(1)).toHaveLength(4)
    expect(problems).toContain("sql/clicks/views/By-Page.sql: The file's name 'By-Page'")
  })

  it('reports what is wrong with the parts beside keys that are unknown, missing or misused', () => {
    const text = `tabel: x
partitions: many
schema:
  Page: VARCHAR
  at: TIMESTAMP
  n: 5
  size: HUGEINT
event_time: n
format: text
patterns: []
delimiter: ';'
partition_by:
  size: size
  Dt: x
`
    const problems = problemsOf(text).split('\n').slice(1)
    const expected = [
      / The key 'topic' is missing/,
      /:1: The key 'tabel' is unknown/,
      /:2: 'partitions' is invalid: .*'many'/,
      /:4: The name 'Page'/,
      /:5: The type 'TIMESTAMP'/,
      /:6: 'schema\.n' is invalid: .*'5'/,
      /:7: The type 'HUGEINT'/,
      /:10: 'patterns' is empty: /,
      /:11: delimiter belongs to 'format: csv'/,
      /:13: The partition column 'size'/,
      /:14: The name 'Dt'/,
    ]
    expect(problems).toEqual(expected.map((pattern) => expect.stringMatching(pattern)))
  })

  it.each([
    ['a schema', 'topic: a\nschema: [a]\nevent_time: at\n'],
    ['patterns', `${minimal}format: text\npatterns: x\n`],
    ['a format', `${minimal}format: xml\npatterns: ['(?P<page>x)']\n`],
  ])('says no more about %s that cannot be read', (_, text) => {
    expect(problemsOf(text).split('\n')).toHaveLength(2)
  })

  it('without its file is refused', () => {
    expect(() => parsePipeline({ folder: 'clicks', files: [] })).toThrow(
      /pipeline\.yml: The file is missing/,
    )
  })
})

describe('a schema type', () => {
  it('is known by each of its names and shown by one', () => {
    expect(schemaType('int')).toEqual({ type: 'INTEGER' })
    expect(schemaType('timestamp  with time zone')).toEqual({ type: 'TIMESTAMP WITH TIME ZONE' })
    expect(schemaType('numeric(10, 2)')).toEqual({ type: 'DECIMAL(10,2)' })
    expect(schemaType('DECIMAL(39,2)')).toHaveProperty('refused')
    expect(schemaType('DECIMAL')).toHaveProperty('refused')
  })
})
