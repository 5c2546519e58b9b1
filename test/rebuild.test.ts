import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchSettings } from '../batch-layer/config.ts'
import { openBatch } from '../batch-layer/main.ts'
import { type RebuildOptions, type RebuildStep, rebuildPipeline } from '../batch-layer/rebuild.ts'
import { runBatch } from '../batch-layer/run.ts'
import type { LoadedPipeline } from '../core/pipeline.ts'
import { jsonPipeline, SpeedFixture } from '../speed-layer/test/speed-fixture.ts'
import { systemClock } from '../stores/clock.ts'
import { loadPipelines } from '../stores/pipelines.ts'
import { silentTelemetry } from '../stores/telemetry.ts'

const curated =
  'SELECT *, CASE WHEN status = 418 THEN 1 // CAST(host AS INTEGER) END AS pots FROM input'
const json = {
  'http/pipeline.yml': jsonPipeline,
  'http/curated.sql': curated,
  'http/views/by_host.sql':
    '-- Requests per host.\nSELECT host, count(*) AS n FROM logs GROUP BY host',
}
const text = {
  ...json,
  'http/pipeline.yml': jsonPipeline.replace(
    'format: json',
    () => "format: text\npatterns: ['^(?<ts>\\S+) (?<host>\\S+) (?<status>\\S+) (?<ratio>\\S+)$']",
  ),
}

const records: readonly (string | Buffer)[] = [
  '{"ts":"2026-01-01T00:00:00Z","host":"a","status":200,"ratio":0.5}',
  '{"ts":"2026-01-02T00:00:00Z","host":"b","status":404}',
  '{"host":"nul\\u0000","status":200}',
  'a\0b',
  '',
  '{"host":"a"',
  '{"host":"a","status":"x"}',
  '{"host":"a","status":999}',
  '{"host":"no number","status":418}',
  '2026-01-01T00:00:00Z h 200 0.5',
  '2026-01-01T00:00:00Z h 2x0 0.5',
  'x'.repeat(3000),
  `${'é'.repeat(1500)}`,
  Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  Buffer.concat([Buffer.alloc(9000, 0x61), Buffer.from([0xff])]),
  'two\nlines',
  '\ufeff{"host":"a","status":200}',
]

/** The lake of a speed layer with a batch layer on it. */
async function openBatchOf(
  speed: SpeedFixture,
  pipelines: readonly LoadedPipeline[] = speed.pipelines,
) {
  const batch = await openBatch({
    pipelines,
    storage: speed.storage,
    settings: batchSettings.parse({ rebuildChunkBytesMax: 1 }),
    lockDirectory: join(speed.directory, 'locks'),
    spillDirectory: join(speed.directory, 'spill'),
    telemetry: silentTelemetry(),
    clock: systemClock,
  })
  const [loaded] = pipelines
  if (loaded === undefined) throw new Error('There is no pipeline.')
  const shared = { sqlDirectory: speed.sqlDirectory, recordBytesMax: 2048 }
  const rebuild = (options: Partial<RebuildOptions> = {}) =>
    rebuildPipeline(batch.context, loaded, { ...shared, ...options })
  return {
    context: batch.context,
    rebuild,
    [Symbol.asyncDispose]: () => batch[Symbol.asyncDispose](),
  }
}

async function lakeOf(speed: SpeedFixture) {
  return {
    curated: await speed.lakeRows('http', 'curated'),
    rejected: await speed.lakeRows('http', 'rejected'),
  }
}

/** Changes a file of the pipeline and gives what the pipeline is now. */
async function redefine(speed: SpeedFixture, file: string, content: string) {
  await writeFile(join(speed.sqlDirectory, 'http', file), content)
  return await loadPipelines(speed.sqlDirectory)
}

/*
 * Strategy: real records go through the speed layer into a lake; the rebuild must give what the speed layer
 * gave, or, after a change of the definitions, what a speed layer that starts from nothing gives.
 */
