/** `npm run bench -- <name>`: one benchmark of this folder, or the list of them. */
const names = ['pipeline', 'freshness', 'query', 'event-log', 'shipper'] as const

const [name] = process.argv.slice(2)
if (name === undefined || !(names as readonly string[]).includes(name)) {
  console.log(`npm run bench -- ${names.join(' | ')}`)
  process.exitCode = name === undefined ? 0 : 1
} else {
  const { run } = (await import(`./${name}.ts`)) as { run: () => Promise<void> }
  await run()
}
