/** Two sets of files of one table, row by row, whatever the order. */
import type { Column } from '../core/sql.ts'
import { quoteIdentifier } from '../core/sql.ts'
import type { Session } from '../stores/engine/duckdb.ts'
import { scanSql } from '../stores/lake/scan.ts'
import type { DataFile, LakeTable } from '../stores/lake/types.ts'

export interface RowComparison {
  readonly rowCount: number
  /** Rows by coordinates that are only on one side or have other values. */
  readonly differing: number
}

/** @param columns with `_partition` and `_offset`, which name a row. */
export async function compareRows(
  session: Session,
  { table, columns }: { readonly table: LakeTable; readonly columns: readonly Column[] },
  { before, after }: { readonly before: readonly DataFile[]; readonly after: readonly DataFile[] },
): Promise<RowComparison> {
  const { partitionColumns } = table.current()
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ')
  const hashed = async (files: readonly DataFile[]) => {
    const scan = scanSql(await table.readablePaths(files), { columns, partitionColumns })
    return `SELECT _partition, _offset, hash(row(${names})) AS h FROM (${scan})`
  }
  const [old, rebuilt] = [await hashed(before), await hashed(after)]
  const [sums, others] = await session.rows<{ n: bigint; h: bigint | null }>(
    [old, rebuilt]
      .map((rows) => `SELECT count(*) AS n, sum(h::HUGEINT) AS h FROM (${rows})`)
      .join(' UNION ALL '),
  )
  const rowCount = Number(after.reduce((sum, file) => sum + file.rowCount, 0))
  if (sums?.n === others?.n && sums?.h === others?.h) return { rowCount, differing: 0 }
  const [found] = await session.rows<{ n: bigint }>(
    `SELECT count(*) AS n FROM (${old}) AS o FULL JOIN (${rebuilt}) AS r ` +
      'ON o._partition = r._partition AND o._offset = r._offset WHERE o.h IS DISTINCT FROM r.h',
  )
  return { rowCount, differing: Number(found?.n ?? 0n) }
}
