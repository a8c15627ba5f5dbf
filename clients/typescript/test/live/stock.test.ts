/** Other clients with the same service: npm `eventsource` and `@microsoft/fetch-event-source`. */

import {EventStreamContentType, fetchEventSource} from '@microsoft/fetch-event-source'
import {EventSource} from 'eventsource'
import {beforeAll, expect, test, vi} from 'vitest'

import {startRun} from '../../src/index.ts'
import {startCutter} from './cutter.ts'

const BASE = process.env['HEADWAY_URL'] as string
const KINDS = ['start', 'delta', 'result', 'done']

async function begin(input: object): Promise<string> {
  const run = startRun(`${BASE}/api/operations/lasting`, input, {headers: {Prefer: 'respond-async'}})
  const id = await run.started
  run.disconnect()
  return id
}

beforeAll(() => {
  // The package is for pages and expects these globals, though it works without what they would do.
  Object.assign(globalThis, {
    window: globalThis,
    document: {hidden: false, addEventListener() {}, removeEventListener() {}},
  })
})

test.concurrent('eventsource: reads every event once through cuts, and stops after the end', async () => {
  const id = await begin({count: 40, size: 10, pause: 0.05})
  const cutter = await startCutter(BASE, 800)
  const source = new EventSource(`${cutter.url}/api/runs/${id}/events`)
  const seen: number[] = []
  for (const kind of KINDS) source.addEventListener(kind, ({lastEventId}) => seen.push(Number(lastEventId)))
  try {
    await vi.waitFor(() => expect(source.readyState).toBe(EventSource.CLOSED), {timeout: 20_000})
    expect(seen).toEqual(Array.from({length: 43}, (_, n) => n + 1))
    expect(cutter.cuts).toBeGreaterThan(0)
  } finally {
    source.close()
    await cutter.close()
  }
})

test.concurrent('eventsource: comes back after a refusal, when the answer says', async () => {
  const id = await begin({count: 3})
  const began = Date.now()
  const source = new EventSource(`${BASE}/api/runs/${id}/events?away=${id}`)
  const seen: number[] = []
  const opened: number[] = []
  source.onopen = () => opened.push(Date.now() - began)
  for (const kind of KINDS) source.addEventListener(kind, ({lastEventId}) => seen.push(Number(lastEventId)))
  try {
    await vi.waitFor(() => expect(source.readyState).toBe(EventSource.CLOSED), {timeout: 20_000})
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    expect(opened).toHaveLength(2)
    expect(opened[1]).toBeGreaterThanOrEqual(1_000)
  } finally {
    source.close()
  }
})

test.concurrent('fetch-event-source: starts a run with a POST, and reads it to the end', async () => {
  const seen: [string, string][] = []
  let type: string | null = null
  await fetchEventSource(`${BASE}/api/operations/lasting`, {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({count: 3}),
    openWhenHidden: true,
    async onopen(response) {
      type = response.headers.get('Content-Type')
    },
    onmessage: ({id, event}) => seen.push([id, event]),
  })
  expect(type).toBe(EventStreamContentType)
  const named = seen.filter(([, event]) => event)
  expect(named).toEqual([
    ['1', 'start'],
    ['2', 'delta'],
    ['3', 'delta'],
    ['4', 'delta'],
    ['5', 'result'],
    ['6', 'done'],
  ])
})

test.concurrent('fetch-event-source: resumes after cuts', async () => {
  const id = await begin({count: 40, size: 10, pause: 0.05})
  const cutter = await startCutter(BASE, 800)
  const seen: number[] = []
  const watching = new AbortController()
  try {
    await fetchEventSource(`${cutter.url}/api/runs/${id}/events`, {
      signal: watching.signal,
      openWhenHidden: true,
      onmessage(message) {
        if (message.event) seen.push(Number(message.id))
        if (message.event === 'done') watching.abort()
      },
      onerror: () => 100,
    })
    expect(seen).toEqual(Array.from({length: 43}, (_, n) => n + 1))
    expect(cutter.cuts).toBeGreaterThan(0)
  } finally {
    await cutter.close()
  }
})
