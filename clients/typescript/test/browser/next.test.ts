/** examples/next in Chromium, with a real service at HEADWAY_URL: its components, and in the long form its build. */

import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {cpSync, mkdtempSync, rmSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

import type {Page} from 'playwright-core'
import {describe, expect, test} from 'vitest'

import {bundlePage, createSite, LONG, ROOT, screenshot, TIMEOUT, waitForStatus} from './site.ts'

const EXAMPLE = join(ROOT, 'examples/next')
const ENTRY = `
  import {StrictMode} from 'react'
  import {createRoot} from 'react-dom/client'
  import './app/style.css'
  import {Headway} from './app/headway'
  import Page from './app/page'
  createRoot(document.getElementById('page')).render(<StrictMode><Headway><Page /></Headway></StrictMode>)
`
const site = createSite((folder) => bundlePage(folder, EXAMPLE, ENTRY))

/** Asks two questions: the first start is refused, and the second run answered. */
async function askTwice(page: Page): Promise<void> {
  const [question, ask] = [page.getByLabel('Question'), page.getByRole('button', {name: 'Ask'})]
  await question.fill('')
  await ask.click()
  await expect.poll(() => page.getByRole('alert').first().textContent(), {timeout: TIMEOUT}).toContain('prompt')
  await screenshot(page, 'example-next-refused')
  await question.fill('Why is the sea blue?')
  expect(await page.locator('section [role=alert]').count()).toBe(1)
  await ask.click()
  await waitForStatus(page, 'succeeded')
  expect(await page.locator('section [role=alert]').count()).toBe(0)
  expect((await page.getByTestId('answer').textContent())?.length).toBeGreaterThan(3)
  await screenshot(page, 'example-next')
}

test('its page shows a refused start until the next one, and an answer as it is written', async () => {
  await askTwice(site.page)
})

test('its page cancels a run', async () => {
  await site.page.getByRole('button', {name: 'Ask'}).click()
  await site.page.getByRole('button', {name: 'Cancel'}).click()
  await waitForStatus(site.page, 'cancelled')
})

describe.runIf(LONG)('built by Next.js', () => {
  test('it works likewise, and its page is rendered on the server first', {timeout: 900_000}, async () => {
    const home = mkdtempSync(join(tmpdir(), 'headway-next-'))
    let server: ChildProcess | undefined
    try {
      cpSync(EXAMPLE, home, {recursive: true, filter: (path) => !/node_modules|\.next$/.test(path)})
      const run = (command: string, ...args: string[]) => execFileSync(command, args, {cwd: home, stdio: 'pipe'})
      run('npm', 'pack', '--silent', join(ROOT, 'clients/typescript'))
      run('npm', 'install', '--no-audit', '--no-fund')
      run('npx', 'next', 'build')
      const port = await freePort()
      server = spawn('npx', ['next', 'start', '-H', '127.0.0.1', '-p', String(port)], {cwd: home, detached: true})
      const url = `http://127.0.0.1:${port}`
      await expect
        .poll(
          () =>
            fetch(url).then(
              ({status}) => status,
              () => 0,
            ),
          {timeout: TIMEOUT},
        )
        .toBe(200)
      expect(await (await fetch(url)).text()).toContain('Why is the sea blue?')
      await site.page.goto(url)
      await askTwice(site.page)
    } finally {
      if (server?.pid) process.kill(-server.pid)
      rmSync(home, {recursive: true, force: true})
    }
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const {port} = server.address() as {port: number}
      server.close(() => resolve(port))
    })
  })
}
