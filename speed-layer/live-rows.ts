/**
 * The rows of a small micro-batch, ready to be shown: one statement over no table, from the bytes of
 * the records to the text of their rows. The lake gets the same rows later, parsed together with those
 * of other micro-batches, which costs a tenth of parsing each for itself into tables.
 */
import type { LoadedPipeline } from '../core/pipeline.ts'
import type { EnrichSql } from '../core/transform/enrich-sql.ts'
import { lineColumns, parseSql } from '../core/transform/parse-sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { PlannedStatement } from '../stores/engine/planned-statement.ts'
import { enrichmentInput, isOwnFault } from '../stores/enrich-rows.ts'
import type { RecordBatch } from '../stores/event-log/port.ts'
import { encodeTextRows, hasTextForm, rowTextSql } from '../stores/hot-store/text-rows.ts'
import { isOutOfMemory } from './lake-writer.ts'
import { isShort } from './lines/line-table.ts'

export interface RangeRows {
  readonly rowCount: number
  readonly rows: Buffer
}

/** Per partition; one whose records were all rejected is absent. */
export type RowsByPartition = ReadonlyMap<number, RangeRows>

export class LiveRows {
  readonly #session: Session
  readonly #loaded: LoadedPipeline
  readonly #recordBytesMax: number
  readonly #statement: PlannedStatement

  private constructor(
    session: Session,
    loaded: LoadedPipeline,
    enrich: EnrichSql,
    recordBytesMax: number,
  ) {
    this.#session = session
    this.#loaded = loaded
    this.#recordBytesMax = recordBytesMax
    this.#statement = new PlannedStatement(liveSql(loaded, enrich))
  }

  /**
   * @param session of a database whose threads do not wait for each other: small statements lose more
   *   by sharing their work than they gain.
   * @returns null where the rows cannot be had this way: of a `curated.sql` that may lose or double
   *   records, which shows only beside the parsed records, or with columns that have no text form.
   */
  static of(
    session: Session,
    loaded: LoadedPipeline,
    enrich: EnrichSql,
    recordBytesMax: number,
  ): LiveRows | null {
    if (!enrich.isRowWise || !hasTextForm(loaded.curatedColumns)) return null
    return new LiveRows(session, loaded, enrich, recordBytesMax)
  }

  /**
   * Null when the micro-batch needs tables: values that are no lines, a row on which `curated.sql` fails,
   * or long records for which this database has no memory.
   */
  async rowsOf(batches: readonly RecordBatch[]): Promise<RowsByPartition | null> {
    const filled = batches.filter(({ count }) => count > 0)
    if (!filled.every((batch) => this.#isPlain(batch))) return null
    try {
      const texts = filled.map(({ block, ends, count }) =>
        block.toString('utf8', 0, ends[count - 1]),
      )
      const found = (await this.#statement.run(this.#session, [
        { type: 'INTEGER', values: filled.map(({ partition }) => partition) },
        { type: 'BIGINT', values: filled.map(({ from }) => from) },
        { type: 'VARCHAR', values: texts },
      ])) as [number, bigint, string][]
      return new Map(
        found.map(([partition, rowCount, text]) => [
          partition,
          { rowCount: Number(rowCount), rows: encodeTextRows(this.#loaded.curatedColumns, text) },
        ]),
      )
    } catch (error) {
      if (isOwnFault(error) && !isOutOfMemory(error)) throw error
      return null
    }
  }

  close(): void {
    this.#statement.close()
  }

  #isPlain(batch: RecordBatch): boolean {
    return batch.isLineSafe && batch.offsets === null && isShort(batch, this.#recordBytesMax)
  }
}

/** `$1` partitions, `$2` first offsets and `$3` lines of each batch. */
function liveSql(loaded: LoadedPipeline, enrich: EnrichSql): string {
  const given: Readonly<Record<string, string>> = {
    _partition: '_partition',
    _offset: '_from + generate_subscripts(_lines, 1) - 1',
    _value: 'unnest(_lines)',
  }
  const columns = lineColumns.map(
    ({ name, type }) => `CAST(${given[name] ?? 'NULL'} AS ${type}) AS ${name}`,
  )
  const lines =
    `(SELECT ${columns.join(', ')} FROM (SELECT _partition, _from, string_split(_block, chr(10)) AS _lines ` +
    'FROM (SELECT unnest(CAST($1 AS INTEGER[])) AS _partition, unnest(CAST($2 AS BIGINT[])) AS _from, ' +
    'unnest(CAST($3 AS VARCHAR[])) AS _block)))'
  const events =
    `(SELECT ${enrichmentInput(loaded.pipeline.schema)} FROM (${parseSql(loaded.pipeline)(lines)}) ` +
    'WHERE _reason IS NULL)'
  return (
    `SELECT _partition, count(*), string_agg(_text, ',') FROM (SELECT _partition, ` +
    `${rowTextSql(loaded.curatedColumns)} AS _text FROM (${enrich.select(events)})) GROUP BY _partition`
  )
}
