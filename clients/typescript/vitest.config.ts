import {fileURLToPath} from 'node:url'

import {defineConfig} from 'vitest/config'

const react18 = fileURLToPath(new URL('../../tests/react-18/node_modules/', import.meta.url))

/** What the page at the root shows, as functions over values; the page itself is driven in Chromium. */
const console = fileURLToPath(new URL('../../console/src', import.meta.url))

// The hook is tested with both versions of React that it supports: each project has its own `react`.
const hook = ['test/react/**/*.test.tsx']

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 1, // other tests run on the same machine
    projects: [
      {extends: true, test: {name: 'client', include: ['test/*.test.ts']}},
      {extends: true, test: {name: 'console', dir: console, include: ['**/*.test.{ts,tsx}']}},
      {extends: true, test: {name: 'live', include: ['test/live/*.test.ts']}},
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/*.test.ts'],
          globalSetup: 'test/browser/chromium.ts',
          isolate: false, // Vite and Playwright are imported once
          testTimeout: 120_000,
        },
      },
      {extends: true, test: {name: 'react-19', include: hook, environment: 'happy-dom', env: {REACT: '19'}}},
      {
        extends: true,
        resolve: {alias: [{find: /^(react|react-dom)(\/.*)?$/, replacement: `${react18}$1$2`}]},
        test: {name: 'react-18', include: hook, environment: 'happy-dom', env: {REACT: '18'}},
      },
    ],
  },
})
