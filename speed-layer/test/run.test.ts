import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MillraceError } from '../../core/errors.ts'
import { systemClock } from '../../stores/clock.ts'
import { loadPipelines } from '../../stores/pipelines.ts'
import { pidNamespace } from '../../stores/process-identity.ts'
import { storageWith } from '../../stores/test/lake/lake-fixture.ts'
import { speedSettings } from '../config.ts'
import type { SpeedStep } from '../context.ts'
import { SpeedProgress } from '../progress.ts'
import { runSpeedLayer } from '../run.ts'
import { expectConserved, good, jsonPipeline, SpeedFixture } from './speed-fixture.ts'

let speed: SpeedFixture

async function openWith(curatedSql = 'SELECT *, status // 100 AS status_class FROM input') {
  speed = await SpeedFixture.open({
    'http/pipeline.yml': jsonPipeline,
    'http/curated.sql': curatedSql,
  })
}

afterEach(async () => {
  await speed[Symbol.asyncDispose]()
})

describe('curated.sql', () => {
  it('rejects the records on which it fails and keeps the others', async () => {
    await openWith('SELECT *, CAST(substr(host, 5) AS INTEGER) AS number FROM input')
    const values = Array.from({ length: 40 }, (_, i) =>
      i % 13 === 5 ? JSON.stringify({ host: 'web-x', status: 200 }) : good(i),
    )
    await speed.produce('logs', 0, values)
    await speed.runToEnd()
    await expectConserved(speed, 40)
    const rejected = await speed.lakeRows('http', 'rejected')
    expect(rejected.map((row) => row['_offset'])).toEqual([5n, 18n, 31n])
    expect(new Set(rejected.map((row) => row['reason']))).toEqual(new Set(['enrichment']))
    expect(rejected[0]?.['detail']).toContain('curated.sql failed')
  })

  it('joins a reference table, and rejects records for which that gives no row or two', async () => {
    speed = await SpeedFixture.open({
      'http/pipeline.yml': `${jsonPipeline}\nreferences: { owners: { path: owners.csv, key: name } }`,
      'http/curated.sql': 'SELECT i.*, o.owner FROM input i JOIN owners o ON o.name = i.host',
      'http/owners.csv': 'name,owner\nweb-1,ann\nweb-2,bob\nweb-2,ben\n',
    })
    await speed.produce('logs', 0, [good(1), good(2), good(3)])
    await speed.runToEnd()
    await expectConserved(speed, 3)
    expect((await speed.lakeRows('http', 'curated')).map((row) => row['owner'])).toEqual(['ann'])
    expect((await speed.lakeRows('http', 'rejected')).map((row) => row['detail'])).toEqual([
      'curated.sql gave 2 rows for this record, expected 1.',
      'curated.sql gave 0 rows for this record, expected 1.',
    ])
  })
})

describe('a crash', () => {
  // What a micro-batch is by way of tables, and what it is without them.
  const steps: readonly SpeedStep[] = [
    'parsed',
    'enriched',
    'hot_appended',
    'gathered',
    'staged_raw',
    'staged_rejected',
    'staged_curated',
    'committed_raw',
    'committed_rejected',
    'committed_curated',
    'advised',
    'trimmed',
  ]

  const ways = [
    ['live', speedSettings.parse({}).fileRecordsMin],
    ['by way of tables', 1],
  ] as const
  const cases = ways.flatMap(([way, fileRecordsMin]) =>
    steps
      .filter((step) => way !== 'live' || step !== 'parsed')
      .map((step) => ({ step, way, fileRecordsMin })),
  )

  it.each(cases)(
    'after the step $step, $way, loses nothing and counts nothing twice',
    async ({ step, fileRecordsMin }) => {
      await openWith()
      let count = 0
      const produce = async (n: number) => {
        for (let i = 0; i < n; i++, count += 4) {
          await speed.produce('logs', i % 2, [good(i), 'bad', good(i + 1), '{"status":1}'])
        }
      }
      // The hot store outlives every second crash, as it does where it is a service of its own.
      for (const losesHotStore of [false, true]) {
        await produce(5)
        let crashed = false
        const afterStep = (_: string, reached: SpeedStep) => {
          if (reached !== step || crashed) return
          crashed = true
          throw new Error('The process died.')
        }
        const context = speed.context({ afterStep }, { fileRecordsMin })
        const running = runSpeedLayer(context, new AbortController().signal)
        await expect(running).rejects.toThrow('The process died.')
        if (losesHotStore) speed.loseHotStore()
        await produce(3)
        await speed.runToEnd({}, { fileRecordsMin })
        await expectConserved(speed, count)
      }
    },
  )
})

