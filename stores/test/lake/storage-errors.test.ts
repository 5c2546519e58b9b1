import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { lakeFileError } from '../../lake/storage-errors.ts'
import { openDatabase, temporaryFolder } from './lake-fixture.ts'

it.each(['missing', 'damaged'])('a file that is %s is named in one sentence', async (kind) => {
  const file = join(await temporaryFolder(), 'part.parquet')
  if (kind === 'damaged') await writeFile(file, 'this is no Parquet file at all')
  const database = await openDatabase()
  const thrown = await database
    .rows(`SELECT * FROM read_parquet('${file}')`)
    .catch((reason: unknown) => lakeFileError(reason, 'http_logs'))
  expect(thrown).toMatchObject({ code: 'LAKE_TABLE_INVALID' })
  const { message } = thrown as Error
  expect(message).toContain(file)
  expect(message).not.toContain('\n')
})

it('an error that says nothing about a file is kept', async () => {
  const database = await openDatabase()
  const error = await database.rows('SELECT nosuch').catch((reason: unknown) => reason)
  expect(lakeFileError(error, 'http_logs')).toBe(error)
})
