/** One chunk of raw files: its records parsed and enriched again, staged as curated and rejected files. */
import { type Offsets, offsetsPredicate } from '../core/offsets.ts'
import { type LoadedPipeline, rawColumns, rejectedColumns } from '../core/pipeline.ts'
import { columnDefinitions, quoteIdentifier } from '../core/sql.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import { parsedColumns, parseSql } from '../core/transform/parse-sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { enrichmentInput, enrichRows } from '../stores/enrich-rows.ts'
import type { PipelineTables } from '../stores/lake/pipeline-tables.ts'
import { scanSql } from '../stores/lake/scan.ts'
import { type StagedFile, stageParquet } from '../stores/lake/staging.ts'
import type { LakeStorage } from '../stores/lake/storage.ts'
import type { DataFile } from '../stores/lake/types.ts'
import { rawLines } from './raw-lines.ts'

export interface RowsWork {
  readonly loaded: LoadedPipeline
  readonly tables: PipelineTables
  readonly storage: LakeStorage
  readonly enrich: EnrichSql
  /** A longer record is rejected, bytes. */
  readonly recordBytesMax: number
  /** Rows from these on are left to the speed layer. */
  readonly curatedOffsets: Offsets
  readonly rejectedOffsets: Offsets
}

export interface RebuiltRows {
  readonly curated: StagedFile[]
  readonly rejected: StagedFile[]
}

/** Stages the rows of the records in these files of raw; nothing is committed. */
export async function rebuildRows(
  session: Session,
  work: RowsWork,
  files: readonly DataFile[],
): Promise<RebuiltRows> {
  const { name, schema } = work.loaded.pipeline
  const names = { lines: `${name}/rebuild/odd`, parsed: `${name}/rebuild/parsed` }
  const parsedTable = quoteIdentifier(names.parsed)
  const curatedTable = quoteIdentifier(`${name}/rebuild/curated`)
  try {
    await session.run(
      `CREATE OR REPLACE TABLE ${parsedTable} (${columnDefinitions([...parsedColumns, ...schema])})`,
    )
    await session.run(
      `CREATE OR REPLACE TABLE ${curatedTable} (${columnDefinitions(work.loaded.curatedColumns)})`,
    )
    const scan = scanSql(await work.tables.raw.readablePaths(files), {
      columns: rawColumns,
      partitionColumns: [],
    })
    // Rejected is committed before curated, so that its offsets are the higher ones.
    const inRange = offsetsPredicate(new Map(), work.rejectedOffsets)
    const { recordBytesMax } = work
    const records = `SELECT * FROM (${scan}) WHERE ${inRange}`
    const lines = await rawLines(session, { records, recordBytesMax, tableName: names.lines })
    const columns = [...parsedColumns, ...schema].map((column) => quoteIdentifier(column.name))
    await session.run(
      `INSERT INTO ${parsedTable} SELECT ${columns.join(', ')} FROM (${parseSql(work.loaded.pipeline)(lines)})`,
    )
    await enrichRows(session, {
      segment: { parsedTable, curatedTable },
      sql: work.enrich,
      inputColumns: enrichmentInput(schema),
    })
    return await stageRows(session, work, { parsedTable, curatedTable })
  } finally {
    for (const table of [parsedTable, curatedTable, quoteIdentifier(names.lines)]) {
      await session.run(`DROP TABLE IF EXISTS ${table}`)
    }
  }
}

async function stageRows(
  session: Session,
  { loaded, tables, storage, curatedOffsets }: RowsWork,
  from: { readonly parsedTable: string; readonly curatedTable: string },
): Promise<RebuiltRows> {
  const sortBy = ['_partition', '_offset']
  const rejected = await stageParquet(session, storage, tables.rejected.path, {
    select:
      'SELECT _partition, _offset, _timestamp, _reason AS reason, _detail AS detail, ' +
      `_value AS value FROM ${from.parsedTable} WHERE _reason IS NOT NULL`,
    columns: rejectedColumns,
    partitionColumns: [],
    sortBy,
  })
  const curated = await stageParquet(session, storage, tables.curated.path, {
    select: `SELECT * FROM ${from.curatedTable} WHERE ${offsetsPredicate(new Map(), curatedOffsets)}`,
    columns: loaded.curatedColumns,
    partitionColumns: loaded.pipeline.partitionBy.map((column) => column.name),
    sortBy,
  })
  return { curated, rejected }
}
