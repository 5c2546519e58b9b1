import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Node takes graphql's CommonJS build, Vite would take the other one, and two builds refuse each other.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['**/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // The seam test runs for a minute on its own; beside it there is room for the others, on two cores too.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: ['default', './test/left-out-reporter.ts'],
  },
})
