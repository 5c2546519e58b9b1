/** `millrace docs`: writes the generated pages. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage } from '../configuration-page.ts'

const page = join(import.meta.dirname, '../../docs/configuration.md')

export function runDocs(): void {
  writeFileSync(page, configurationPage())
  process.stdout.write('Wrote docs/configuration.md.\n')
}
