/** Several runs on one connection: each gets its own stream, each event once, and no run is without a viewer. */

import {beforeEach, expect, test, vi} from 'vitest'

import {type RunEvent, watchRun} from '../src/index.ts'
import {sharedStream, watchRuns} from '../src/many.ts'
import {createMockService, problem, TIME} from './mock-service.ts'

const RUNS = 'http://service.test/runs/'
const DONE = {status: 'succeeded', elapsed: 1}

let mock = createMockService()
let urls: string[] = []
let fetch: typeof globalThis.fetch

beforeEach(() => {
  mock = createMockService()
  urls = []
  fetch = (input, init) => {
    urls.push(String(input).replace('http://service.test', ''))
    return mock.fetch(input, init)
  }
})

/** A frame of several runs; `id` is the whole vector. */
function frame(id: string, type: string, data: object = {}): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({timestamp: TIME, ...data})}\n\n`
}

function watch(ids: string[], shared = sharedStream({fetch})) {
  const seen: Record<string, string[]> = {}
  const runs = ids.map((id) => {
    const run = watchRun(RUNS + id, {fetch: shared, retryDelay: 0.001, maxAttempts: 3})
    const events: string[] = []
    seen[id] = events
    const all = (async () => {
      for await (const event of run) events.push(`${event.id} ${event.type}`)
    })()
    all.catch(() => {})
    return {run, all}
  })
  return {seen, runs, shared}
}

async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

test('runs that are watched together have one connection, and each its own events', async () => {
  const {seen, runs} = watch(['a', 'b', 'c'])
  await until(() => mock.streams.length)
  expect(urls).toEqual(['/events?run=a&run=b&run=c&merge=deltas'])
  const text = `${frame('a:1,b:0,c:0', 'start')}${frame('b:1,a:1,c:0', 'start')}: keep-alive\n\n${frame('a:2,b:1,c:0', 'done', DONE)}`
  for (const piece of text.match(/[\s\S]{1,7}/g) ?? []) mock.stream.send(piece)
  await runs[0]?.all
  mock.stream.send(frame('b:2,a:2,c:0', 'done', DONE) + frame('c:1,a:2,b:2', 'done', DONE))
  await Promise.all(runs.map(({all}) => all))
  expect(seen).toEqual({a: ['1 start', '2 done'], b: ['1 start', '2 done'], c: ['1 done']})
  expect(urls).toHaveLength(1)
  await until(() => mock.stream.aborted)
})

test('a run that joins is on a new connection before the old one ends, and nothing is given twice', async () => {
  const {seen, shared} = watch(['a'])
  await until(() => mock.streams.length === 1)
  const first = mock.stream
  first.send(frame('a:1', 'start'))
  await until(() => seen['a']?.length === 1)
  const second = watch(['b'], shared)
  await until(() => mock.streams.length === 2)
  expect(urls[1]).toBe('/events?run=a&run=b&merge=deltas')
  expect(mock.stream.lastEventId).toBe('a:1')
  await until(() => first.aborted)
  mock.stream.send(frame('a:1,b:0', 'start') + frame('a:2,b:0', 'done', DONE) + frame('b:1,a:2', 'done', DONE))
  await second.runs[0]?.all
  expect(seen['a']).toEqual(['1 start', '2 done'])
  expect(second.seen['b']).toEqual(['1 done'])
})

test('a run that is left alive loses its viewer, and the others go on', async () => {
  const {seen, runs} = watch(['a', 'b'])
  await until(() => mock.streams.length === 1)
  const first = mock.stream
  runs[0]?.run.disconnect()
  await until(() => mock.streams.length === 2)
  expect(urls[1]).toBe('/events?run=b&merge=deltas')
  await until(() => first.aborted)
  mock.stream.send(frame('b:1', 'done', DONE))
  await runs[1]?.all
  expect(seen).toEqual({a: [], b: ['1 done']})
})

test('a connection that is cut is opened again for all runs, where each was', async () => {
  const {seen, runs} = watch(['a', 'b'])
  await until(() => mock.streams.length === 1)
  mock.stream.send(frame('a:1,b:0', 'start') + frame('b:1,a:1', 'start'))
  await until(() => seen['a']?.length && seen['b']?.length)
  mock.stream.cut()
  await until(() => mock.streams.length > 1 && mock.stream.lastEventId === 'a:1,b:1')
  mock.stream.send(frame('a:2,b:1', 'done', DONE) + frame('b:2,a:2', 'done', DONE))
  await Promise.all(runs.map(({all}) => all))
  expect(seen).toEqual({a: ['1 start', '2 done'], b: ['1 start', '2 done']})
})

test('where one of them is gone, each is asked for by itself', async () => {
  mock.on('GET /events', () => problem(404, 'run_not_found'))
  mock.on('GET /runs/gone/events', () => problem(404, 'run_not_found'))
  const {seen, runs} = watch(['a', 'gone'])
  await until(() => mock.streams.length === 1)
  mock.stream.send(frame('1', 'done', DONE))
  await runs[0]?.all
  expect(seen['a']).toEqual(['1 done'])
  await expect(runs[1]?.all).rejects.toMatchObject({status: 404, code: 'run_not_found'})
})

test('a refusal that passes is told to each, which come back', async () => {
  let refused = 0
  mock.on('GET /events', () => {
    refused += 1
    return problem(503, 'store_away')
  })
  const {runs} = watch(['a', 'b'])
  const outcomes = await Promise.allSettled(runs.map(({all}) => all))
  expect(outcomes.map(({status}) => status)).toEqual(['rejected', 'rejected'])
  expect(refused).toBeGreaterThanOrEqual(3)
})

test('other requests are passed on, and so is a second viewer of a run', async () => {
  const {runs, shared} = watch(['a'])
  await until(() => mock.streams.length === 1)
  await runs[0]?.run.snapshot()
  expect(urls.at(-1)).toBe('/runs/a')
  watch(['a'], shared)
  await until(() => mock.streams.length === 2)
  expect(urls.at(-1)).toBe('/runs/a/events?merge=deltas')
})

test('watchRuns gives pairs', async () => {
  const pairs: [string, RunEvent][] = []
  const all = (async () => {
    for await (const pair of watchRuns([`${RUNS}a`, `${RUNS}b`], {fetch, lastEventIds: {b: 4}})) pairs.push(pair)
  })()
  await until(() => mock.streams.length)
  expect(mock.stream.lastEventId).toBe('b:4')
  mock.stream.send(
    frame('a:1,b:4', 'delta', {text: 'x'}) + frame('b:5,a:1', 'done', DONE) + frame('a:2,b:5', 'done', DONE),
  )
  await all
  expect(pairs.map(([run, {id, type}]) => [run, id, type])).toEqual(
    expect.arrayContaining([
      ['a', 1, 'delta'],
      ['b', 5, 'done'],
      ['a', 2, 'done'],
    ]),
  )
  expect(pairs).toHaveLength(3)
})

test('leaving the loop over watchRuns closes the connection', async () => {
  const events = watchRuns([`${RUNS}a`], {fetch})
  const first = events.next()
  await until(() => mock.streams.length)
  mock.stream.send(frame('a:1', 'start'))
  expect((await first).value?.[0]).toBe('a')
  await events.return(undefined)
  await until(() => mock.stream.aborted)
})

test('a run is erased', async () => {
  mock.on('DELETE /runs/a/events', () => new Response(null, {status: 204}))
  const run = watchRun(`${RUNS}a`, {fetch})
  expect(await run.erase()).toBeUndefined()
  expect(mock.requests.at(-1)?.line).toBe('DELETE /runs/a/events')
  run.disconnect()
})
