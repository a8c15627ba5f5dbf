/** The handle of a run, under a service whose every word the test says. */

import {beforeEach, expect, test, vi} from 'vitest'

import {type Connection, type RunEvent, type StartOptions, startRun, watchRun} from '../src/index.ts'
import {createStage, problem} from './stage.ts'

const URL_ = 'http://service.test/operations/count'
const DONE = {status: 'succeeded', elapsed: 1}

let stage = createStage()

beforeEach(() => {
  stage = createStage()
})

function start(options: StartOptions = {}, input: unknown = {}) {
  return startRun(URL_, input, {fetch: stage.fetch, retryDelay: 0.001, ...options})
}

async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

function finish(result: unknown): void {
  stage.stream.say('start', {run: 'r1', operation: 'count'})
  stage.stream.say('result', {result})
  stage.stream.say('done', DONE)
}

test('a run starts at once, and has its result, without anybody iterating', async () => {
  const run = start({}, {pages: 3})
  expect(await run.started).toBe('r1')
  expect(stage.asked[0]?.body).toBe('{"pages":3}')
  finish({pages: 3})
  expect(await run.result).toEqual({pages: 3})
  expect(run).toMatchObject({id: 'r1', url: 'http://service.test/runs/r1', lastEventId: 3})
})

test('an input may be left out', async () => {
  start()
  startRun(URL_, undefined, {fetch: stage.fetch})
  await until(() => stage.asked.length === 2)
  expect(stage.asked.map(({body}) => body)).toEqual(['{}', '{}'])
})

test('an input with a file in it travels as a form', async () => {
  const [one, two] = [new File(['1'], 'one.txt'), new Blob(['2'])]
  start({}, {one, both: [one, two], deep: {a: [1]}, list: ['a', 2], yes: true, none: null})
  await until(() => stage.asked.length)
  const body = stage.asked[0]?.body as FormData
  expect([...body].map(([name, value]) => [name, value instanceof File ? value.name : value])).toEqual([
    ['one', 'one.txt'],
    ['both', 'one.txt'],
    ['both', 'blob'],
    ['deep', '{"a":[1]}'],
    ['list', 'a'],
    ['list', '2'],
    ['yes', 'true'],
  ])
  expect(stage.asked[0]?.headers.get('Content-Type')).toBe(null)
})

