/** One measured process: loads the side named on the command line, runs it, reports its usage. */
const [name] = process.argv.slice(2)

process.once('message', async (message) => {
  const { input } = message as { input: unknown }
  const side = (await import(`./sides/${name}.ts`)) as { run: (input: unknown) => Promise<object> }
  const startMs = performance.now()
  const outcome = await side.run(input)
  const { user, system } = process.cpuUsage()
  process.send?.(
    {
      wallSeconds: (performance.now() - startMs) / 1_000,
      cpuSeconds: (user + system) / 1e6,
      rssBytesMax: process.resourceUsage().maxRSS * 1_024,
      ...outcome,
    },
    () => process.exit(0),
  )
})
