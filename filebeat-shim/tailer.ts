/** The files that are followed: found by scans, read in fair turns, let go when they are done. */
import { dirname } from 'node:path'
import type { SteadyClock } from '../stores/clock.ts'
import type { InputConfig } from './config/input.ts'
import type { ShipperSettings } from './config.ts'
import { type Discovery, type FoundFile, fileKey, findByIdentity } from './discover.ts'
import type { LineOrigin, RecordMaker } from './encode-record.ts'
import { openFile } from './open-file.ts'
import type { Output } from './produce.ts'
import type { RegistryEntry } from './registry.ts'
import { sendOpenLine, sendTurn } from './send-turn.ts'
import { Source } from './source.ts'
import type { ShipperTelemetry } from './telemetry.ts'
import { TrackedFile } from './tracked-file.ts'

export interface TailerContext {
  readonly inputs: readonly InputConfig[]
  /** Larger records are skipped, in bytes. */
  readonly recordBytesMax: number
  readonly settings: ShipperSettings
  readonly telemetry: ShipperTelemetry
  readonly clock: SteadyClock
  readonly output: Output
  makerFor(origin: LineOrigin): Promise<RecordMaker>
  /** Makes the current sources durable in the registry; returns when they are. */
  record(): Promise<void>
}

/** A registry entry whose file is not found is kept this long, in case its file comes back. */
const forgetAfterMs = 7 * 24 * 3_600_000

export class Tailer {
  readonly #context: TailerContext
  /** By input id and identity. */
  readonly #files = new Map<string, TrackedFile>()
  readonly #byPath = new Map<string, TrackedFile>()
  /** What the registry says of files that are not open. */
  readonly #saved = new Map<string, RegistryEntry>()
  readonly #polled = new Set<TrackedFile>()
  /** Keys of `#saved` whose file was not looked for under other names since it was last open. */
  readonly #unplaced: Set<string>
  /** By key of `#saved`: the time of change, epoch ms, at which its file was closed in this run. */
  readonly #closedMtimesMs = new Map<string, number>()
  /** Paths of files that were closed because they were idle. */
  readonly #closedPaths = new Set<string>()
  #queue: TrackedFile[] = []
  #isFirstScan = true

  constructor(context: TailerContext, saved: readonly RegistryEntry[]) {
    this.#context = context
    for (const entry of saved) this.#saved.set(fileKey(entry.input, entry.identity), entry)
    this.#unplaced = new Set(this.#saved.keys())
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0
  }

