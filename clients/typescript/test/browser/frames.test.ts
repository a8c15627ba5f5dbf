/** The hook in Chromium with a hundred thousand partials at 5,000 a second, from the service at BURST_URL. */

import {describe, expect, test} from 'vitest'

import {bundlePage, createSite, LONG, ROOT, TIMEOUT} from './site.ts'

const ENTRY = `
  import {createRoot} from 'react-dom/client'
  import {useRun} from '@headway/client/react'

  globalThis.longTasks = []
  new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({type: 'longtask'})

  function Page() {
    const run = useRun('/operations/shower')
    const count = Object.keys(run.partials).length
    return <><button onClick={() => run.start({})}>Start</button> <p role="status">{run.status} {count}</p></>
  }
  createRoot(document.getElementById('page')).render(<Page />)
`

describe.runIf(LONG)('a hundred thousand partials', () => {
  const site = createSite((folder) => bundlePage(folder, `${ROOT}/clients/typescript`, ENTRY), process.env['BURST_URL'])

  test('leave few frames above 50 ms', {timeout: 300_000}, async () => {
    await site.page.getByRole('button', {name: 'Start'}).click()
    const status = site.page.getByRole('status')
    await expect.poll(() => status.textContent(), {timeout: 5 * TIMEOUT}).toBe('succeeded 10000')
    const long = await site.page.evaluate(() => (globalThis as unknown as {longTasks: number[]}).longTasks)
    console.log(`${long.length} tasks of more than 50 ms, the longest of ${Math.round(Math.max(0, ...long))} ms`)
    expect(long.length).toBeLessThan(25) // 250 where each frame copied all partials
  })
})
