/** The commands and their options. What a command does is loaded when it is called: `sql` starts fast. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { answerFormats } from './format-answer.ts'

const configOption = () =>
  new Option('--config <file>', 'settings file').default(undefined, 'millrace.yml if there is one')
const pipelinesOption = () =>
  new Option('--pipelines <names>', 'only these, e.g. http_logs,access_log')
const urlOption = () => new Option('--url <url>', 'server to ask').default(undefined, 'by settings')

export function createProgram(): Command {
  const program = new Command('millrace')
    .description('A Lambda architecture with one definition per view and an exact seam.')
    .version('0.1.0')
    .showSuggestionAfterError()
  addLayers(program)
  addBatch(program)
  addQuestions(program)
  addTools(program)
  return program
}

function addLayers(program: Command): void {
  program
    .command('up')
    .description('run all layers in this process')
    .option('--demo', 'write generated traffic to <data>/logs and ship it')
    .addOption(pipelinesOption())
    .addOption(configOption())
    .action(async (options) => (await import('./commands/up.ts')).runUp(options))
  program
    .command('ship')
    .description('tail log files into the event log, as a filebeat.yml says')
    .requiredOption('-c, --filebeat <file>', "Filebeat's configuration file")
    .addOption(configOption())
    .action(async (options) => (await import('./commands/ship.ts')).runShip(options))
  program
    .command('speed')
    .description('run the speed layer: from the event log to hot rows and lake tables')
    .addOption(pipelinesOption())
    .addOption(configOption())
    .action(async (options) => (await import('./commands/speed.ts')).runSpeed(options))
  program
    .command('serve')
    .description('run the serving layer: GraphQL, health, metrics')
    .addOption(pipelinesOption())
    .addOption(configOption())
    .action(async (options) => (await import('./commands/serve.ts')).runServe(options))
}

function addBatch(program: Command): void {
  const batch = program.command('batch').description('recompute and publish views')
  const command = (name: string, description: string) =>
    batch.command(name).description(description).addOption(configOption())
  command('run', 'run one batch')
    .option('--pipeline <name>', 'only this pipeline')
    .option('--view <name>', 'only this view')
    .option('--full', 'recompute from all rows and compare with what is published')
    .action(async (options) => (await import('./commands/batch.ts')).runBatchOnce(options))
  command('schedule', 'run a batch at each interval until stopped')
    .addOption(pipelinesOption())
    .action(async (options) => (await import('./commands/batch.ts')).runBatchSchedule(options))
  command('rebuild', 'compute the rows again from raw, then every view from all rows')
    .option('--pipeline <name>', 'only this pipeline')
    .addOption(pipelinesOption())
    .option('--views', 'only the views, from the rows as they are')
    .option('--view <name>', 'only this view, from the rows as they are')
    .action(async (options) => {
      const isViewsOnly = options.views === true || options.view !== undefined
      if (!isViewsOnly) return await (await import('./commands/rebuild.ts')).runRebuild(options)
      await (await import('./commands/batch.ts')).runBatchOnce({ ...options, full: true })
    })
}

function addQuestions(program: Command): void {
  program
    .command('sql')
    .description('ask a running server; a prompt without -e')
    .option('-e, --execute <query>', 'answer this query and end')
    .addOption(
      new Option('--mode <mode>', 'what table names without a database mean')
        .choices(['merged', 'batch', 'realtime'])
        .default('merged'),
    )
    .addOption(
      new Option('--format <format>', 'how answers are printed')
        .choices([...answerFormats])
        .default('table'),
    )
    .option('--limit <rows>', 'rows answered at most', wholeNumber)
    .addOption(urlOption())
    .addOption(configOption())
    .action(async (options) => (await import('./commands/sql.ts')).runSql(options))
  program
    .command('status')
    .description('how the pipelines of a running server are doing')
    .option('--json', 'print one JSON object')
    .addOption(urlOption())
    .addOption(configOption())
    .action(async (options) => (await import('./commands/status.ts')).runStatus(options))
}

function addTools(program: Command): void {
  program
    .command('produce')
    .description('write generated traffic for a pipeline')
    .argument('<pipeline>', 'e.g. http_logs')
    .option('--rate <events>', 'events per second; 0 as fast as possible', wholeNumber, 150)
    .option('--count <events>', 'end after so many', wholeNumber)
    .option('--seed <number>', 'the same seed gives the same events', wholeNumber, 1)
    .option('--late <share>', 'share of events that come minutes to hours late', share, 0)
    .option('--malformed <share>', 'share of lines that are spoiled', share, 0)
    .option('--burst <factor>', 'five seconds of every minute at this many times the rate', factor)
    .addOption(new Option('--to <place>', 'where to').choices(['log', 'files']).default('log'))
    .option('--dir <directory>', 'folder for --to files; <data>/logs when absent')
    .addOption(configOption())
    .action(async (pipeline, options) =>
      (await import('./commands/produce.ts')).runProduceCommand(pipeline, options),
    )
  program
    .command('doctor')
    .description('check settings, pipelines, views, the data directory and ports')
    .option('--explain <view>', "print a view's compiled SQL")
    .addOption(configOption())
    .action(async (options) => (await import('./commands/doctor.ts')).runDoctor(options))
  program
    .command('docs')
    .description('write docs/configuration.md from the settings')
    .action(async () => (await import('./commands/docs.ts')).runDocs())
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('Expected a whole number from 0.')
  }
  return value
}

function factor(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1000)) {
    throw new InvalidArgumentError('Expected a number above 0, at most 1000.')
  }
  return value
}

function share(text: string): number {
  const value = Number(text)
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('Expected a number from 0 to 1.')
  return value
}