  /** Everything the registry has to say now. */
  entries(): RegistryEntry[] {
    const nowMs = this.#context.clock.now()
    for (const [key, entry] of this.#saved) {
      if (nowMs - entry.seenAtMs <= forgetAfterMs) continue
      this.#saved.delete(key)
      this.#closedMtimesMs.delete(key)
    }
    const open = [...this.#files.values()].map((file) => file.source.entry(nowMs))
    return [...this.#saved.values(), ...open]
  }

  /** A write happened at this path. Returns true when only a scan can tell what to do about it. */
  wake(path: string): boolean {
    const file = this.#byPath.get(path)
    if (file !== undefined) this.#enqueue(file)
    return file === undefined && this.#closedPaths.has(path)
  }

  /** Brings the open files in line with what a scan found. Returns false when some have to wait. */
  async apply(discovery: Discovery): Promise<boolean> {
    const fresh: TrackedFile[] = []
    let isComplete = true
    for (const [key, found] of discovery.files) {
      const file = this.#files.get(key)
      if (file !== undefined) this.#seenAgain(file, found)
      else if (!this.#isWaitingUnchanged(key, found)) {
        if (!(await this.#hasRoom())) isComplete = false
        else fresh.push(...(await this.#open(key, found, false)))
      }
    }
    for (const [key, file] of this.#files) {
      if (!discovery.files.has(key)) this.#setGone(file)
    }
    fresh.push(...(await this.#findRotated(discovery)))
    // Before a line of a new source is sent, the registry names the source: after a crash its lines
    // come again under the same source id.
    if (fresh.some(({ source }) => !source.isRecorded)) await this.#context.record()
    for (const file of fresh) {
      file.source.isRecorded = true
      this.#enqueue(file)
    }
    this.#isFirstScan = false
    await this.#closeIdle()
    return isComplete
  }

  /** Queues the files whose time to be looked at has come. Returns when the next look is, ms elapsed. */
  queueDue(): number {
    const elapsedMs = this.#context.clock.elapsed()
    let nextMs = Number.POSITIVE_INFINITY
    for (const file of this.#polled) {
      if (file.pollAtMs <= elapsedMs) this.#enqueue(file)
      else nextMs = Math.min(nextMs, file.pollAtMs)
    }
    return nextMs
  }

  /** One read of the file whose turn it is. */
  async turn(): Promise<void> {
    const file = this.#queue.shift()
    if (file === undefined) return
    file.isQueued = false
    try {
      await this.#readOnce(file)
    } catch (error) {
      this.#context.telemetry.fileUnreadable(file.source.path, error)
      this.#pollLater(file)
    }
  }

  /**
   * For a stop: reads deleted files to their end, because nobody can open them again. Gives up at
   * `untilMs` (elapsed) or when the event log has no room.
   */
  async drainDeleted(untilMs: number): Promise<void> {
    const { clock, output, settings } = this.#context
    for (const file of this.#files.values()) {
      const { nlink } = await file.handle.stat()
      let isAtEnd = nlink > 0
      while (
        !isAtEnd &&
        clock.elapsed() < untilMs &&
        output.bytesInFlight < settings.inFlightBytesMax
      ) {
        const turn = await sendTurn(file, { ...this.#context, nowMs: clock.now() })
        isAtEnd = turn.kind !== 'read' || turn.isAtEnd
      }
      if (nlink === 0 && isAtEnd) this.#flush(file)
    }
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.handle.close()
  }

  async #readOnce(file: TrackedFile): Promise<void> {
    const { settings, clock } = this.#context
    const turn = await sendTurn(file, { ...this.#context, nowMs: clock.now() })
    if (turn.kind === 'truncated') return await this.#restart(file, turn.reason)
    if (turn.kind === 'end') {
      if (file.isGone && clock.elapsed() - file.grewAtMs >= settings.releaseAfterMs) {
        return await this.#release(file)
      }
      return this.#pollLater(file)
    }
    file.grewAtMs = clock.elapsed()
    file.pollDelayMs = 0
    if (turn.isAtEnd) this.#pollLater(file)
    else this.#enqueue(file)
  }

  #enqueue(file: TrackedFile): void {
    if (file.isQueued) return
    file.isQueued = true
    this.#polled.delete(file)
    this.#queue.push(file)
  }

  /** Looks again soon after growth and ever more rarely afterwards; then scans and events suffice. */
  #pollLater(file: TrackedFile): void {
    const { settings, clock } = this.#context
    const { pollIntervalMsMin, pollIntervalMsMax } = settings
    file.pollDelayMs = Math.max(pollIntervalMsMin, file.pollDelayMs * 2)
    if (file.pollDelayMs > pollIntervalMsMax) {
      if (!file.isGone) return
      file.pollDelayMs = pollIntervalMsMax
    }
    file.pollAtMs = clock.elapsed() + file.pollDelayMs
    this.#polled.add(file)
  }

  #seenAgain(file: TrackedFile, found: FoundFile): void {
    if (file.source.path !== found.path) {
      if (this.#byPath.get(file.source.path) === file) this.#byPath.delete(file.source.path)
      file.source.path = found.path
    }
    this.#byPath.set(found.path, file)
    file.isGone = false
    const isChanged = found.size !== file.position || found.modifiedAtMs !== file.checkedMtimeMs
    if (isChanged) this.#enqueue(file)
  }

  #setGone(file: TrackedFile): void {
    if (file.isGone) return
    file.isGone = true
    file.grewAtMs = this.#context.clock.elapsed()
    if (this.#byPath.get(file.source.path) === file) this.#byPath.delete(file.source.path)
    this.#enqueue(file)
  }

  /** A closed file that has not changed since stays closed. */
  #isWaitingUnchanged(key: string, { size, modifiedAtMs }: FoundFile): boolean {
    const saved = this.#saved.get(key)
    if (saved === undefined || this.#isFirstScan) return false
    return saved.offset === size && modifiedAtMs === this.#closedMtimesMs.get(key)
  }

  async #open(key: string, found: FoundFile, isGone: boolean): Promise<TrackedFile[]> {
    const { telemetry, clock, settings } = this.#context
    const saved = this.#saved.get(key)
    try {
      const isSkippedWhenNew = this.#isSkippedWhenNew(found)
      const opened = await openFile(found, { saved, isSkippedWhenNew })
      if (opened === null) return []
      const { resumption, source, offset, handle, before } = opened
      if (isGone && resumption.kind !== 'continue') {
        await handle.close()
        return []
      }
      if (resumption.kind === 'restart') {
        telemetry.fileTruncated({ path: found.path, reason: resumption.reason })
      }
      const { input } = found
      const maker = await this.#context.makerFor(originOf(source, input))
      const lineBytesMax = input.lineBytesMax ?? settings.lineBytesMax
      const start = { handle, input, source, maker, offset, before, lineBytesMax }
      const file = new TrackedFile(start, clock.elapsed())
      file.isGone = isGone
      this.#files.set(key, file)
      this.#saved.delete(key)
      this.#closedMtimesMs.delete(key)
      this.#closedPaths.delete(found.path)
      this.#unplaced.delete(key)
      if (!isGone) this.#byPath.set(found.path, file)
      telemetry.fileOpened({ path: found.path, offset })
      telemetry.filesOpen(this.#files.size)
      return [file]
    } catch (error) {
      telemetry.fileUnreadable(found.path, error)
      return []
    }
  }

  #isSkippedWhenNew({ input, modifiedAtMs }: FoundFile): boolean {
    if (input.tailFiles && this.#isFirstScan) return true
    const ageMs = this.#context.clock.now() - modifiedAtMs
    return input.ignoreOlderMs > 0 && ageMs > input.ignoreOlderMs
  }

  /** Files that were renamed out of the paths while they were closed, with lines still unsent. */
  async #findRotated({ files }: Discovery): Promise<TrackedFile[]> {
    const missing = [...this.#saved].filter(([key]) => this.#unplaced.has(key) && !files.has(key))
    for (const [key] of missing) this.#unplaced.delete(key)
    const opened: TrackedFile[] = []
    for (const directory of new Set(missing.map(([, entry]) => dirname(entry.path)))) {
      const here = missing.filter(([, entry]) => dirname(entry.path) === directory)
      const identities = new Set(here.map(([, entry]) => entry.identity))
      const found = await findByIdentity(directory, identities)
      for (const [key, entry] of here) {
        const path = found.get(entry.identity)
        const input = this.#context.inputs.find(({ id }) => id === entry.input)
        if (path === undefined || input === undefined) continue
        const { identity } = entry
        const file = { input, path, identity, size: 0, modifiedAtMs: this.#context.clock.now() }
        opened.push(...(await this.#open(key, file, true)))
      }
    }
    return opened
  }

  /** The file was truncated or replaced in place: what it holds now is another source. */
  async #restart(file: TrackedFile, reason: string): Promise<void> {
    const { telemetry, makerFor, record } = this.#context
    const { path, identity, inputId } = file.source
    telemetry.fileTruncated({ path, reason })
    // The rest of an open line may have been there and is gone: half a line is not sent.
    if (file.hasOpenLine) telemetry.openLineLost(path)
    const source = Source.fresh({ inputId, identity, path })
    file.restart(source, await makerFor(originOf(source, file.input)))
    await record()
    source.isRecorded = true
    this.#enqueue(file)
  }

  /** Nothing will complete the last line any more: it is sent as it is. */
  #flush(file: TrackedFile): void {
    if (!file.hasOpenLine) return
    const { clock, telemetry } = this.#context
    sendOpenLine(file, { ...this.#context, nowMs: clock.now() })
    telemetry.lineWithoutNewlineSent(file.source.path)
  }

  async #hasRoom(): Promise<boolean> {
    const { openFilesMax } = this.#context.settings
    if (this.#files.size < openFilesMax) return true
    const idle = [...this.#files.values()].filter((file) => this.#isIdle(file))
    idle.sort((left, right) => left.grewAtMs - right.grewAtMs)
    // Some at once, so that a long list of files does not sort them again for every file.
    for (const file of idle.slice(0, Math.ceil(openFilesMax / 16))) await this.#closeFor(file)
    return this.#files.size < openFilesMax
  }

  async #closeIdle(): Promise<void> {
    const elapsedMs = this.#context.clock.elapsed()
    for (const file of this.#files.values()) {
      if (elapsedMs - file.grewAtMs < file.input.closeInactiveMs) continue
      if (this.#isIdle(file)) await this.#closeFor(file)
    }
  }

  /** Read to its end, acknowledged, without an open line and without a look planned. */
  #isIdle(file: TrackedFile): boolean {
    if (file.isGone || file.isQueued || file.hasOpenLine || this.#polled.has(file)) return false
    return !file.source.hasUnacknowledged && file.source.acknowledgedOffset === file.position
  }

  async #closeFor(file: TrackedFile): Promise<void> {
    this.#closedPaths.add(file.source.path)
    this.#unplaced.add(fileKey(file.source.inputId, file.source.identity))
    await this.#forget(file)
  }

  async #release(file: TrackedFile): Promise<void> {
    const { telemetry } = this.#context
    this.#flush(file)
    if (file.source.hasUnacknowledged) return this.#pollLater(file)
    await this.#forget(file)
    telemetry.fileReleased(file.source.path)
  }

  /** Closes the descriptor; the registry keeps what it knows unless the file is deleted. */
  async #forget(file: TrackedFile): Promise<void> {
    const { inputId, identity, path } = file.source
    const key = fileKey(inputId, identity)
    const { nlink } = await file.handle.stat()
    await file.handle.close()
    this.#files.delete(key)
    this.#polled.delete(file)
    if (this.#byPath.get(path) === file) this.#byPath.delete(path)
    if (nlink > 0) {
      this.#saved.set(key, file.source.entry(this.#context.clock.now()))
      this.#closedMtimesMs.set(key, file.checkedMtimeMs)
    }
    this.#context.telemetry.filesOpen(this.#files.size)
  }
}

function originOf({ identity, path, id }: Source, input: InputConfig): LineOrigin {
  const [inode = '', device = ''] = identity.split('-')
  return { input, path, sourceId: id, inode, device }
}
