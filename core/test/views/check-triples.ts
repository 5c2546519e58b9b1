/**
 * The property: partials of any split, written to Parquet, merged in any order and finalized, equal the
 * recompute of all rows, and DuckDB's direct answer.
 */
import { join } from 'node:path'
import type { Database } from '../../../stores/engine/duckdb.ts'
import { type Column, quoteIdentifier, quoteLiteral } from '../../sql.ts'
import type { CompiledView } from '../../views/compiled-view.ts'
import { eventColumns } from './compile-fixture.ts'
import { rowsSql } from './generate-rows.ts'
import { type GeneratedView, generateView } from './generate-views.ts'
import { SeededRandom } from './seeded-random.ts'

export type Compile = (sql: string) => Promise<CompiledView>
type Row = Readonly<Record<string, string | null>>

/** How the rows are cut and joined: a planted bug may change it. */
export interface Split {
  readonly parts: number
  /** The rows of a part, as a SELECT over `parts`. */
  readonly rowsOf: (part: number) => string
  /** Parts in the order of their merge. */
  readonly order: readonly number[]
  /** How many of them are merged first, into a partial of their own. */
  readonly early: number
}

const columnNames = eventColumns.map(({ name }) => quoteIdentifier(name)).join(', ')

export function splitOf(random: SeededRandom): Split {
  const parts = 1 + random.below(6)
  return {
    parts,
    rowsOf: (part) => `SELECT ${columnNames} FROM parts WHERE part = ${part}`,
    order: random.shuffled(Array.from({ length: parts }, (_, part) => part)),
    early: random.below(parts + 1),
  }
}

export interface Rows {
  readonly seed: number
  readonly triples: number
  readonly parts: number
}

export async function loadRows(database: Database, rows: Rows): Promise<void> {
  await database.run(`CREATE OR REPLACE TABLE parts AS ${rowsSql(rows)}`)
  await database.run(`CREATE OR REPLACE TABLE events AS SELECT ${columnNames} FROM parts`)
  // -0.0 and 0.0 are one group and one minimum, of which DuckDB shows the one it met first.
  await database.run(
    'CREATE OR REPLACE TABLE direct_events AS SELECT * REPLACE (ratio + 0 AS ratio) FROM events',
  )
}

/** One statement: partials of each part to Parquet, then merged, early ones first, and finalized. */
async function splitAnswer(
  database: Database,
  { view, split, directory }: { view: CompiledView; split: Split; directory: string },
): Promise<Row[]> {
  const file = join(directory, 'partials.parquet')
  const partials = split.order.map(
    (part, index) =>
      `SELECT ${index} AS _index, * FROM (${view.partialSql(`(${split.rowsOf(part)})`)})`,
  )
  await database.run(
    `COPY (${partials.join(' UNION ALL ')}) TO ${quoteLiteral(file)} (FORMAT parquet)`,
  )
  const columns = view.partialColumns.map(({ name }) => name).join(', ')
  const stored = (condition: string) =>
    `SELECT ${columns} FROM read_parquet(${quoteLiteral(file)}) WHERE _index ${condition}`
  const early = view.mergeSql(`(${stored(`< ${split.early}`)})`)
  const merged = view.mergeSql(`(${early} UNION ALL ${stored(`>= ${split.early}`)})`)
  return await textRows(database, view.finalizeSql(`(${merged})`), view.columns)
}

/** Every value in DuckDB's own spelling. */
async function textRows(
  database: Database,
  sql: string,
  columns: readonly Column[],
): Promise<Row[]> {
  const list = columns.map(({ name }) => {
    const quoted = quoteIdentifier(name)
    return `CAST(${quoted} AS VARCHAR) AS ${quoted}`
  })
  return await database.rows<Row>(`SELECT ${list.join(', ')} FROM (${sql})`)
}

export interface Trial {
  readonly view: CompiledView
  readonly generated: GeneratedView
  readonly split: Split
  readonly directory: string
}

