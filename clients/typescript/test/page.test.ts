// @vitest-environment happy-dom
/** What a page is told about itself: that it is offline, was frozen, or is left. */

import {afterEach, beforeEach, expect, test, vi} from 'vitest'

import {type Connection, type StartOptions, startRun} from '../src/index.ts'
import {createStage} from './stage.ts'

const NEVER = 3600

let stage = createStage()
let line: Connection[] = []

beforeEach(() => {
  stage = createStage()
  line = []
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function begin(options: StartOptions = {}) {
  const onConnection = (connection: Connection) => void line.push(connection)
  const run = startRun('http://service.test/operations/count', {}, {fetch: stage.fetch, onConnection, ...options})
  await run.started
  stage.stream.say('start', {run: 'r1'})
  await until(() => run.lastEventId === 1)
  return run
}

async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

function network(there: boolean): void {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(there)
}

test('without a network it says so, waits, and comes back with the network', async () => {
  const run = await begin({maxAttempts: 1, maxDelay: NEVER})
  network(false)
  stage.stream.cut()
  await until(() => run.connection === 'offline')
  network(true)
  window.dispatchEvent(new Event('online'))
  await until(() => stage.streams.length === 2)
  expect(stage.stream.lastEventId).toBe('1')
  expect(line).toEqual(['connecting', 'open', 'offline', 'open'])
})

test('a line without a network is offline, until a byte says otherwise', async () => {
  const run = await begin()
  window.dispatchEvent(new Event('offline'))
  expect(run.connection).toBe('offline')
  stage.stream.send(': keep-alive\n\n')
  await until(() => run.connection === 'open')
})

test('without a network no attempt is counted', async () => {
  const run = await begin({maxAttempts: 1, maxDelay: 0.001})
  network(false)
  let asked = 0
  stage.on('GET /runs/r1/events', () => {
    asked += 1
    throw new TypeError('Failed to fetch')
  })
  stage.stream.cut()
  await until(() => asked > 5)
  expect(run.connection).toBe('offline')
  run.disconnect()
})

test('a connection of before the change of network is left, and made anew at once', async () => {
  await begin({retryDelay: NEVER, maxDelay: NEVER})
  const old = stage.stream
  window.dispatchEvent(new Event('online'))
  await until(() => stage.streams.length === 2)
  expect(old.left).toBe(true)
  expect(stage.stream.lastEventId).toBe('1')
})

test.each([
  ['pageshow', () => window],
  ['resume', () => document],
  ['visibilitychange', () => document],
])('a page that was away for long looks at its line at once (%s)', async (name, target) => {
  await begin({retryDelay: NEVER, maxDelay: NEVER})
  target().dispatchEvent(new Event(name))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(stage.streams.length).toBe(1) // it was away for a moment only: the line is as good as it was
  const later = Date.now() + 40_000
  vi.spyOn(Date, 'now').mockImplementation(() => later)
  target().dispatchEvent(new Event(name))
  await until(() => stage.streams.length === 2)
})

test('a page that was away does not wait for its next attempt any longer', async () => {
  const run = await begin({retryDelay: NEVER, maxDelay: NEVER})
  stage.stream.cut()
  await until(() => run.connection === 'interrupted')
  document.dispatchEvent(new Event('resume'))
  await until(() => stage.streams.length === 2)
})

test('leaving the page cancels, when asked to', async () => {
  await begin({cancelOnPageHide: true, headers: {Authorization: 'Bearer key'}})
  window.dispatchEvent(new Event('pagehide'))
  const last = stage.asked.at(-1) // sent before the handler returned: a page that is gone sends nothing
  expect(last).toMatchObject({request: 'DELETE /runs/r1', keepalive: true})
  expect(last?.headers.get('Authorization')).toBe('Bearer key')
})

test('leaving the page cancels nothing, when not', async () => {
  await begin()
  window.dispatchEvent(new Event('pagehide'))
  expect(stage.requests()).toEqual(['POST /operations/count'])
})

test('a run that is over is not cancelled, and listens to nothing any more', async () => {
  const run = await begin({cancelOnPageHide: true})
  stage.stream.say('result', {result: 1})
  stage.stream.say('done', {status: 'succeeded', elapsed: 1})
  await run.result
  await until(() => run.connection === 'closed')
  window.dispatchEvent(new Event('pagehide'))
  window.dispatchEvent(new Event('online'))
  expect(stage.requests()).toEqual(['POST /operations/count'])
})
