/** A log file as servers keep it: appended to, renamed when it is large, the oldest ones deleted. */
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'

interface RotatingFileOptions {
  readonly directory: string
  /** `access` gives `access.log` and the rotated `access-1.log`, `access-2.log` and so on. */
  readonly stem: string
  /** Size in bytes from which the file is rotated. */
  readonly bytesMax: number
  /** How many rotated files stay. */
  readonly rotatedMax: number
}

export class RotatingFile implements AsyncDisposable {
  readonly #options: RotatingFileOptions
  #file: FileHandle
  #bytes: number
  /** Numbers of the rotated files, ascending. */
  readonly #rotated: number[]

  /** Throws DATA_DIRECTORY_UNUSABLE. */
  static async open(options: RotatingFileOptions): Promise<RotatingFile> {
    try {
      await mkdir(options.directory, { recursive: true })
      const pattern = new RegExp(`^${options.stem}-(\\d+)\\.log$`)
      const numbers = (await readdir(options.directory))
        .flatMap((name) => pattern.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b)
      return new RotatingFile(options, numbers, await openForAppend(activePath(options)))
    } catch (error) {
      throw new MillraceError(
        'DATA_DIRECTORY_UNUSABLE',
        `Log files refused: '${options.directory}' cannot be written (${error instanceof Error ? error.message : error}). Choose another directory or correct its permissions.`,
        { cause: error },
      )
    }
  }

  private constructor(
    options: RotatingFileOptions,
    rotated: number[],
    opened: { readonly file: FileHandle; readonly bytes: number },
  ) {
    this.#options = options
    this.#rotated = rotated
    this.#file = opened.file
    this.#bytes = opened.bytes
  }

  /** Appends whole lines. Rotation is between calls, so a line is never split over two files. */
  async append(block: Buffer): Promise<void> {
    if (this.#bytes >= this.#options.bytesMax) await this.#rotate()
    await this.#file.appendFile(block)
    this.#bytes += block.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  async #rotate(): Promise<void> {
    const number = (this.#rotated.at(-1) ?? 0) + 1
    await this.#file.close()
    await rename(activePath(this.#options), this.#rotatedPath(number))
    this.#rotated.push(number)
    const opened = await openForAppend(activePath(this.#options))
    this.#file = opened.file
    this.#bytes = opened.bytes
    while (this.#rotated.length > this.#options.rotatedMax) {
      const oldest = this.#rotated.shift()
      if (oldest !== undefined) await unlink(this.#rotatedPath(oldest))
    }
  }

  #rotatedPath(number: number): string {
    return join(this.#options.directory, `${this.#options.stem}-${number}.log`)
  }
}

function activePath({ directory, stem }: RotatingFileOptions): string {
  return join(directory, `${stem}.log`)
}

/** A writer that was killed may have left half a line: it is ended, so that no line is glued to it. */
async function openForAppend(path: string): Promise<{ file: FileHandle; bytes: number }> {
  const file = await open(path, 'a+')
  const { size } = await file.stat()
  if (size === 0) return { file, bytes: 0 }
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  if (buffer[0] === 0x0a) return { file, bytes: size }
  await file.appendFile('\n')
  return { file, bytes: size + 1 }
}