/** What differs, as texts for people; empty when the property holds. */
export async function differences(database: Database, trial: Trial): Promise<string[]> {
  const { view, generated } = trial
  const split = await splitAnswer(database, trial)
  const whole = await textRows(
    database,
    view.finalizeSql(`(${view.partialSql('events')})`),
    view.columns,
  )
  const directSql = generated.directSql.replaceAll(/\bevents\b/g, 'direct_events')
  const direct = await textRows(database, directSql, view.columns)
  return [
    ...compare('split and recomputed', generated, split, whole, new Map()),
    ...compare('split and direct', generated, split, direct, generated.accepts),
  ]
}

function compare(
  what: string,
  { isOrdered }: GeneratedView,
  found: readonly Row[],
  expected: readonly Row[],
  accepts: GeneratedView['accepts'],
): string[] {
  if (found.length !== expected.length) {
    return [`${what}: ${found.length} rows, not ${expected.length}`]
  }
  const columns = Object.keys(found[0] ?? {})
  const strict = columns.filter((name) => !accepts.has(name))
  const identity = (row: Row) => JSON.stringify(strict.map((name) => row[name]))
  const sorted = (rows: readonly Row[]) =>
    isOrdered
      ? rows
      : rows
          .map((row) => [identity(row), row] as const)
          .sort(byText)
          .map(([, row]) => row)
  const others = sorted(expected)
  return sorted(found).flatMap((row, index) => {
    const other = others[index] ?? {}
    const wrong = columns.filter((name) => {
      const [value = null, direct = null] = [row[name], other[name]]
      return !(accepts.get(name)?.(value, direct) ?? value === direct)
    })
    const shown = wrong.map((name) => `${name} is ${row[name]}, not ${other[name]}`)
    return wrong.length === 0 ? [] : [`${what}: ${shown.join('; ')} in ${JSON.stringify(row)}`]
  })
}

function byText([a]: readonly [string, Row], [b]: readonly [string, Row]): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Names and types of the answer are DuckDB's; those of partials are what the view declares. */
async function formProblems(
  database: Database,
  view: CompiledView,
  { sql }: GeneratedView,
): Promise<string[]> {
  const direct = await describeColumns(database, sql)
  const expected = direct.map(({ name, type }) => ({ name, type: storableType(sql, name, type) }))
  const partial = view.partialSql('events')
  const forms = [
    ['columns', view.columns, expected],
    ['partial columns', await describeColumns(database, partial), view.partialColumns],
    [
      'merged columns',
      await describeColumns(database, view.mergeSql(`(${partial})`)),
      view.partialColumns,
    ],
  ] as const
  return forms.flatMap(([what, found, wanted]) => {
    const [text, other] = [JSON.stringify(found), JSON.stringify(wanted)]
    return text === other ? [] : [`${what}: ${text}, not ${other}`]
  })
}

async function describeColumns(database: Database, sql: string): Promise<Column[]> {
  const rows = await database.rows<{ column_name: string; column_type: string }>(`DESCRIBE ${sql}`)
  return rows.map((row) => ({ name: row.column_name, type: row.column_type }))
}

/** No HUGEINT, and an approximate quantile of a DECIMAL keeps its type, where DuckDB's is BIGINT. */
function storableType(sql: string, name: string, type: string): string {
  const filter = '( FILTER \\(WHERE [^()]*\\))?'
  const quantile = new RegExp(`approx_quantile\\(price, [^()]*\\)${filter} AS ${name}\\b`)
  return quantile.test(sql) ? 'DECIMAL(10,2)' : type.replaceAll('HUGEINT', 'DECIMAL(38,0)')
}

export interface Batch {
  readonly seed: number
  readonly triples: number
}

export interface BatchResult {
  readonly generated: GeneratedView
  readonly view: CompiledView | null
  readonly failures: readonly string[]
}

/** One view over many triples' rows at once, or over those of one. */
export async function checkBatch(
  database: Database,
  compile: Compile,
  { seed, triples }: Batch,
  directory: string,
): Promise<BatchResult> {
  const random = new SeededRandom(seed)
  const generated = generateView(random, triples > 1)
  const split = splitOf(random)
  try {
    const view = await compile(generated.sql)
    await loadRows(database, { seed: random.below(2 ** 20), triples, parts: split.parts })
    const trial = { view, generated, split, directory }
    const failures = [
      ...(await formProblems(database, view, generated)),
      ...(await differences(database, trial)),
    ]
    return { generated, view, failures }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { generated, view: null, failures: [message] }
  }
}