describe('the hot store', () => {
  beforeEach(() => openWith())

  it('has every row from the lake offsets on', async () => {
    await speed.produce('logs', 0, [good(1), 'bad', good(2)])
    await speed.produce('logs', 1, ['bad'])
    const stop = new AbortController()
    const context = speed.context({}, { lakeCommitIntervalMs: 60_000, shutdownCommitMs: 0 })
    const running = runSpeedLayer(context, stop.signal)
    await speed.reached(
      'http',
      new Map([
        [0, 3n],
        [1, 1n],
      ]),
    )
    expect(await speed.hot.ends('http')).toEqual(
      new Map([
        [0, 3n],
        [1, 1n],
      ]),
    )
    const rows = await speed.hotRows(
      'http',
      new Map([
        [0, 0n],
        [1, 0n],
      ]),
    )
    expect(
      rows.map((row) => [row['_offset'], row['host'], row['dt'], row['status_class']]),
    ).toEqual([
      [0n, 'web-1', '2026-01-02', 2],
      [2n, 'web-2', '2026-01-03', 2],
    ])
    stop.abort()
    await running
    expect(await speed.lakeOffsets('http', 'curated')).toEqual(new Map())
  })

  it('gets its rows when somebody has taken the folder in memory away', async () => {
    let hasRemoved = false
    const afterStep = (_: string, step: SpeedStep) => {
      if (step !== 'parsed' || hasRemoved) return
      hasRemoved = true
      const mine = `millrace-${pidNamespace()}-${process.pid}-`
      const memory = existsSync('/dev/shm') ? readdirSync('/dev/shm') : []
      for (const name of memory) {
        if (name.startsWith(mine)) rmSync(join('/dev/shm', name), { recursive: true })
      }
    }
    await speed.produce('logs', 0, [good(1), 'bad', good(2)])
    await speed.runToEnd({ afterStep }, { fileRecordsMin: 1 })
    expect(hasRemoved).toBe(true)
    await expectConserved(speed, 3)
  })

  it('is continued where it ended when it outlives the process', async () => {
    await speed.produce('logs', 0, [good(1), good(2)])
    await speed.runToEnd({}, { lakeCommitIntervalMs: 60_000, shutdownCommitMs: 0 })
    await speed.produce('logs', 0, [good(3)])
    speed.progress = new SpeedProgress()
    await speed.runToEnd({}, { lakeCommitIntervalMs: 60_000, shutdownCommitMs: 0 })
    const ranges = await speed.hot.read('http', new Map([[0, 0n]]), {
      bytesMax: 1 << 20,
      waitMs: 0,
    })
    expect(ranges.map(({ from, until }) => [from, until])).toEqual([
      [0n, 2n],
      [2n, 3n],
    ])
  })

  it('that ends below the lake begins anew there', async () => {
    await speed.produce('logs', 0, [good(1), good(2)])
    await speed.runToEnd()
    speed.loseHotStore()
    await speed.hot.append('http', {
      partition: 0,
      from: 0n,
      until: 1n,
      rowCount: 0,
      timestampMsMax: 0,
      rows: Buffer.alloc(0),
    })
    await speed.produce('logs', 0, [good(3)])
    await speed.runToEnd()
    expect(await speed.hot.ends('http')).toEqual(
      new Map(
        [
          [0, 3n],
          [1, 0n],
        ].slice(0, 1) as [number, bigint][],
      ),
    )
    await expectConserved(speed, 3)
  })

  it('written to by another worker makes this one read the offsets again', async () => {
    await speed.produce('logs', 0, [good(1)])
    let isDone = false
    const afterStep = (_: string, step: SpeedStep) => {
      if (step !== 'enriched' || isDone) return
      isDone = true
      // Another worker is quicker, and then gone.
      void speed.hot.append('http', {
        partition: 0,
        from: 0n,
        until: 1n,
        rowCount: 0,
        timestampMsMax: 0,
        rows: Buffer.alloc(0),
      })
    }
    await speed.runToEnd({ afterStep })
    await expectConserved(speed, 1)
    expect(isDone).toBe(true)
  })
})

