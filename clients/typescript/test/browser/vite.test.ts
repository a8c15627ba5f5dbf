/** examples/vite, built, in Chromium, with a real service at HEADWAY_URL. */

import type {Server} from 'node:http'
import {join} from 'node:path'

import {build} from 'vite'
import {expect, test} from 'vitest'

import {createSite, MODULES, ROOT, screenshot, TIMEOUT, waitForStatus} from './site.ts'

const EXAMPLE = join(ROOT, 'examples/vite')
const RUN = 'section[aria-label=Simulation]'
const PDF = 'section[aria-label=Extract]'

const site = createSite((outDir) =>
  build({root: EXAMPLE, logLevel: 'warn', resolve: {alias: MODULES}, build: {outDir, emptyOutDir: true}}),
)

async function begin(): Promise<string> {
  await site.page.getByRole('button', {name: 'Start'}).click()
  await waitForStatus(site.page, 'running', RUN)
  await site.page.getByText(/Step \d+ of 20/).waitFor()
  return new URL(site.page.url()).hash
}

test('a page that was offline reads a run to its end, and starts the next one', async () => {
  const {page, context} = site
  await begin()
  await context.setOffline(true)
  ;(site.server.httpServer as Server).closeAllConnections() // going offline does not close them
  await waitForStatus(page, 'you are offline', RUN)
  await context.setOffline(false)
  await waitForStatus(page, 'succeeded', RUN)
  await page.getByText(/^It took \d/).waitFor()
  expect(await page.getByRole('progressbar').getAttribute('value')).toBe('100')
  await page.getByRole('button', {name: 'New run'}).click()
  await begin()
})

test('a reload shows the same run: a live one, and one that is over', async () => {
  const {page} = site
  const hash = await begin()
  await page.reload()
  await waitForStatus(page, 'running', RUN)
  expect(new URL(page.url()).hash).toBe(hash)
  await page.locator(RUN).getByRole('button', {name: 'Cancel'}).click()
  await waitForStatus(page, 'cancelled', RUN)
  await page.reload()
  await waitForStatus(page, 'cancelled', RUN)
})

test('a refused start stays in sight until the next one, whose pages appear', async () => {
  const {page} = site
  const extract = page.locator(PDF).getByRole('button', {name: 'Extract'})
  await extract.click()
  const alert = page.locator(PDF).getByRole('alert')
  await expect.poll(() => alert.textContent(), {timeout: TIMEOUT}).toContain('give either a file')
  await waitForStatus(page, 'idle', PDF)
  await screenshot(page, 'example-vite-refused')
  await page.getByLabel('PDF').setInputFiles(process.env['PDF'] as string)
  expect(await alert.count()).toBe(1)
  await extract.click()
  await waitForStatus(page, 'succeeded', PDF)
  expect(await alert.count()).toBe(0)
  expect(await page.locator(`${PDF} li`).count()).toBe(3)
  await page.getByText(/^\d+ words$/).waitFor()
  await screenshot(page, 'example-vite')
})
