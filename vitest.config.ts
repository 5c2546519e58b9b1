import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Node takes graphql's CommonJS build, Vite would take the other one, and two builds refuse each other.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['**/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    reporters: ['default', './test/left-out-reporter.ts'],
  },
})
