import { join } from 'node:path'
import { expect, it } from 'vitest'
import { noOffsets } from '../../core/offsets.ts'
import { enrichSql } from '../../core/transform/enrich-sql.ts'
import { parseSql } from '../../core/transform/parse-sql.ts'
import { DuckDbSqlParser } from '../../stores/engine/duckdb-sql-parser.ts'
import { speedSettings } from '../config.ts'
import { parseRecords } from '../micro-batch.ts'
import { createPending, createSegment, pendingRows } from '../pending.ts'
import { jsonPipeline, SpeedFixture } from './speed-fixture.ts'

it('reads records singly when there is no room for a file of them', async () => {
  await using speed = await SpeedFixture.open({
    'http/pipeline.yml': jsonPipeline,
    'http/curated.sql': 'SELECT * FROM input',
  })
  const [loaded] = speed.pipelines
  if (loaded === undefined) throw new Error('The pipeline is missing.')
  const values = ['{"host":"a","status":200}', 'bad', '{"host":"b","status":200}']
  await speed.produce('logs', 0, values)
  const limits = { bytesMax: 1 << 20, waitMs: 0 }
  const batches = await speed.log.read('logs', new Map([[0, 0n]]), limits)
  const reasons: string[] = []
  await speed.database.session(async (session) => {
    const pending = createPending(noOffsets)
    const segment = await createSegment(session, loaded)
    pending.segments.push(segment)
    const processor = {
      session,
      loaded,
      parse: parseSql(loaded.pipeline),
      enrich: await enrichSql(loaded, new DuckDbSqlParser(speed.database), new Map()),
      settings: speedSettings.parse({ fileRecordsMin: 1 }),
      directory: join(speed.directory, 'not', 'there'),
      fileName: 'http',
      onLinesReadAgain: (reason: string) => reasons.push(reason),
    }
    await parseRecords(processor, segment, batches)
    const rows = await session.rows<{ value: string }>(
      `SELECT _value AS value FROM ${pendingRows(pending, 'parsedTable', '_offset, _value')} ORDER BY _offset`,
    )
    expect(rows.map(({ value }) => value)).toEqual(values)
  })
  expect(reasons).toEqual([expect.stringContaining('ENOENT')])
})