describe('a rebuild', () => {
  it.each([
    ['json', json],
    ['text', text],
  ])(
    'gives the rows that the speed layer wrote from %s records of every kind',
    async (_, files) => {
      await using speed = await SpeedFixture.open(files)
      for (const partition of [0, 1]) await speed.produce('logs', partition, records)
      await speed.runToEnd()
      await speed.produce('logs', 0, records)
      await speed.runToEnd()
      const before = await lakeOf(speed)
      await using batch = await openBatchOf(speed)
      const shown: number[] = []
      const report = await batch.rebuild({
        onProgress: ({ done, total }) => shown.push(done / total),
      })
      expect(report).toMatchObject({ curated: { differing: 0 }, rejected: { differing: 0 } })
      expect(await lakeOf(speed)).toEqual(before)
      expect(before.rejected.length + before.curated.length).toBe(3 * records.length)
      expect([shown[0], shown.at(-1)]).toEqual([0, 1])
    },
  )

  it('gives the rows that the speed layer wrote from random records', async () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .record({ ts: fc.constantFrom('2026-01-01', 'x'), host: fc.string(), status: fc.integer() })
        .map((fields) => JSON.stringify(fields)),
      fc.constantFrom(...records),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 60 }), async (values) => {
        await using speed = await SpeedFixture.open(json)
        await speed.produce('logs', 0, values)
        await speed.runToEnd()
        const before = await lakeOf(speed)
        await using batch = await openBatchOf(speed)
        const report = await batch.rebuild()
        expect(report).toMatchObject({ curated: { differing: 0 }, rejected: { differing: 0 } })
        expect(await lakeOf(speed)).toEqual(before)
      }),
      { numRuns: 8 },
    )
  })

  it.each([
    ['check', 'pipeline.yml', jsonPipeline.replace('AND 599', 'AND 300')],
    ['curated.sql', 'curated.sql', curated.replace('418', '404')],
  ])(
    'after a changed %s gives what a fresh speed layer gives, views too',
    async (_, file, content) => {
      await using speed = await SpeedFixture.open(json)
      await speed.produce('logs', 0, records)
      await speed.runToEnd()
      {
        await using old = await openBatchOf(speed)
        await runBatch(old.context)
      }
      await using fresh = await SpeedFixture.open({ ...json, [`http/${file}`]: content })
      await fresh.produce('logs', 0, records)
      await fresh.runToEnd()
      await using batch = await openBatchOf(speed, await redefine(speed, file, content))
      const report = await batch.rebuild()
      expect(report.curated.differing).toBeGreaterThan(0)
      const withoutTimes = async (one: SpeedFixture) =>
        JSON.parse(
          JSON.stringify(await lakeOf(one), (key, value) =>
            key === '_timestamp' ? null : typeof value === 'bigint' ? `${value}` : value,
          ),
        )
      expect(await withoutTimes(speed)).toEqual(await withoutTimes(fresh))
      const { views } = await runBatch(batch.context)
      // The old partials differ by design: that is no divergence.
      expect(views[0]?.outcome).toMatchObject({
        kind: 'published',
        how: 'full',
        hasDiverged: false,
      })
      const again = await runBatch(batch.context)
      expect(again.views[0]?.outcome).toEqual({ kind: 'current' })
    },
  )

  it.each(['staged', 'committed_rejected', 'committed_curated'] satisfies RebuildStep[])(
    'that dies after the step "%s" leaves each table old or new, and the next one is right',
    async (step) => {
      await using speed = await SpeedFixture.open(json)
      await speed.produce('logs', 0, records)
      await speed.runToEnd()
      const before = await lakeOf(speed)
      const changed = jsonPipeline.replace('AND 599', 'AND 300')
      await using batch = await openBatchOf(speed, await redefine(speed, 'pipeline.yml', changed))
      const afterStep = (done: RebuildStep) => {
        if (done === step) throw new Error('died')
      }
      await expect(batch.rebuild({ afterStep })).rejects.toThrow('died')
      const left = await lakeOf(speed)
      if (step === 'staged') expect(left).toEqual(before)
      else expect(left.rejected.length).toBe(before.rejected.length + 1)
      expect(left.curated.length).toBe(
        before.curated.length - (step === 'committed_curated' ? 1 : 0),
      )
      await batch.rebuild()
      const after = await lakeOf(speed)
      expect(after.curated.length + after.rejected.length).toBe(records.length)
      expect(after.rejected.length).toBe(before.rejected.length + 1)
    },
  )

  it('keeps rows that the speed layer appends meanwhile', async () => {
    await using speed = await SpeedFixture.open(json)
    await speed.produce('logs', 0, records)
    await speed.runToEnd()
    await using batch = await openBatchOf(speed)
    const { tablesOf } = batch.context
    const tables = await tablesOf(batch.context.pipelines[0] as LoadedPipeline)
    let appended = false
    // After the snapshot of curated was taken, and before anything is read.
    tables.raw.refresh = async () => {
      const snapshot = await Object.getPrototypeOf(tables.raw).refresh.call(tables.raw)
      if (!appended) {
        appended = true
        await speed.produce('logs', 1, records)
        await speed.runToEnd()
      }
      return snapshot
    }
    await batch.rebuild()
    const after = await lakeOf(speed)
    expect(after.curated.length + after.rejected.length).toBe(2 * records.length)
  })

  it('refuses when raw lacks records, and changes nothing', async () => {
    await using speed = await SpeedFixture.open(json)
    await speed.produce('logs', 0, records)
    await speed.runToEnd()
    await using batch = await openBatchOf(speed)
    const before = await lakeOf(speed)
    const { raw } = await batch.context.tablesOf(batch.context.pipelines[0] as LoadedPipeline)
    const { files, version } = raw.current()
    const shared = { add: [], dataChange: true, operation: 'TEST', basedOnVersion: version }
    await raw.replace({ ...shared, remove: files })
    await expect(batch.rebuild()).rejects.toMatchObject({ code: 'COVERAGE_HOLE' })
    expect(await lakeOf(speed)).toEqual(before)
  })
})