describe('the lake', () => {
  beforeEach(() => openWith())

  it('being away stops nothing from being visible and loses nothing', async () => {
    let failures = 0
    const broken = storageWith(speed.storage, {
      putFile: async (path: string, file: string) => {
        if (failures++ < 6) throw new MillraceError('LAKE_UNAVAILABLE', 'The lake is away.')
        await speed.storage.putFile(path, file)
      },
    })
    await speed.produce('logs', 0, [good(1)])
    const stop = new AbortController()
    const running = runSpeedLayer(speed.context({ storage: broken }), stop.signal)
    await speed.reached('http', new Map([[0, 1n]]))
    await speed.produce('logs', 0, [good(2), 'bad'])
    await speed.reached('http', new Map([[0, 3n]]))
    await speed.committed('http')
    stop.abort()
    await running
    expect(failures).toBeGreaterThan(6)
    await expectConserved(speed, 3)
  })

  it('gets no rows whose predecessors it did not get, when it comes back during the stop', async () => {
    await speed.produce('logs', 0, [good(1), good(2)])
    let isAway = true
    const storage = storageWith(speed.storage, {
      read: async (path: string) => {
        // Only the commit: by then the files are there, as on a disk that is full from time to time.
        if (isAway && hasCommitBegun)
          throw new MillraceError('LAKE_UNAVAILABLE', 'The lake is away.')
        return await speed.storage.read(path)
      },
    })
    let hasCommitBegun = false
    let isStopping = false
    const stop = new AbortController()
    const afterStep = (_: string, step: SpeedStep) => {
      if (step === 'staged_curated') hasCommitBegun = true
      if (step === 'enriched' && hasCommitBegun && !isStopping) {
        isStopping = true
        stop.abort()
      }
      if (step === 'hot_appended' && isStopping) isAway = false
    }
    const running = runSpeedLayer(speed.context({ storage, afterStep }), stop.signal)
    await vi.waitUntil(() => hasCommitBegun, { timeout: 10_000, interval: 5 })
    await speed.produce('logs', 0, [good(3)])
    await running
    expect(isAway).toBe(false)
    speed.progress = new SpeedProgress()
    await speed.runToEnd()
    await expectConserved(speed, 3)
  })

  it('names the columns that a pipeline has gained, for readers that know only its log', async () => {
    await speed.produce('logs', 0, [good(1)])
    await speed.runToEnd()
    const sql = 'SELECT *, status // 100 AS status_class, upper(host) AS loud FROM input'
    writeFileSync(join(speed.sqlDirectory, 'http/curated.sql'), sql)
    speed.pipelines = await loadPipelines(speed.sqlDirectory)
    speed.progress = new SpeedProgress()
    await speed.produce('logs', 0, [good(2)])
    await speed.runToEnd()
    const columns = (await speed.lakeColumns('http', 'curated')).map(({ name }) => name)
    expect(columns).toContain('loud')
    const rows = await speed.lakeRows('http', 'curated')
    expect(rows.map((row) => row['loud'])).toEqual([null, 'WEB-2'])
  })

  it('has no version more when nothing came in', async () => {
    await speed.produce('logs', 0, [good(1)])
    await speed.runToEnd()
    const before = (await speed.storage.list('http')).length
    await speed.runToEnd()
    expect((await speed.storage.list('http')).length).toBe(before)
  })

  it('that is ahead of the log stops the pipeline with the offsets', async () => {
    await speed.produce('logs', 0, [good(1), good(2)])
    await speed.runToEnd()
    const context = speed.context()
    const bounds = async () => ({ earliest: new Map([[0, 5n]]), latest: new Map([[0, 9n]]) })
    const eventLog = Object.assign(Object.create(context.eventLog), {
      bounds,
      ensureTopic: async () => {},
      join: context.eventLog.join.bind(context.eventLog),
    })
    const running = runSpeedLayer({ ...context, eventLog }, new AbortController().signal)
    await expect(running).rejects.toMatchObject({
      code: 'COVERAGE_HOLE',
      message: expect.stringContaining('records 2 to 4 are lost'),
    })
  })
})

describe('the date', () => {
  beforeEach(() => openWith())

  const hourMs = 3_600_000
  it.each([
    ['back', -hourMs],
    ['forward', hourMs],
  ])('being set %s while records come in delays neither rows nor lake commits', async (_, byMs) => {
    let shiftMs = 0
    const clock = { ...systemClock, now: () => Date.now() + shiftMs }
    const stop = new AbortController()
    const running = runSpeedLayer(speed.context({ clock }), stop.signal)
    await speed.produce('logs', 0, [good(1)])
    await speed.reached('http', new Map([[0, 1n]]))
    shiftMs = byMs
    const committed = speed.committed('http')
    await speed.produce('logs', 0, [good(2), 'bad'])
    await speed.reached('http', new Map([[0, 3n]]))
    await committed
    stop.abort()
    await running
    await expectConserved(speed, 3)
  })
})
