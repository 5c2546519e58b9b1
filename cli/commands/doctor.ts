/** `millrace doctor`: checks everything that can be checked before data moves, and says what is wrong. */
import { access, constants, mkdir, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { MillraceError } from '../../core/errors.ts'
import type { LoadedPipeline } from '../../core/pipeline.ts'
import type { CompiledView } from '../../core/views/compiled-view.ts'
import { explainView, loadPipelines } from '../../stores/pipelines.ts'
import { dataPlaces } from '../data-places.ts'
import { readSettings, type Settings } from '../settings.ts'

export interface DoctorOptions {
  readonly explain?: string
  readonly config?: string
}

type Finding = { readonly isFine: boolean; readonly text: string }

export async function runDoctor(options: DoctorOptions): Promise<void> {
  if (options.explain !== undefined) {
    await explain(options.explain, options.config)
    return
  }
  const settings = await finding(() => readSettings(options.config))
  const findings: Finding[] = [
    nodeFinding(),
    settings.value === null
      ? settings
      : { isFine: true, text: `Settings: ${options.config ?? 'millrace.yml or defaults'}` },
  ]
  if (settings.value !== null) {
    findings.push(
      await pipelinesFinding(settings.value),
      await dataFinding(settings.value),
      await portFinding(settings.value),
    )
  }
  for (const { isFine, text } of findings) {
    process.stdout.write(`${isFine ? '✓' : '✗'} ${text}\n`)
  }
  if (findings.some(({ isFine }) => !isFine)) process.exitCode = 1
}

async function finding<T>(
  work: () => T | Promise<T>,
): Promise<Finding & { readonly value: T | null }> {
  try {
    return { isFine: true, text: '', value: await work() }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    return { isFine: false, text: `${error.message} (${error.code})`, value: null }
  }
}

function nodeFinding(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number)
  const isFine = major >= 24
  const remedy = isFine ? '' : ": too old, use 'npm run millrace' or Node 24"
  return { isFine, text: `Node ${process.versions.node}${remedy}` }
}

async function pipelinesFinding(settings: Settings): Promise<Finding> {
  const loaded = await finding(() => loadPipelines(settings.pipelinesDirectory))
  if (loaded.value === null) return loaded
  const names = loaded.value.map(
    ({ pipeline, views }) => `${pipeline.name} (${views.map(({ name }) => name).join(', ')})`,
  )
  return { isFine: true, text: `Pipelines: ${names.join('; ')}` }
}

async function dataFinding({ dataDirectory }: Settings): Promise<Finding> {
  const { root } = dataPlaces(dataDirectory)
  try {
    await mkdir(root, { recursive: true })
    await access(root, constants.W_OK)
    const { bavail, bsize } = await statfs(root)
    const gibibytes = (Number(bavail) * Number(bsize)) / 1024 ** 3
    return { isFine: true, text: `Data directory: ${root}, ${gibibytes.toFixed(1)} GiB free` }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    return {
      isFine: false,
      text: `Data directory '${root}' cannot be written (${reason}). Make it writable or set MILLRACE_DATA. (DATA_DIRECTORY_UNUSABLE)`,
    }
  }
}

/** A port in use is no fault when it is our own server that uses it. */
async function portFinding({ http }: Settings): Promise<Finding> {
  const place = `${http.host}:${http.port}`
  const problem = await listenProblem(http.host, http.port)
  if (problem === null) return { isFine: true, text: `Port: ${place} is free` }
  if (problem === 'EADDRINUSE' && (await isOurs(`http://${place}/healthz`))) {
    return { isFine: true, text: `Port: a millrace server answers at ${place}` }
  }
  return {
    isFine: false,
    text: `Port ${place} cannot be used (${problem}). Stop what uses it, or set MILLRACE_HTTP_PORT. (PORT_IN_USE)`,
  }
}

function listenProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen(port, host, () => server.close(() => resolve(null)))
  })
}

const answerWaitMs = 2000

async function isOurs(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(answerWaitMs) })).ok
  } catch {
    return false
  }
}

/** Prints what the compiler made of a view, ready to be run against the curated table. */
async function explain(view: string, config: string | undefined): Promise<void> {
  const pipelines = await loadPipelines(readSettings(config).pipelinesDirectory)
  const found = findView(pipelines, view)
  if (found === null) {
    const known = pipelines.flatMap(({ views }) => views.map(({ name }) => name)).join(', ')
    throw new MillraceError('OBJECT_UNKNOWN', `There is no view '${view}'. There are: ${known}.`)
  }
  const { partial, merge, finalize } = explainView(found.view, found.table)
  const columns = found.view.columns.map(({ name, type }) => `${name} ${type}`).join(', ')
  const sections = [
    [`-- ${view}: ${columns}`, ...reasons(found.view).map((line) => `-- ${line}`)].join('\n'),
    `-- partial: rows to partials\n${partial};`,
    `-- merge: partials of any split to one\n${merge};`,
    `-- finalize: merged partials to the view's rows\n${finalize};`,
  ]
  process.stdout.write(`${sections.join('\n\n')}\n`)
}

/** Why the SQL is what it is: each aggregate, what it promises and what it keeps, then the rest. */
function reasons({ explanation }: CompiledView): readonly string[] {
  if (explanation === undefined) return []
  const { aggregates, notes } = explanation
  return [
    ...aggregates.map(({ sql, accuracy, states }) => `${sql}: ${accuracy}. Kept: ${states}.`),
    ...notes,
  ]
}

function findView(pipelines: readonly LoadedPipeline[], name: string) {
  for (const { pipeline, views } of pipelines) {
    const view = views.find((one) => one.name === name || `${pipeline.name}.${one.name}` === name)
    if (view !== undefined) return { view, table: pipeline.table }
  }
  return null
}
