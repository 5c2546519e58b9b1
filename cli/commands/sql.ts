/** `millrace sql`: one query, or a prompt. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline/promises'
import { type Answer, type AnswerFormat, formatAnswer } from '../format-answer.ts'
import { askServer, serverUrl } from '../graphql-client.ts'
import { reportError } from '../report-error.ts'
import { readSettings } from '../settings.ts'

export interface SqlOptions {
  readonly execute?: string
  readonly mode: string
  readonly format: AnswerFormat
  readonly limit?: number
  readonly url?: string
  readonly config?: string
}

const query = `query ($statement: String!, $limit: Int, $mode: Mode) {
  sql(statement: $statement, limit: $limit, mode: $mode) {
    columns { name type } rows isTruncated
    coverage { pipeline mode view batch lake realtime freshnessMs batchAgeMs }
  }
}`

export async function runSql(options: SqlOptions): Promise<void> {
  const url = options.url ?? serverUrl(readSettings(options.config))
  if (options.execute !== undefined) {
    const answer = await ask(url, options.execute, options)
    process.stdout.write(`${formatAnswer(answer, options.format)}\n`)
    return
  }
  await runPrompt(url, options)
}

async function ask(
  url: string,
  statement: string,
  { mode, limit, signal }: Pick<SqlOptions, 'mode' | 'limit'> & { readonly signal?: AbortSignal },
): Promise<Answer> {
  const variables = { statement, mode, ...(limit === undefined ? {} : { limit }) }
  const options = { variables, ...(signal === undefined ? {} : { signal }) }
  return (await askServer<{ readonly sql: Answer }>(url, query, options)).sql
}

const historyLinesMax = 500

async function runPrompt(url: string, options: SqlOptions): Promise<void> {
  const historyFile = join(homedir(), '.millrace_history')
  const isTerminal = process.stdin.isTTY === true
  if (isTerminal) {
    await askServer(url, '{ __typename }')
    process.stdout.write(`Connected to ${url}. End a query with ';'. Ctrl-D ends.\n`)
  }
  const prompt = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: isTerminal,
    history: readHistory(historyFile),
    historySize: historyLinesMax,
    removeHistoryDuplicates: true,
  })
  // `history` is a documented event; the types do not know it yet.
  ;(prompt as NodeJS.EventEmitter).on('history', (lines: string[]) =>
    writeHistory(historyFile, lines),
  )
  await answerEach(prompt, (statement) => answerOne(url, statement, options), isTerminal)
}

/** Gathers lines up to a `;` and answers each statement; ends with the input. */
async function answerEach(
  prompt: Interface,
  answer: (statement: string) => Promise<void>,
  isTerminal: boolean,
): Promise<void> {
  let pending = ''
  const showPrompt = () => {
    if (!isTerminal) return
    prompt.setPrompt(pending === '' ? 'millrace> ' : '       -> ')
    prompt.prompt()
  }
  prompt.on('SIGINT', () => {
    if (pending === '' && prompt.line === '') prompt.close()
    pending = ''
    if (isTerminal) process.stdout.write('\n')
    showPrompt()
  })
  showPrompt()
  for await (const line of prompt) {
    pending = pending === '' ? line : `${pending}\n${line}`
    if (/^\s*(exit|quit)\s*;?\s*$/i.test(pending)) return prompt.close()
    if (/;\s*$/.test(pending)) {
      const statement = pending
      pending = ''
      await answer(statement)
    }
    if (pending.trim() === '') pending = ''
    showPrompt()
  }
  if (pending.trim() !== '') await answer(pending)
}

async function answerOne(url: string, statement: string, options: SqlOptions): Promise<void> {
  if (/^\s*;?\s*$/.test(statement)) return
  const startMs = performance.now()
  try {
    const answer = await ask(url, statement, options)
    const took = process.stdin.isTTY ? ` · ${Math.round(performance.now() - startMs)} ms` : ''
    process.stdout.write(`${formatAnswer(answer, options.format)}${took}\n`)
  } catch (error) {
    // At a prompt the next query may be better; in a script the exit code must tell.
    process.exitCode = process.stdin.isTTY ? 0 : reportError(error)
    if (process.stdin.isTTY) reportError(error)
  }
}

function readHistory(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

function writeHistory(file: string, lines: readonly string[]): void {
  try {
    writeFileSync(file, lines.join('\n'), { mode: 0o600 })
  } catch {
    // Without a writable home there is no history, which is no reason to stop.
  }
}
