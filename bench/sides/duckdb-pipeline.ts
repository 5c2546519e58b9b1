/**
 * The peer of the pipeline benchmark: bare DuckDB doing the same parse, the same Parquet files and the same six
 * aggregations from one NDJSON file, with nothing around it.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

interface Input {
  readonly file: string
  readonly outputDirectory: string
}

const columns =
  "{ts:'TIMESTAMPTZ',host:'VARCHAR',method:'VARCHAR',path:'VARCHAR',status:'INTEGER',bytes:'BIGINT',ip:'VARCHAR',ua:'VARCHAR',rt_ms:'INTEGER'}"

/** The very files that our views are compiled from: bare DuckDB runs them as they stand. */
const viewsDirectory = 'sql/http_logs/views'

export async function run({ file, outputDirectory }: Input): Promise<{ rows: number }> {
  await mkdir(outputDirectory, { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: '4GB',
    temp_directory: join(outputDirectory, 'spill'),
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  await connection.run(
    `COPY (SELECT encode(value) AS value FROM read_csv('${file}', columns = {value: 'VARCHAR'}, delim = '\x01',
       quote = '', escape = '', header = false, auto_detect = false))
     TO '${join(outputDirectory, 'raw.parquet')}' (FORMAT parquet, COMPRESSION snappy)`,
  )
  await connection.run(
    `CREATE TABLE logs AS SELECT *, status // 100 AS status_class,
       CAST(CAST(ts AS DATE) AS VARCHAR) AS dt, lpad(CAST(hour(ts) AS VARCHAR), 2, '0') AS "hour"
     FROM read_ndjson('${file}', columns = ${columns}, ignore_errors = true, auto_detect = false)`,
  )
  await connection.run(
    `COPY logs TO '${join(outputDirectory, 'curated')}'
     (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (dt, "hour"))`,
  )
  for (const name of await readdir(viewsDirectory)) {
    await connection.run(await readFile(join(viewsDirectory, name), 'utf8'))
  }
  const counted = await connection.runAndReadAll('SELECT count(*)::INTEGER FROM logs')
  return { rows: Number(counted.getRows()[0]?.[0]) }
}
