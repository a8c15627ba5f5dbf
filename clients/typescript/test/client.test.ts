/** A run as its client sees it, with a service that the test scripts. */

import {beforeEach, expect, test, vi} from 'vitest'

import {type Connection, type RunEvent, type StartOptions, startRun, watchRun} from '../src/index.ts'
import {createMockService, problem} from './mock-service.ts'

const URL_ = 'http://service.test/operations/count'
const DONE = {status: 'succeeded', elapsed: 1}

let mock = createMockService()

beforeEach(() => {
  mock = createMockService()
})

function start(options: StartOptions = {}, input: unknown = {}) {
  return startRun(URL_, input, {fetch: mock.fetch, retryDelay: 0.001, ...options})
}

async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

function finish(result: unknown): void {
  mock.stream.sendEvent('start', {run: 'r1', operation: 'count'})
  mock.stream.sendEvent('result', {result})
  mock.stream.sendEvent('done', DONE)
}

test('a run starts at once, and has its result without an iteration', async () => {
  const run = start({}, {pages: 3})
  expect(await run.started).toBe('r1')
  expect(mock.requests[0]?.body).toBe('{"pages":3}')
  finish({pages: 3})
  expect(await run.result).toEqual({pages: 3})
  expect(run).toMatchObject({id: 'r1', url: 'http://service.test/runs/r1', lastEventId: 3})
})

test('an input is optional', async () => {
  start()
  startRun(URL_, undefined, {fetch: mock.fetch})
  await until(() => mock.requests.length === 2)
  expect(mock.requests.map(({body}) => body)).toEqual(['{}', '{}'])
})

test('an input with a file in it is sent as a form', async () => {
  const [one, two] = [new File(['1'], 'one.txt'), new Blob(['2'])]
  start({}, {one, both: [one, two], deep: {a: [1]}, list: ['a', 2], yes: true, none: null})
  await until(() => mock.requests.length)
  const body = mock.requests[0]?.body as FormData
  expect([...body].map(([name, value]) => [name, value instanceof File ? value.name : value])).toEqual([
    ['one', 'one.txt'],
    ['both', 'one.txt'],
    ['both', 'blob'],
    ['deep', '{"a":[1]}'],
    ['list', 'a'],
    ['list', '2'],
    ['yes', 'true'],
  ])
  expect(mock.requests[0]?.headers.get('Content-Type')).toBe(null)
})

