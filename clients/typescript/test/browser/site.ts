/** A page in Chromium, of a site that passes requests on to a service: that at HEADWAY_URL unless told otherwise. */

import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

import {build as bundle} from 'esbuild'
import {type Browser, type BrowserContext, chromium, type Page} from 'playwright-core'
import {type PreviewServer, preview} from 'vite'
import {afterAll, afterEach, beforeAll, beforeEach, expect, inject} from 'vitest'

export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
export const LONG = process.env['LONG'] === '1'
export const TIMEOUT = 40_000

/** The modules of this package, from their sources. */
export const MODULES = Object.fromEntries(
  ['react', 'upload'].map((name) => [`@headway/client/${name}`, join(ROOT, `clients/typescript/src/${name}.ts`)]),
)

export interface Site {
  /** A folder for what is built. */
  readonly folder: string
  readonly page: Page
  readonly context: BrowserContext
  readonly server: PreviewServer
}

/** A site with a new page for each test of a file; `build` fills its folder. No test may leave an error in its page. */
export function createSite(build: (folder: string) => Promise<unknown>, service = process.env['HEADWAY_URL']): Site {
  const site = {folder: ''} as {-readonly [Name in keyof Site]: Site[Name]}
  let browser: Browser
  let errors: string[] = []

  beforeAll(async () => {
    site.folder = mkdtempSync(join(tmpdir(), 'headway-site-'))
    await build(site.folder)
    const proxy = {'/operations': service, '/runs': service} as Record<string, string>
    const at = {host: '127.0.0.1', port: 0, proxy}
    site.server = await preview({configFile: false, build: {outDir: site.folder}, preview: at, logLevel: 'warn'})
    browser = await chromium.connect(inject('browser'))
  }, 120_000)

  afterAll(async () => {
    await browser?.close()
    await site.server?.close()
    rmSync(site.folder, {recursive: true, force: true})
  })

  beforeEach(async () => {
    errors = []
    site.context = await browser.newContext({viewport: {width: 800, height: 720}})
    site.page = await site.context.newPage()
    site.page.setDefaultTimeout(TIMEOUT)
    site.page.on('pageerror', (error) => errors.push(String(error)))
    await site.page.goto(site.server.resolvedUrls?.local[0] as string)
  })

  afterEach(async () => {
    await site.context.close()
    expect(errors).toEqual([])
  })

  return site
}

/** Bundles a page from its entry, the text of a module in `folder`. */
export async function bundlePage(to: string, folder: string, entry: string): Promise<void> {
  const stdin = {contents: entry, resolveDir: folder, loader: 'tsx'} as const
  const outfile = join(to, 'page.js')
  await bundle({
    stdin,
    outfile,
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    alias: MODULES,
    logLevel: 'warning',
  })
  const style = existsSync(join(to, 'page.css')) ? '<link rel="stylesheet" href="/page.css">' : ''
  const body = '<div id="page"></div><script type="module" src="/page.js"></script>'
  writeFileSync(join(to, 'index.html'), `<!doctype html>${style}${body}`)
}

/** Waits until the status that a page shows has this text. */
export async function waitForStatus(page: Page, text: string, section = 'body'): Promise<void> {
  const status = page.locator(`${section} [role=status]`).first()
  await expect.poll(() => status.textContent(), {timeout: TIMEOUT}).toContain(text)
}

/** Keeps a picture of a page in the folder SCREENSHOTS, if it is set. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS']
  if (folder) await page.screenshot({path: join(folder, `${name}.png`)})
}
