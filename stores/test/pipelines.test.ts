import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MillraceError } from '../../core/errors.ts'
import { loadMacros, loadPipelines } from '../pipelines.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pipelines-'))
})
afterEach(async () => await rm(directory, { recursive: true }))

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
}

async function failure(): Promise<MillraceError> {
  const error = await loadPipelines(directory).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(MillraceError)
  return error as MillraceError
}

const clicks = `topic: clicks
schema:
  ts: TIMESTAMPTZ
  page: VARCHAR
  size: INTEGER
checks:
  has_page: page IS NOT NULL
`
const byPage = '-- Clicks per page.\nSELECT page, count(*) AS n FROM clicks GROUP BY page\n'

describe('loading pipelines', () => {
  it("finds the project's own pipelines without a problem", async () => {
    const root = join(import.meta.dirname, '../../sql')
    const loaded = await loadPipelines(root)
    const shape = loaded.map(({ pipeline, views }) => [
      pipeline.name,
      views.map(({ name }) => name),
    ])
    expect(shape).toEqual([
      [
        'access_log',
        ['access_by_hour', 'access_errors', 'access_status_counts', 'access_top_pages'],
      ],
      [
        'http_logs',
        [
          'kpi_by_host',
          'kpi_by_hour',
          'latency_by_path',
          'status_counts',
          'top_paths',
          'visitors_by_hour',
        ],
      ],
    ])
    for (const { views } of loaded) {
      for (const view of views) expect(view.description).not.toBe('')
    }
  })

  it('gives the curated columns, the partition columns, then the coordinates', async () => {
    await write({
      'clicks/pipeline.yml': `${clicks}partition_by:\n  dt: CAST(CAST(ts AS DATE) AS VARCHAR)\n`,
      'clicks/curated.sql': '-- More.\nSELECT *, tenfold(size) AS big FROM input',
      'macros/tenfold.sql': '-- Ten times.\nCREATE MACRO tenfold(x) AS x * 10;',
    })
    const [loaded] = await loadPipelines(directory)
    expect(loaded?.curatedColumns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'ts TIMESTAMP WITH TIME ZONE',
      'page VARCHAR',
      'size INTEGER',
      'big INTEGER',
      'dt VARCHAR',
      '_partition INTEGER',
      '_offset BIGINT',
    ])
    expect(await loadMacros(directory)).toHaveLength(1)
  })

  it('reports the problems of all pipelines in one error', async () => {
    await write({
      'clicks/pipeline.yml': `${clicks}  bad: nosuch > 1\n  number: size\n`,
      'orders/pipeline.yml': 'topic: orders\nschema: { id: UINTEGER }\n',
      'third/pipeline.yml': clicks.replace('topic: clicks', 'topic: third'),
      'third/views/v.sql': 'SELECT list(page) FROM third\n',
    })
    const { code, message } = await failure()
    expect(code).toBe('PIPELINE_INVALID')
    expect(message).toMatch(/^4 problems in /)
    expect(message).toMatch(/clicks\/pipeline\.yml:8: The check 'bad' .*"nosuch" not found/)
    expect(message).toMatch(/clicks\/pipeline\.yml:9: The check 'number' .*INTEGER, not BOOLEAN/)
    expect(message).toMatch(/orders\/pipeline\.yml:2: The type 'UINTEGER'/)
    expect(message).toMatch(/third\/views\/v\.sql:1: column 8: .*list\(\) cannot be merged/)
  })

  it('reports views beside other problems of their pipeline', async () => {
    await write({
      'clicks/pipeline.yml': `${clicks}  bad: nosuch > 1\n`,
      'clicks/views/by_page.sql': byPage,
      'clicks/views/Bad name.sql': byPage,
      'clicks/views/clicks.sql': byPage,
      'clicks/views/listed.sql': 'SELECT list(page) FROM clicks\n',
      'clicks/views/no_sql.sql': 'SELEC',
    })
    const { message } = await failure()
    expect(message).toMatch(/^5 problems in /)
    for (const part of ["'bad'", "'Bad name'", "'clicks'", 'listed.sql:1', 'no_sql.sql:1']) {
      expect(message).toContain(part)
    }
  })

  it('says VIEW_REFUSED where only views are wrong', async () => {
    await write({ 'clicks/pipeline.yml': clicks, 'clicks/views/v.sql': 'SELECT page FROM clicks' })
    expect((await failure()).code).toBe('VIEW_REFUSED')
  })

  it.each([
    ['does not bind', 'SELECT nosuch FROM input', /"nosuch" not found/],
    ['aggregates', 'SELECT count(*) AS n FROM input', /aggregate count_star\(\)/],
    ['looks at other rows', 'SELECT lag(page) OVER () AS p FROM input', /OVER/],
    ['limits', 'SELECT * FROM input LIMIT 5', /LIMIT/],
    ['asks for the time', 'SELECT *, now() AS at FROM input', /not reproducible/],
    [
      'gives a type that tables lack',
      'SELECT *, [page] AS pages FROM input',
      /'pages' is a VARCHAR\[\]/,
    ],
    ['names a column twice', 'SELECT page, size AS page FROM input', /'page.*' occurs twice/],
    [
      'takes a reserved name',
      'SELECT page, size AS _offset FROM input',
      /'_offset' occurs twice or/,
    ],
  ])('refuses a curated.sql that %s', async (_, sql, message) => {
    await write({ 'clicks/pipeline.yml': clicks, 'clicks/curated.sql': sql })
    const error = await failure()
    expect(error.message).toContain('clicks/curated.sql')
    expect(error.message).toMatch(message)
  })

  it('refuses a partition column that is no text or already there', async () => {
    await write({
      'clicks/pipeline.yml': `${clicks}partition_by:\n  part: size\n  twice: page\n`,
      'clicks/curated.sql': 'SELECT *, 1 AS twice FROM input',
    })
    const { message } = await failure()
    expect(message).toMatch(/pipeline\.yml:9: The partition column 'part' .*INTEGER, not VARCHAR/)
    expect(message).toMatch(/'twice' is also a column of curated\.sql/)
  })

  it.each([
    ['CREATE TABLE t AS SELECT 1', 'CREATE TABLE t AS SELECT 1'],
    [`COPY (SELECT 1) TO '/nowhere/at/all.csv'`, `COPY (SELECT 1) TO '/nowhere/at/all.csv'`],
    ['/* CREATE MACRO */ create\n view v as select 1', 'create view v as select 1'],
    [`SELECT ';', $$;$$, 1 -- ;\n AS one`, `SELECT ';', $$;$$, 1 AS one`],
  ])('refuses a file of macros with the statement %s', async (statement, shown) => {
    await write({
      'clicks/pipeline.yml': clicks,
      'macros/m.sql': `-- Two; of them.\nCREATE OR REPLACE MACRO a(x) AS x || ';';\n${statement};\n`,
    })
    const { code, message } = await failure()
    expect(code).toBe('PIPELINE_INVALID')
    expect(message).toMatch(/^1 problem in /)
    expect(message).toContain(`macros/m.sql:3: The statement '${shown}' is refused`)
    expect(message).toContain('takes CREATE MACRO only')
  })

  it('takes every way to define a macro', async () => {
    const files = [
      "CREATE MACRO a(x) AS x || E'\\'; '",
      'create or replace temp function b() as table select 1',
    ]
    await write({ 'clicks/pipeline.yml': clicks, 'macros/m.sql': `;${files.join(';\n')};` })
    await expect(loadPipelines(directory)).resolves.toHaveLength(1)
  })

  it('refuses names that two objects share', async () => {
    await write({
      'clicks/pipeline.yml': clicks,
      'clicks/views/by_page.sql': byPage,
      'clicks/views/clicks_raw.sql': byPage,
      'other/pipeline.yml': `${clicks}table: clicks\n`,
      'third/pipeline.yml': clicks,
      'third/views/by_page.sql': byPage.replace('clicks G', 'third G'),
    })
    const { message } = await failure()
    for (const name of ['clicks', 'clicks_raw', 'clicks_rejected', 'by_page']) {
      expect(message).toContain(`The name '${name}' (`)
    }
  })

  it('refuses a directory that is not there and a pipeline that is not in it', async () => {
    await expect(loadPipelines(join(directory, 'none'))).rejects.toThrow(/cannot be read/)
    await expect(loadPipelines(directory, { only: ['x'] })).rejects.toThrow(/no pipeline 'x'/)
  })
})
