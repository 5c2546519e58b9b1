/**
 * Strategy: a random interleaving of what happens to a log file and to the shipper runs against a real
 * file and a real shipper; a model knows every line that was completed and whether the shipper had a
 * fair chance to read it (it had opened the content, and the content was not destroyed unread).
 *
 * Invariants: every such line arrives; nothing arrives that was never a line, except the open last line
 * of a content that was rotated or deleted; without a crash nothing arrives twice; with one, what arrives twice carries
 * the same source and offset; the lines of one content arrive in order.
 */
import { appendFile, copyFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MillraceError } from '../../core/errors.ts'
import { type ShipperHandle, type ShipRoom, shipRoom, until } from './harness.ts'

type Action =
  | { readonly kind: 'write'; readonly lines: readonly string[]; readonly cut: number }
  | { readonly kind: 'partial'; readonly text: string }
  | { readonly kind: 'rotate'; readonly isMatching: boolean; readonly isRecreated: boolean }
  | { readonly kind: 'delete' | 'truncate' | 'copytruncate' | 'rewrite' }
  | { readonly kind: 'sync' | 'crash' | 'pause' | 'resume' }

/** One content of the file under its current name, from creation to truncation or loss. */
interface Content {
  /** Complete lines, in order. */
  readonly lines: string[]
  /** What stands after the last newline. */
  open: string
  /** Only the shipper's descriptor keeps it. */
  isDeleted: boolean
}

class Model {
  readonly room: ShipRoom
  readonly required = new Set<string>()
  readonly allowed = new Set<string>()
  readonly fragments: string[] = []
  readonly contents: Content[] = []
  content: Content | null = null
  shipper: ShipperHandle | null
  crashes = 0
  /** Records that arrived before this shipper was started. */
  #arrivedBefore = 0
  #sequence = 0
  #rotations = 0

  constructor(room: ShipRoom) {
    this.room = room
    this.shipper = start(room)
  }