test('headers are made for each attempt, and for each request beside it', async () => {
  let token = 0
  const run = start({headers: async () => ({Authorization: `Bearer ${++token}`})})
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  mock.stream.cut()
  await until(() => mock.streams.length === 2)
  await run.snapshot()
  expect(mock.requests.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer 1', 'Bearer 2', 'Bearer 3'])
})

test('a stream is requested, or a problem', async () => {
  const run = start()
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  mock.stream.cut()
  await until(() => mock.streams.length === 2)
  const both = 'text/event-stream, application/problem+json'
  expect(mock.requests.map(({headers}) => headers.get('Accept'))).toEqual([both, both])
})

test('an error of the headers function is a failed attempt', async () => {
  const headers = vi.fn().mockRejectedValueOnce(new TypeError('no network for a token')).mockResolvedValue({})
  const run = start({headers})
  await run.started
  finish(1)
  expect(await run.result).toBe(1)
})

test('each start has its own key, which its attempts share', async () => {
  mock.on('POST /operations/count', () => problem(503, 'unavailable'))
  for (const options of [{maxAttempts: 2}, {maxAttempts: 1}, {maxAttempts: 1, idempotencyKey: 'mine'}]) {
    await expect(start(options).result).rejects.toMatchObject({code: 'unavailable', status: 503})
  }
  const keys = mock.requests.map(({headers}) => headers.get('Idempotency-Key'))
  expect(keys[0]).toBe(keys[1])
  expect(new Set(keys).size).toBe(3)
  expect(keys.at(-1)).toBe('mine')
})

test('an invalid URL is an error at once', () => {
  expect(() => startRun('operations/count')).toThrow(TypeError)
  expect(() => watchRun('http://')).toThrow(TypeError)
})

test('a slash at the end of a URL is ignored', async () => {
  const run = watchRun('http://service.test/runs/r1/', {fetch: mock.fetch})
  await until(() => mock.streams.length)
  expect([mock.stream.request, run.id]).toEqual(['GET /runs/r1/events', 'r1'])
})

test('what a run has said so far comes in a few pieces', async () => {
  const asked: string[] = []
  const fetch: typeof globalThis.fetch = (url, init) => {
    asked.push(String(url))
    return mock.fetch(url, init)
  }
  const run = watchRun('http://service.test/runs/r1', {fetch})
  await until(() => asked.length)
  run.disconnect()
  expect(asked).toEqual(['http://service.test/runs/r1/events?merge=deltas'])
})

test('leaving the loop disconnects, and does not cancel', async () => {
  const run = start()
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  for await (const _ of run) break
  await until(() => mock.stream.aborted)
  expect(run.connection).toBe('closed')
  expect(mock.requestLines()).toEqual(['POST /operations/count'])
  await expect(run.result).rejects.toMatchObject({code: 'disconnected'})
})

test('disconnect ends the iteration without an error', async () => {
  const run = start()
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  const seen: string[] = []
  for await (const {type} of run) {
    seen.push(type)
    run.disconnect()
  }
  expect(seen).toEqual(['start'])
})

test('disconnect ends the pause before an attempt at once', async () => {
  mock.on('POST /operations/count', () => problem(503, 'unavailable'))
  const run = start({retryDelay: 3600, maxDelay: 3600})
  await until(() => run.connection === 'interrupted')
  run.disconnect()
  for await (const _ of run) expect.unreachable()
  await until(() => run.connection === 'closed')
})

test('an aborted signal disconnects, and its reason is thrown', async () => {
  const leaving = new AbortController()
  const run = start({signal: leaving.signal})
  await run.started
  const iterating = (async () => {
    for await (const _ of run);
  })()
  leaving.abort(new Error('another page'))
  await expect(iterating).rejects.toThrow('another page')
  await expect(run.result).rejects.toThrow('another page')
  await until(() => mock.stream.aborted)
})

test('with a signal that is already aborted no request is sent', async () => {
  const run = start({signal: AbortSignal.abort(new Error('too late'))})
  await expect(run.result).rejects.toThrow('too late')
  await expect(run.started).rejects.toThrow('too late')
  expect(mock.requests).toEqual([])
})

test('cancel is repeated while the service is unavailable', async () => {
  const run = start()
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  let count = 0
  mock.on('DELETE /runs/r1', () => (++count < 3 ? problem(503, 'unavailable') : Response.json({status: 'cancelling'})))
  expect(await run.cancel()).toEqual({status: 'cancelling'})
  expect(count).toBe(3)
})

test('cancel waits for the answer to the start', async () => {
  let answer: (response: Response) => void = () => {}
  const fetch = async (url: RequestInfo | URL, init?: RequestInit) =>
    init?.method === 'POST' ? new Promise<Response>((resolve) => (answer = resolve)) : mock.fetch(url, init)
  const run = start({fetch: fetch as typeof globalThis.fetch})
  await new Promise((resolve) => setTimeout(resolve, 5))
  const cancelled = run.cancel()
  answer(new Response(null, {status: 202, headers: {Location: '/runs/r1', 'Run-Id': 'r1'}}))
  await cancelled
  expect(mock.requestLines()).toContain('DELETE /runs/r1')
})

test('cancel ends a start that is not answered', async () => {
  mock.on('POST /operations/count', () => problem(503, 'unavailable'))
  const run = start({retryDelay: 0.02})
  await until(() => run.connection === 'interrupted')
  await expect(run.cancel()).rejects.toMatchObject({code: 'cancelled', reason: 'requested'})
  await expect(run.result).rejects.toMatchObject({code: 'cancelled'})
  const sent = mock.requests.length
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(mock.requests.length).toBe(sent)
})

test.each([
  ['cyclic', cyclic],
  ['a bigint', () => ({pages: 1n})],
  ['an event of the page', () => ({nativeEvent: {}})],
])('an input that cannot be sent is thrown at once (%s)', (_, make) => {
  expect(() => start({}, make())).toThrow(TypeError)
  expect(mock.requests).toEqual([])
})

test.each([
  [
    'headers that throw',
    {
      headers: () => {
        throw new Error('no token')
      },
    },
  ],
  ['a header that cannot be sent', {headers: {'X-Name': 'a\nb'}}],
  [
    'a fetch without a stream',
    {fetch: async () => ({ok: true, status: 200, headers: new Headers({'Content-Type': 'text/event-stream'})})},
  ],
] as [string, StartOptions][])('a mistake of the caller is no reason for another attempt (%s)', async (_, options) => {
  const run = start({...options, retryDelay: 3600})
  await expect(run.result).rejects.toMatchObject({code: 'client_error', retryable: false})
})

function refuse(): never {
  throw new TypeError('Failed to fetch')
}

function cyclic(): object {
  const input: Record<string, unknown> = {}
  return Object.assign(input, {input})
}

test('without a fetch nothing is started', () => {
  vi.stubGlobal('fetch', undefined)
  try {
    expect(() => startRun(URL_)).toThrow('There is no `fetch` here')
  } finally {
    vi.unstubAllGlobals()
  }
})

test('retry decides whether another attempt follows', async () => {
  const seen: number[] = []
  mock.on('POST /operations/count', () => problem(503, 'unavailable'))
  const retry = ({count}: {count: number}) => {
    seen.push(count)
    return count < 3
  }
  await expect(start({retry}).result).rejects.toMatchObject({code: 'unavailable'})
  expect(seen).toEqual([1, 2, 3])
  expect(mock.requests.length).toBe(3)
})

test.each([
  ['503', () => problem(503, 'unavailable'), {code: 'unavailable'}],
  ['429', () => problem(429, 'too_many_runs'), {code: 'too_many_runs'}],
  ['no connection, or one that CORS forbids', refuse, expect.any(TypeError)],
])('onFailure is called with each failed attempt, and once the stream is open (%s)', async (_, answer, reason) => {
  const failures: unknown[] = []
  mock.on('POST /operations/count', answer)
  const run = start({retryDelay: 0.01, onFailure: (failure) => failures.push(failure)})
  await until(() => failures.length === 2)
  expect(failures[1]).toMatchObject({count: 2, reason, nextAttemptAt: expect.any(Number)})
  mock.on('POST /operations/count', () => new Response(null, {status: 202, headers: {'Run-Id': 'r1'}}))
  await run.started
  await until(() => failures.at(-1) === undefined)
  run.disconnect()
})

test('after a 401 the headers are asked for once more', async () => {
  let token = 0
  const headers = () => ({Authorization: `Bearer ${++token}`})
  mock.on('POST /operations/count', () =>
    token < 2 ? problem(401, 'unauthorized') : new Response(null, {status: 202, headers: {'Run-Id': 'r1'}}),
  )
  expect(await start({headers}).started).toBe('r1')
  mock.on('POST /operations/count', () => problem(401, 'unauthorized'))
  await expect(start({headers}).result).rejects.toMatchObject({status: 401})
  expect(mock.requestLines().filter((line) => line.startsWith('POST')).length).toBe(4)
})

test('headers may be undefined, or a Headers', async () => {
  start({headers: {'X-None': undefined, 'X-One': '1'}})
  start({headers: new Headers({'X-One': '1'})})
  await until(() => mock.requests.length === 2)
  for (const {headers} of mock.requests) expect([headers.get('X-None'), headers.get('X-One')]).toEqual([null, '1'])
})

test('a stream without ids is not started again once it has sent events', async () => {
  const stream = 'event: note\ndata: {"n": 1}\n\n'
  mock.on('POST /operations/count', () => new Response(stream, {headers: {'Content-Type': 'text/event-stream'}}))
  const seen: unknown[] = []
  const run = start()
  const reading = (async () => {
    for await (const {data} of run) seen.push(data)
  })()
  await expect(reading).rejects.toMatchObject({code: 'interrupted'})
  expect(seen).toEqual([{n: 1}])
  expect(mock.requests.length).toBe(1)
})

test('parse keeps what JSON.parse rounds', async () => {
  const parse = (json: string) => JSON.parse(json.replace(/\b\d{16,}\b/g, '"$&"'))
  const run = start({parse})
  await run.started
  mock.stream.sendEvent('start', {run: 'r1', operation: 'count'})
  mock.stream.send('id: 2\nevent: result\ndata: {"result": 9007199254740993}\n\n')
  mock.stream.send('id: 3\nevent: done\ndata: {"status": "succeeded"}\n\n')
  expect(await run.result).toBe('9007199254740993')
})

test('the address of a run is beside that of its operation, whatever `Location` says', async () => {
  const headers = {Location: '/stripped/runs/r1', 'Run-Id': 'r1'}
  mock.on('POST /prefix/operations/count', () => new Response(null, {status: 202, headers}))
  const run = startRun('http://service.test/prefix/operations/count', {}, {fetch: mock.fetch})
  await run.started
  expect(run.url).toBe('http://service.test/prefix/runs/r1')
  run.disconnect()
})

test('an answer is never sent twice', async () => {
  const run = start()
  await run.started
  let count = 0
  mock.on('POST /runs/r1/answer', () => {
    count += 1
    return problem(503, 'unavailable')
  })
  await expect(run.answer(true, 'q2')).rejects.toMatchObject({code: 'unavailable', retryable: true})
  expect(count).toBe(1)
})

test('onConnection is called with each state of the connection', async () => {
  const states: Connection[] = []
  const run = start({onConnection: (connection) => states.push(connection)})
  await run.started
  mock.stream.sendEvent('start', {run: 'r1'})
  mock.stream.end()
  await until(() => mock.streams.length === 2)
  mock.stream.sendEvent('result', {result: 1})
  mock.stream.sendEvent('done', DONE)
  await run.result
  await until(() => run.connection === 'closed')
  expect(states).toEqual(['connecting', 'open', 'interrupted', 'open', 'closed'])
})

test('a slow loop is read ahead of by a few events only, and gets them all', async () => {
  const run = start({heartbeat: 0.02})
  await run.started
  for (let batch = 0; batch < 20; batch++) {
    for (let n = 0; n < 100; n++) mock.stream.sendEvent('delta', {text: 'x', channel: 'text'})
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await new Promise((resolve) => setTimeout(resolve, 200)) // many heartbeats, but the service is not silent
  expect(run.lastEventId).toBeLessThan(1000)
  expect(mock.streams.length).toBe(1)
  mock.stream.sendEvent('done', DONE)
  const seen: number[] = []
  for await (const {id} of run) seen.push(id)
  expect(seen).toEqual(Array.from({length: 2001}, (_, n) => n + 1))
})

test('two loops share the events of one run', async () => {
  const run = start()
  await run.started
  const seen: number[] = []
  const read = async () => {
    for await (const {id} of run) seen.push(id)
  }
  const both = [read(), read()]
  finish(1)
  await Promise.all(both)
  expect(seen).toEqual([1, 2, 3])
})

test('an error that nobody awaits is not an unhandled rejection', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  mock.on('POST /operations/count', () => problem(422, 'invalid_input'))
  start()
  await until(() => mock.requests.length)
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

test('an id with characters that a URL reserves is escaped', async () => {
  mock.on('POST /operations/count', () => new Response(null, {status: 202, headers: {'Run-Id': 'a/b?c'}}))
  const run = start()
  expect(await run.started).toBe('a/b?c')
  expect(run.url).toBe('http://service.test/runs/a%2Fb%3Fc')
})

test('an event that never ends interrupts the stream', async () => {
  const events: RunEvent[] = []
  const run = start({maxAttempts: 1})
  await run.started
  const reading = (async () => {
    for await (const event of run) events.push(event)
  })()
  mock.stream.send('data: ')
  for (let n = 0; n < 70; n++) mock.stream.send('x'.repeat(1024 * 1024))
  await expect(reading).rejects.toMatchObject({code: 'interrupted'})
  expect(events).toEqual([])
})

test('a file of a run is fetched with the headers of its other requests', async () => {
  const run = start({headers: {Authorization: 'Bearer key'}})
  await run.started
  mock.on('GET /runs/r1/files/page%201.png', () => new Response('pixels', {headers: {'Content-Type': 'image/png'}}))
  const blob = await run.file('page 1.png')
  expect([await blob.text(), blob.type]).toEqual(['pixels', 'image/png'])
  expect(mock.requests.at(-1)?.headers.get('authorization')).toBe('Bearer key')
  mock.on('GET /runs/r1/files/none', () => problem(404, 'file_not_found'))
  await expect(run.file('none')).rejects.toMatchObject({status: 404, code: 'file_not_found'})
  run.disconnect()
})
