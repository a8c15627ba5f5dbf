/** examples/react, built, in Chromium, with a real service at HEADWAY_URL whose runs linger. */

import {mkdtempSync, rmSync} from 'node:fs'
import type {Server} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {type Browser, type BrowserContext, chromium, type Page} from 'playwright-core'
import {build, type PreviewServer, preview} from 'vite'
import {afterAll, afterEach, beforeAll, beforeEach, expect, test} from 'vitest'

const ROOT = fileURLToPath(new URL('../../../../examples/react', import.meta.url))
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage']
const QUIETER = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
const TIMEOUT = 20_000

let folder = ''
let site: PreviewServer
let browser: Browser
let context: BrowserContext
let page: Page
let errors: string[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headway-example-'))
  const config = {root: ROOT, logLevel: 'warn', build: {outDir: folder, emptyOutDir: true}} as const
  await build(config)
  site = await preview({...config, preview: {host: '127.0.0.1', port: 0}})
  browser = await chromium.launch({executablePath: process.env['CHROMIUM'] as string, args: [...QUIET, ...QUIETER]})
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await site?.close()
  rmSync(folder, {recursive: true, force: true})
})

beforeEach(async () => {
  errors = []
  context = await browser.newContext()
  page = await context.newPage()
  page.setDefaultTimeout(TIMEOUT)
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(site.resolvedUrls?.local[0] as string)
})

afterEach(async () => {
  await context.close()
  expect(errors).toEqual([])
})

async function waitForStatus(text: string): Promise<void> {
  await expect.poll(() => page.getByRole('status').textContent(), {timeout: TIMEOUT}).toContain(text)
}

async function begin(): Promise<string> {
  await page.getByRole('button', {name: 'Start'}).click()
  await waitForStatus('running')
  await page.getByText(/Step \d+ of 20/).waitFor()
  return new URL(page.url()).hash
}

test('a page that was offline reads a run to its end', async () => {
  await begin()
  await context.setOffline(true)
  ;(site.httpServer as Server).closeAllConnections() // going offline does not close them
  await waitForStatus('you are offline')
  await context.setOffline(false)
  await waitForStatus('succeeded')
  await page.getByText(/^It took \d/).waitFor()
  expect(await page.getByRole('progressbar').getAttribute('value')).toBe('100')
})

test('a reload shows the same run: a live one, and one that is over', async () => {
  const hash = await begin()
  await page.reload()
  await waitForStatus('running')
  expect(new URL(page.url()).hash).toBe(hash)
  await page.getByRole('button', {name: 'Cancel'}).click()
  await waitForStatus('cancelled')
  await page.reload()
  await waitForStatus('cancelled')
})
