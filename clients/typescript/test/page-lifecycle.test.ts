// @vitest-environment happy-dom
/** The connection of a page that is offline, was frozen, or is left. */

import {afterEach, beforeEach, expect, test, vi} from 'vitest'

import {type Connection, type StartOptions, startRun} from '../src/index.ts'
import {createMockService} from './mock-service.ts'

const NEVER = 3600

let mock = createMockService()
let states: Connection[] = []

beforeEach(() => {
  mock = createMockService()
  states = []
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function begin(options: StartOptions = {}) {
  const onConnection = (connection: Connection) => void states.push(connection)
  const run = startRun('http://service.test/operations/count', {}, {fetch: mock.fetch, onConnection, ...options})
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  await until(() => run.lastEventId === 1)
  return run
}

async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

function setOnline(online: boolean): void {
  vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(online)
}

test('without a network the connection is offline, and it reconnects with the network', async () => {
  const run = await begin({maxAttempts: 1, maxDelay: NEVER})
  setOnline(false)
  mock.stream.cut()
  await until(() => run.connection === 'offline')
  setOnline(true)
  window.dispatchEvent(new Event('online'))
  await until(() => mock.streams.length === 2)
  expect(mock.stream.lastEventId).toBe('1')
  expect(states).toEqual(['connecting', 'open', 'offline', 'open'])
})

test('an open stream is offline without a network, until a byte arrives', async () => {
  const run = await begin()
  window.dispatchEvent(new Event('offline'))
  expect(run.connection).toBe('offline')
  mock.stream.send(': keep-alive\n\n')
  await until(() => run.connection === 'open')
})

test('without a network failed attempts do not count', async () => {
  const run = await begin({maxAttempts: 1, maxDelay: 0.001})
  setOnline(false)
  let count = 0
  mock.on('GET /runs/r1/events', () => {
    count += 1
    throw new TypeError('Failed to fetch')
  })
  mock.stream.cut()
  await until(() => count > 5)
  expect(run.connection).toBe('offline')
  run.disconnect()
})

test('after a change of network the stream is reopened at once', async () => {
  await begin({retryDelay: NEVER, maxDelay: NEVER})
  const old = mock.stream
  window.dispatchEvent(new Event('online'))
  await until(() => mock.streams.length === 2)
  expect(old.aborted).toBe(true)
  expect(mock.stream.lastEventId).toBe('1')
})

test.each([
  ['pageshow', () => window],
  ['resume', () => document],
  ['visibilitychange', () => document],
])('a page that was frozen for long reopens its stream at once (%s)', async (name, target) => {
  await begin({retryDelay: NEVER, maxDelay: NEVER})
  target().dispatchEvent(new Event(name))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(mock.streams.length).toBe(1) // it was frozen for a moment only
  const later = Date.now() + 40_000
  vi.spyOn(Date, 'now').mockImplementation(() => later)
  target().dispatchEvent(new Event(name))
  await until(() => mock.streams.length === 2)
})

test('a page that was frozen does not wait for its next attempt', async () => {
  const run = await begin({retryDelay: NEVER, maxDelay: NEVER})
  mock.stream.cut()
  await until(() => run.connection === 'interrupted')
  document.dispatchEvent(new Event('resume'))
  await until(() => mock.streams.length === 2)
})

test('leaving the page cancels with cancelOnPageHide', async () => {
  await begin({cancelOnPageHide: true, headers: {Authorization: 'Bearer key'}})
  window.dispatchEvent(new Event('pagehide'))
  const last = mock.requests.at(-1) // before the handler returns: a page that is gone sends nothing
  expect(last).toMatchObject({line: 'DELETE /runs/r1', keepalive: true})
  expect(last?.headers.get('Authorization')).toBe('Bearer key')
})

test('leaving the page cancels with the last headers where new ones take time', async () => {
  let token = 0
  await begin({cancelOnPageHide: true, headers: async () => ({Authorization: `Bearer ${++token}`})})
  window.dispatchEvent(new Event('pagehide'))
  expect(mock.requests.at(-1)?.line).toBe('DELETE /runs/r1')
  expect(mock.requests.at(-1)?.headers.get('Authorization')).toBe('Bearer 1')
})

test('a page goes on for as long as it takes', async () => {
  const run = await begin({retryDelay: 0.001, maxDelay: 0.001})
  let attempts = 0
  mock.on('GET /runs/r1/events', () => {
    attempts += 1
    throw new TypeError('Failed to fetch')
  })
  mock.stream.cut()
  await until(() => attempts > 30)
  expect(run.connection).toBe('interrupted')
  run.disconnect()
})

test('leaving the page does not cancel without it', async () => {
  await begin()
  window.dispatchEvent(new Event('pagehide'))
  expect(mock.requestLines()).toEqual(['POST /operations/count'])
})

test('leaving the page does not cancel a run that is over', async () => {
  const run = await begin({cancelOnPageHide: true})
  mock.stream.sendEvent('result', {result: 1})
  mock.stream.sendEvent('done', {status: 'succeeded', elapsed: 1})
  await run.result
  await until(() => run.connection === 'closed')
  window.dispatchEvent(new Event('pagehide'))
  window.dispatchEvent(new Event('online'))
  expect(mock.requestLines()).toEqual(['POST /operations/count'])
})