test('headers are made anew for each attempt, and for each verb', async () => {
  let token = 0
  const run = start({headers: async () => ({Authorization: `Bearer ${++token}`})})
  await run.started
  stage.stream.say('start', {run: 'r1'})
  stage.stream.cut()
  await until(() => stage.streams.length === 2)
  await run.snapshot()
  expect(stage.asked.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer 1', 'Bearer 2', 'Bearer 3'])
})

test('headers that cannot be made now are an attempt that failed', async () => {
  const headers = vi.fn().mockRejectedValueOnce(new TypeError('no network for a token')).mockResolvedValue({})
  const run = start({headers})
  await run.started
  finish(1)
  expect(await run.result).toBe(1)
})

test('each start has a key of its own, and its attempts share it', async () => {
  stage.on('POST /operations/count', () => problem(503, 'unavailable'))
  for (const options of [{maxAttempts: 2}, {maxAttempts: 1}, {maxAttempts: 1, idempotencyKey: 'mine'}]) {
    await expect(start(options).result).rejects.toMatchObject({code: 'unavailable', status: 503})
  }
  const keys = stage.asked.map(({headers}) => headers.get('Idempotency-Key'))
  expect(keys[0]).toBe(keys[1])
  expect(new Set(keys).size).toBe(3)
  expect(keys.at(-1)).toBe('mine')
})

test('what is no URL is said at once', () => {
  expect(() => startRun('operations/count')).toThrow(TypeError)
  expect(() => watchRun('http://')).toThrow(TypeError)
})

test('a slash at the end of a URL means nothing', async () => {
  const run = watchRun('http://service.test/runs/r1/', {fetch: stage.fetch})
  await until(() => stage.streams.length)
  expect([stage.stream.request, run.id]).toEqual(['GET /runs/r1/events', 'r1'])
})

test('leaving the loop ends the viewing, and nothing else', async () => {
  const run = start()
  await run.started
  stage.stream.say('start', {run: 'r1'})
  for await (const _ of run) break
  await until(() => stage.stream.left)
  expect(run.connection).toBe('closed')
  expect(stage.requests()).toEqual(['POST /operations/count'])
  await expect(run.result).rejects.toMatchObject({code: 'disconnected'})
})

test('disconnect ends the iteration without an error', async () => {
  const run = start()
  await run.started
  stage.stream.say('start', {run: 'r1'})
  const seen: string[] = []
  for await (const {type} of run) {
    seen.push(type)
    run.disconnect()
  }
  expect(seen).toEqual(['start'])
})

test('disconnect ends an attempt, and a wait for the next one, at once', async () => {
  stage.on('POST /operations/count', () => problem(503, 'unavailable'))
  const run = start({retryDelay: 3600, maxDelay: 3600})
  await until(() => run.connection === 'interrupted')
  run.disconnect()
  for await (const _ of run) expect.unreachable()
  await until(() => run.connection === 'closed')
})

test('a signal ends it with its reason', async () => {
  const leaving = new AbortController()
  const run = start({signal: leaving.signal})
  await run.started
  const iterating = (async () => {
    for await (const _ of run);
  })()
  leaving.abort(new Error('another page'))
  await expect(iterating).rejects.toThrow('another page')
  await expect(run.result).rejects.toThrow('another page')
  await until(() => stage.stream.left)
})

test('a signal that is aborted already starts nothing', async () => {
  const run = start({signal: AbortSignal.abort(new Error('too late'))})
  await expect(run.result).rejects.toThrow('too late')
  await expect(run.started).rejects.toThrow('too late')
  expect(stage.asked).toEqual([])
})

test('cancel asks again where the service is away for a moment', async () => {
  const run = start()
  await run.started
  stage.stream.say('start', {run: 'r1'})
  let asked = 0
  stage.on('DELETE /runs/r1', () => (++asked < 3 ? problem(503, 'unavailable') : Response.json({status: 'cancelling'})))
  expect(await run.cancel()).toEqual({status: 'cancelling'})
  expect(asked).toBe(3)
})

test('cancel waits for the run that it is to end', async () => {
  let there = false
  stage.on('POST /operations/count', () =>
    there ? new Response(null, {status: 202, headers: {Location: '/runs/r1'}}) : problem(503, 'unavailable'),
  )
  const run = start({maxAttempts: 1000, maxDelay: 0.01})
  const cancelled = run.cancel()
  there = true
  await cancelled
  expect(stage.requests()).toContain('DELETE /runs/r1')
})

test('an answer is never sent twice', async () => {
  const run = start()
  await run.started
  let asked = 0
  stage.on('POST /runs/r1/answer', () => {
    asked += 1
    return problem(503, 'unavailable')
  })
  await expect(run.answer(true, 'q2')).rejects.toMatchObject({code: 'unavailable', retryable: true})
  expect(asked).toBe(1)
})

test('the line says where it stands', async () => {
  const line: Connection[] = []
  const run = start({onConnection: (connection) => line.push(connection)})
  await run.started
  stage.stream.say('start', {run: 'r1'})
  stage.stream.end()
  await until(() => stage.streams.length === 2)
  stage.stream.say('result', {result: 1})
  stage.stream.say('done', DONE)
  await run.result
  await until(() => run.connection === 'closed')
  expect(line).toEqual(['connecting', 'open', 'interrupted', 'open', 'closed'])
})

test('whoever takes his time is not read ahead of, and is given everything', async () => {
  const run = start({heartbeat: 0.02})
  await run.started
  for (let batch = 0; batch < 20; batch++) {
    for (let n = 0; n < 100; n++) stage.stream.say('delta', {text: 'x', channel: 'text'})
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await new Promise((resolve) => setTimeout(resolve, 200)) // many heartbeats: but it is not the line that is silent
  expect(run.lastEventId).toBeLessThan(1000)
  expect(stage.streams.length).toBe(1)
  stage.stream.say('done', DONE)
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

test('a failure that nobody asks about ends no process', async () => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  stage.on('POST /operations/count', () => problem(422, 'invalid_input'))
  start()
  await until(() => stage.asked.length)
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

test('an id that a URL could not carry is escaped', async () => {
  stage.on('POST /operations/count', () => new Response(null, {status: 202, headers: {'Run-Id': 'a/b?c'}}))
  const run = start()
  expect(await run.started).toBe('a/b?c')
  expect(run.url).toBe('http://service.test/runs/a%2Fb%3Fc')
})

test('an event that never ends is given up', async () => {
  const events: RunEvent[] = []
  const run = start({maxAttempts: 1})
  await run.started
  const reading = (async () => {
    for await (const event of run) events.push(event)
  })()
  stage.stream.send('data: ')
  for (let n = 0; n < 70; n++) stage.stream.send('x'.repeat(1024 * 1024))
  await expect(reading).rejects.toMatchObject({code: 'interrupted'})
  expect(events).toEqual([])
})
