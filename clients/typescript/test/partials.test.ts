/** References in a result to what was a partial, on scripted runs. */

import {expect, test} from 'vitest'

import {createClient} from '../src/client.ts'
import type {RunEvent} from '../src/events.ts'
import {keepPartials} from '../src/partials.ts'
import {startRun} from '../src/run.ts'
import {createRunStore} from '../src/run-store.ts'
import {createTestService} from '../src/testing.ts'
import {createMockService, TIME} from './mock-service.ts'

const pages = [1, 2, 3].map((page) => ({page, words: [page]}))

const service = createTestService({
  extract: (run) => ({pages: pages.map((page) => run.partial(`page-${page.page}`, page)), count: 3}),
  whole: (run) => run.partial('all', null),
  unknown: () => ({odd: {$partial: 'never'}, plain: {$partial: 'x', more: 1}}),
  cut(run) {
    const first = run.partial('page-1', pages[0])
    run.cut()
    return [first, run.partial('page-1', pages[1])]
  },
})
const client = createClient({url: 'http://service.test', fetch: service.fetch, retryDelay: 0.001})
const whole = {pages, count: 3}

test('a result has the values of the partials that it refers to, without another request', async () => {
  const run = client.startRun('extract')
  expect(await run.result).toEqual(whole)
  expect(await client.startRun('whole').result).toBe(null)
  expect(service.requests.filter((line) => line.startsWith('GET'))).toEqual([])
})

test('partials that have passed are read from the log once more', async () => {
  const run = client.startRun('extract')
  const events: RunEvent[] = []
  for await (const event of run) events.push(event)
  expect(events.at(-2)?.data).toMatchObject({result: {pages: [{$partial: 'page-1'}, {}, {}]}}) // as it was sent
  const before = service.requests.length
  expect(await run.result).toEqual(whole)
  expect(await run.result).toBe(await run.result)
  expect(service.requests.slice(before)).toEqual([`GET /runs/${run.id}/events`])
})

test('a run that is watched after its end, and from its last event on, has the whole result', async () => {
  const run = client.startRun('extract')
  await run.result
  const id = run.id as string
  expect(await client.watchRun(id).result).toEqual(whole)
  expect(await client.watchRun(id, {lastEventId: run.lastEventId}).result).toEqual(whole)
})

test('a reference to no partial stays as it is, and so does an object with more in it', async () => {
  const result = {odd: {$partial: 'never'}, plain: {$partial: 'x', more: 1}}
  expect(await client.startRun('unknown').result).toEqual(result)
})

test('a reference stands for the newest value of its key, over cuts', async () => {
  expect(await client.startRun('cut').result).toEqual([pages[1], pages[1]])
})

test('a stream without a run keeps its partials, since it has no log', async () => {
  const mock = createMockService()
  mock.on('POST /stream', () => {
    const frames = [
      `event: partial\ndata: {"key":"a","value":7,"timestamp":"${TIME}"}\n\n`,
      'event: result\ndata: {"result":{"$partial":"a"}}\n\n',
      'event: done\ndata: {"status":"succeeded"}\n\n',
    ].map((frame, index) => `id: ${index + 1}\n${frame}`)
    return new Response(frames.join(''), {headers: {'Content-Type': 'text/event-stream'}})
  })
  const run = startRun('http://service.test/stream', {}, {fetch: mock.fetch})
  for await (const _ of run);
  expect(await run.result).toBe(7)
})

test('a result has the partials from before a checkpoint, and the newer ones of an attempt that sent them again', () => {
  const partials = keepPartials()
  const add = (id: number, type: string, data: object) => partials.add({id, type, data} as RunEvent)
  add(2, 'partial', {key: 'kept', value: 1})
  add(4, 'partial', {key: 'again', value: 2})
  add(5, 'attempt', {attempt: 2, after: 3})
  add(6, 'partial', {key: 'again', value: 3})
  expect(partials.fill([{$partial: 'kept'}, {$partial: 'again'}])).toEqual([1, 3])
})

test('a state whose partials are few has the whole result, and reads what it dropped from the log', async () => {
  const store = createRunStore()
  const results: unknown[] = []
  const tell = (name: string, value: unknown) => void (name === 'onSuccess' && results.push(value))
  store.configure({}, {fetch: service.fetch, maxPartials: 1, tell})
  const run = client.startRun('extract', {}, store.startOptions())
  store.follow(run)
  await expect.poll(() => store.getState().status).toBe('succeeded')
  expect(store.getState().result).toEqual(whole)
  expect(results).toEqual([whole])
  expect(Object.keys(store.getState().partials)).toEqual(['page-3'])
  expect(service.requests.at(-1)).toBe(`GET /runs/${run.id}/events`)
})

test('a state that has the partials takes them', async () => {
  const store = createRunStore()
  store.configure({}, {fetch: service.fetch, tell: () => {}})
  const before = service.requests.length
  store.follow(client.startRun('extract', {}, store.startOptions()))
  await expect.poll(() => store.getState().status).toBe('succeeded')
  expect(store.getState().result).toEqual(whole)
  expect(service.requests.slice(before)).toEqual(['POST /operations/extract'])
})

test('a partial that a lost attempt has replaced has the value of the checkpoint again', () => {
  const kept = keepPartials()
  const add = (id: number, type: string, data: object) => kept.add({id, type, data} as unknown as RunEvent)
  add(2, 'partial', {key: 'sum', value: 1})
  add(4, 'partial', {key: 'sum', value: 2})
  add(5, 'partial', {key: 'late', value: 3})
  add(6, 'attempt', {attempt: 2, after: 3})
  expect(kept.fill([{$partial: 'sum'}, {$partial: 'late'}])).toEqual([1, {$partial: 'late'}])
})
