/** One closing line that says how many tests did not run here and how to get them. */
import type { Reporter, TestModule } from 'vitest/node'

export default class LeftOutReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    let count = 0
    const places = new Set<string>()
    for (const module of modules) {
      // A file that failed to start skips its tests too: that is a failure, and reported as one.
      if (module.state() === 'failed') continue
      for (const test of module.children.allTests('skipped')) {
        count += 1
        places.add(test.module.relativeModuleId)
      }
    }
    if (count === 0) return
    process.stdout.write(
      `Left out: ${count} tests that need programs which are not here (${[...places].join(', ')}). test/services/python-venv.sh brings them; MILLRACE_REQUIRE_SERVICES=1 makes their absence a failure.\n`,
    )
  }
}
