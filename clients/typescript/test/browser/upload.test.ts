/** `@headway/client/upload` in Chromium, with a real service at HEADWAY_URL: its browser's own XMLHttpRequest. */

import {readFileSync} from 'node:fs'
import {join} from 'node:path'

import {beforeEach, expect, test} from 'vitest'

import type {createClient} from '../../src/client.ts'
import type {Upload, uploadFetch} from '../../src/upload.ts'
import {bundlePage, createSite, ROOT} from './site.ts'

interface Library {
  createClient: typeof createClient
  uploadFetch: typeof uploadFetch
}

declare global {
  var headway: Library
}

const ENTRY = `
  import {createClient} from './src/client.ts'
  import {uploadFetch} from './src/upload.ts'
  globalThis.headway = {createClient, uploadFetch}
`
const MEGABYTE = 1 << 20
const site = createSite((folder) => bundlePage(folder, `${ROOT}/clients/typescript`, ENTRY))

// In the service's own origin: a proxy in between may answer for it.
beforeEach(async () => {
  await site.page.goto(`${process.env['HEADWAY_URL']}/operations`)
  await site.page.evaluate(readFileSync(join(site.folder, 'page.js'), 'utf8'))
})

/** What an upload of so many bytes comes to in a page that sends 4 MB a second. */
async function upload(bytes: number, input: object = {}, cancelAt = Number.POSITIVE_INFINITY) {
  const session = await site.context.newCDPSession(site.page)
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 4 * MEGABYTE,
  })
  return site.page.evaluate(
    async ({bytes, input, cancelAt}) => {
      const {createClient, uploadFetch} = globalThis.headway
      const sent: Upload[] = []
      const fetch = uploadFetch((upload) => {
        sent.push(upload)
        if (upload.loaded >= cancelAt) void run.cancel().catch(() => {})
      })
      const file = new File([new Uint8Array(bytes)], 'report.pdf')
      const client = createClient({fetch, maxAttempts: 1})
      const run = client.startRun('extract', {file, ...input})
      const error = await run.result.then(
        () => ({code: 'none'}),
        ({name, code, status}) => ({name, code, status}),
      )
      return {sent, error, id: run.id}
    },
    {bytes, input, cancelAt},
  )
}

test('an upload reports rising figures up to its end, and its run is watched', async () => {
  const {sent, error, id} = await upload(3 * MEGABYTE)
  const figures = sent.map(({loaded}) => loaded)
  expect(figures.length).toBeGreaterThan(3)
  expect(figures).toEqual([...figures].sort((one, other) => one - other))
  expect(figures.at(-1)).toBe(sent.at(-1)?.total)
  expect(sent[0]?.total).toBeGreaterThan(3 * MEGABYTE)
  expect(id).toBeTruthy()
  expect(error).toMatchObject({name: 'RunFailed', code: 'not_a_pdf'})
})

test('a cancel in the middle ends the upload, and starts no run', async () => {
  const before = await runs()
  const {sent, error, id} = await upload(8 * MEGABYTE, {}, MEGABYTE)
  expect(error).toMatchObject({name: 'RunCancelled'})
  expect(sent.at(-1)?.loaded).toBeLessThan(8 * MEGABYTE)
  expect(id).toBe(undefined)
  expect(await runs()).toBe(before)
})

test('a refused upload rejects with the problem: of an input that is wrong, and of one that is too large', async () => {
  const wrong = await upload(MEGABYTE, {pages: 'all of them'})
  expect(wrong.error).toMatchObject({name: 'Problem', status: 422, code: 'invalid_input'})
  expect(wrong.sent.at(-1)?.loaded).toBe(wrong.sent.at(-1)?.total)
  const large = await upload(17 * MEGABYTE)
  expect(large.error).toMatchObject({name: 'Problem', status: 413})
})

/** The number of runs that the service has. */
function runs(): Promise<number> {
  return site.page.evaluate(async () => (await (await fetch('/runs')).json()).runs.length)
}