  #start(): void {
    this.#arrivedBefore = this.room.log.records.length
    this.shipper = start(this.room)
  }

  get #path(): string {
    return this.room.path('app.log')
  }

  arrived(): Set<string> {
    return new Set(this.room.log.lines())
  }

  async apply(action: Action): Promise<void> {
    switch (action.kind) {
      case 'write':
        return await this.#write(action.lines, action.cut)
      case 'partial':
        return await this.#append(this.#named(action.text), '')
      case 'rotate':
        return await this.#rotate(action)
      case 'delete':
        if (this.content !== null) this.content.isDeleted = true
        await this.#end({ survives: (await this.#noticed()) && this.#isOpened() })
        return await rm(this.#path, { force: true })
      case 'truncate':
      case 'copytruncate':
      case 'rewrite':
        return await this.#destroy(action.kind)
      case 'sync':
        return await this.sync()
      case 'crash':
        return await this.#crash()
      case 'pause':
        await this.shipper?.stop()
        this.shipper = null
        return
      case 'resume':
        if (this.shipper === null) this.#start()
        return
      default:
        return action satisfies never
    }
  }

  async sync(): Promise<void> {
    if (this.shipper === null) return
    const missing = () => [...this.required].filter((line) => !this.arrived().has(line))
    await until(() => missing().length === 0, missing, 5000)
  }

  #named(text: string): string {
    this.#sequence += 1
    return `${this.#sequence}:${text}`
  }

  async #write(texts: readonly string[], cut: number): Promise<void> {
    const whole = texts.map((text) => `${this.#named(text)}\n`).join('')
    const bytes = Buffer.from(whole)
    const at = Math.min(cut, bytes.length)
    // The cut may fall inside a character: the reader sees half of it until the rest follows.
    await appendFile(this.#path, bytes.subarray(0, at))
    await appendFile(this.#path, bytes.subarray(at))
    this.#wrote(whole)
  }

  async #append(text: string, end: string): Promise<void> {
    await appendFile(this.#path, text + end)
    this.#wrote(text + end)
  }

  #wrote(text: string): void {
    this.content ??= this.#begin()
    const lines = (this.content.open + text).split('\n')
    this.content.open = lines.pop() ?? ''
    for (const line of lines) {
      this.content.lines.push(line)
      this.required.add(line)
      this.allowed.add(line)
    }
  }

  #begin(): Content {
    const content = { lines: [], open: '', isDeleted: false }
    this.contents.push(content)
    return content
  }

  /** The shipper has the content open: a line of it has arrived. */
  async #noticed(): Promise<boolean> {
    const first = this.content?.lines[0]
    if (first === undefined) return false
    if (this.shipper !== null)
      await until(
        () => this.arrived().has(first),
        () => first,
      )
    return this.arrived().has(first)
  }

  /** This very shipper has it open, and not only one before it: a line has arrived since it was started. */
  #isOpened(): boolean {
    const since = new Set(this.room.log.lines().slice(this.#arrivedBefore))
    return this.shipper !== null && this.content?.lines.some((line) => since.has(line)) === true
  }

  /** The content gets no more lines. If it does not survive, what has not arrived may be lost. */
  async #end({ survives }: { readonly survives: boolean }): Promise<void> {
    if (this.content === null) return
    if (this.content.open !== '') this.fragments.push(this.content.open)
    if (!survives) for (const line of this.content.lines) this.required.delete(line)
    this.content = null
  }

  async #rotate({ isMatching, isRecreated }: Extract<Action, { kind: 'rotate' }>): Promise<void> {
    if (this.content === null) return
    const isNoticed = await this.#noticed()
    await this.#end({ survives: isNoticed || isMatching })
    this.#rotations += 1
    const name = isMatching ? `app-${this.#rotations}.log` : `app.log.${this.#rotations}`
    await rename(this.#path, this.room.path(name))
    if (isRecreated) await writeFile(this.#path, '')
  }

  async #destroy(kind: 'truncate' | 'copytruncate' | 'rewrite'): Promise<void> {
    if (this.content === null) return
    if (kind === 'copytruncate') await copyFile(this.#path, this.room.path('copy'))
    this.content.open = ''
    await this.#end({ survives: false })
    if (kind !== 'rewrite') return await truncate(this.#path, 0)
    const replacement = `${this.#named('x'.repeat(300))}\n`
    await writeFile(this.#path, replacement)
    this.#wrote(replacement)
  }

  /** Everything was sent that was sent, but the registry is as old as it was. */
  async #crash(): Promise<void> {
    const { registryPath, log } = this.room
    // From here on nothing is sent, so what is read of the registry is as of the crash or newer.
    log.beforeAppend = async () => {
      throw new MillraceError('EVENT_LOG_UNAVAILABLE', 'The shipper is dead.')
    }
    const before = await readFile(registryPath).catch(() => null)
    this.crashes += 1
    for (const { lines, isDeleted } of this.contents) {
      if (isDeleted) for (const line of lines) this.required.delete(line)
    }
    await this.shipper?.stop()
    log.beforeAppend = async () => {}
    if (before === null) await rm(registryPath, { force: true })
    else await writeFile(registryPath, before)
    this.#start()
  }
}

function start(room: ShipRoom): ShipperHandle {
  return room.start({ settings: { stopGraceMs: 20, retryDelayMsMin: 5, registryFlushMs: 10 } })
}

const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '€', '😀', ' ', '"'), maxLength: 12 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      lines: fc.array(text, { minLength: 1, maxLength: 6 }),
      cut: fc.nat(60),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('partial' as const), text }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('rotate' as const),
      isMatching: fc.boolean(),
      isRecreated: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'delete' as const,
        'truncate' as const,
        'copytruncate' as const,
        'rewrite' as const,
        'sync' as const,
        'sync' as const,
        'crash' as const,
        'pause' as const,
        'resume' as const,
      ),
    }),
  },
)

function checkArrived(model: Model): void {
  const { records } = model.room.log
  const isFragment = (line: string) => model.fragments.some((open) => open.startsWith(line))
  const places = new Map<string, string>()
  for (const { value, headers } of records) {
    const line = value.toString('utf8')
    if (!model.allowed.has(line)) {
      const known = isFragment(line.replace(/\ufffd+$/, ''))
      expect(known, `arrived and was never written: ${JSON.stringify(line)}`).toBe(true)
      continue
    }
    const place = `${headers?.['source.id']} ${headers?.['source.offset']}`
    const earlier = places.get(line)
    if (earlier !== undefined) {
      expect(model.crashes, `twice without a crash: ${line}`).toBeGreaterThan(0)
      expect(place, `the same line from another source: ${line}`).toBe(earlier)
    }
    places.set(line, place)
  }
  for (const { lines } of model.contents) {
    const arrivals = [...new Set(model.room.log.lines())].filter((line) => lines.includes(line))
    expect(arrivals).toEqual(lines.filter((line) => arrivals.includes(line)))
  }
}

test('whatever happens to a file, its lines arrive whole, in order, and once unless it crashed', async () => {
  const run = fc.asyncProperty(fc.array(action, { maxLength: 24 }), async (actions) => {
    await using room = await shipRoom()
    const model = new Model(room)
    for (const one of actions) await model.apply(one)
    await model.apply({ kind: 'resume' })
    await model.sync()
    await model.shipper?.stop()
    checkArrived(model)
  })
  await fc.assert(run, {
    numRuns: Number(process.env['TAIL_MODEL_RUNS'] ?? 220),
    endOnFailure: true,
  })
}, 120_000)
