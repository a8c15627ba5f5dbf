/** One Chromium for the tests of this folder, each of which connects to it. */

import {chromium} from 'playwright-core'
import type {TestProject} from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The address of the browser. */
    browser: string
  }
}

const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage']
const QUIETER = ['--disable-background-networking', '--disable-component-update', '--disable-sync']

export default async function setup({provide}: TestProject): Promise<() => Promise<void>> {
  const executablePath = process.env['CHROMIUM'] as string
  const server = await chromium.launchServer({executablePath, args: [...QUIET, ...QUIETER]})
  provide('browser', server.wsEndpoint())
  return () => server.close()
}
