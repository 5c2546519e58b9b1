/** Brings the rows of hot ranges, in either of their forms, into a pipeline's recent table. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { maxOffsets, type Offsets, offsetOf, offsetsPredicate } from '../../core/offsets.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import { quoteList } from '../../core/sql.ts'
import type { Session } from '../../stores/engine/duckdb.ts'
import { PlannedStatement } from '../../stores/engine/planned-statement.ts'
import type { HotRange } from '../../stores/hot-store/port.ts'
import { selectTextRows, splitTextRows } from '../../stores/hot-store/text-rows.ts'
import { restoreScratch } from '../../stores/scratch.ts'
import { columnList, recentTable } from './relations.ts'

/** Rows that wait to be inserted; disposing removes the files that some of them are in. */
export interface WaitingRows extends AsyncDisposable {
  /** Inside the caller's transaction. */
  insert(session: Session): Promise<void>
}

export class HotRows {
  readonly #loaded: LoadedPipeline
  readonly #scratchDirectory: string
  /** By the header of the text rows: rows of one process have the same one, for as long as it runs. */
  readonly #statements = new Map<string, PlannedStatement>()
  #fileCount = 0

  constructor(loaded: LoadedPipeline, scratchDirectory: string) {
    this.#loaded = loaded
    this.#scratchDirectory = scratchDirectory
  }

  /** @param visible rows below these offsets are in the table already. */
  async waiting(ranges: readonly HotRange[], visible: Offsets): Promise<WaitingRows> {
    const files: HotRange[] = []
    const texts = new Map<string, string[]>()
    for (const range of ranges) {
      if (range.rowCount === 0) continue
      const split = splitTextRows(range.rows)
      if (split === null) files.push(range)
      else texts.set(split.header, [...(texts.get(split.header) ?? []), split.json])
    }
    const isNew = ranges.every(({ partition, from }) => from >= offsetOf(visible, partition))
    const ends = ranges.map(({ partition, until }) => new Map([[partition, until]]))
    const where = isNew
      ? ''
      : ` WHERE ${offsetsPredicate(visible, ends.reduce<Offsets>(maxOffsets, visible))}`
    await using written = new AsyncDisposableStack()
    const paths = await this.#writeFiles(files, written)
    const rest = written.move()
    return {
      insert: async (session) => {
        if (paths.length > 0) await session.run(this.#insertSql(fromFiles(paths)) + where)
        for (const [header, rows] of texts) await this.#insertTexts(session, header, rows, where)
      },
      [Symbol.asyncDispose]: () => rest.disposeAsync(),
    }
  }

  async #insertTexts(
    session: Session,
    header: string,
    rows: readonly string[],
    where: string,
  ): Promise<void> {
    const parameters = [{ type: 'VARCHAR', values: rows }] as const
    const select = selectTextRows(header, this.#loaded.curatedColumns)
    if (where !== '') {
      const once = new PlannedStatement(this.#insertSql(`(${select})`) + where)
      await once.run(session, parameters)
      once.close()
      return
    }
    const known = this.#statements.get(header)
    const statement = known ?? new PlannedStatement(this.#insertSql(`(${select})`))
    if (known === undefined) {
      // Another process took over the partitions: the statements of the one before are not needed.
      for (const old of this.#statements.values()) old.close()
      this.#statements.clear()
      this.#statements.set(header, statement)
    }
    await statement.run(session, parameters)
  }

  #insertSql(rows: string): string {
    const columns = columnList(this.#loaded.curatedColumns)
    return `INSERT INTO ${recentTable(this.#loaded)} SELECT ${columns} FROM ${rows}`
  }

  async #writeFiles(ranges: readonly HotRange[], written: AsyncDisposableStack): Promise<string[]> {
    if (ranges.length === 0) return []
    const paths: string[] = []
    await restoreScratch(this.#scratchDirectory)
    for (const { rows } of ranges) {
      this.#fileCount += 1
      const name = `hot-${this.#loaded.pipeline.name}-${this.#fileCount}.parquet`
      const path = join(this.#scratchDirectory, name)
      written.defer(() => rm(path, { force: true }))
      await writeFile(path, rows)
      paths.push(path)
    }
    return paths
  }
}

function fromFiles(paths: readonly string[]): string {
  return `read_parquet(${quoteList(paths)})`
}
