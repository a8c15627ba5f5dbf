/** `@headway/client/testing`: runs that a test writes, and `@headway/client/upload` with an XMLHttpRequest of the test. */

import {afterEach, expect, test, vi} from 'vitest'

import {createClient} from '../src/client.ts'
import {startRun} from '../src/run.ts'
import {createTestService} from '../src/testing.ts'
import {type Upload, uploadFetch} from '../src/upload.ts'
import {createMockService} from './mock-service.ts'

const service = createTestService({
  async count(run, input) {
    run.progress({message: 'Page 1', done: 1, total: input.pages})
    run.partial('page-1', {words: 3})
    run.delta('Hello')
    run.cut()
    const answer = await run.ask('Go on?', {type: 'boolean'})
    return {pages: answer ? input.pages : 1}
  },
  fails: () => {
    throw Object.assign(new Error('No paper.'), {code: 'out_of_paper', retryable: true})
  },
  waits: (run) => new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(new Error('late')))),
})

const client = createClient({url: 'http://service.test', fetch: service.fetch, retryDelay: 0.001})

afterEach(() => vi.unstubAllGlobals())

test('a scripted run streams, is cut, resumed and answered', async () => {
  const run = client.startRun('count', {pages: 3})
  const types: string[] = []
  for await (const event of run) {
    types.push(event.type)
    if (event.type === 'question') await run.answer(true)
  }
  expect(types).toEqual(['start', 'progress', 'partial', 'delta', 'question', 'answer', 'result', 'done'])
  expect(await run.result).toEqual({pages: 3})
  expect(service.requests).toContain(`GET /runs/${run.id}/events`)
  expect(await run.snapshot()).toMatchObject({status: 'succeeded', result: {pages: 3}, last_event_id: 8})
})

test('a script that throws fails its run', async () => {
  await expect(client.startRun('fails').result).rejects.toMatchObject({
    name: 'RunFailed',
    code: 'out_of_paper',
    message: 'No paper.',
    retryable: true,
  })
})

test('a scripted run is cancelled, and watched again', async () => {
  const run = client.startRun('waits')
  run.result.catch(() => {})
  expect(await run.cancel()).toMatchObject({status: 'cancelled'})
  await expect(run.result).rejects.toMatchObject({name: 'RunCancelled', reason: 'requested'})
  await expect(client.watchRun(run.id as string).result).rejects.toMatchObject({name: 'RunCancelled'})
})

test('what the service does not have is refused', async () => {
  await expect(client.startRun('nothing').result).rejects.toMatchObject({status: 404, code: 'operation_not_found'})
  await expect(client.watchRun('r99').result).rejects.toMatchObject({status: 404, code: 'run_not_found'})
})

test('an upload reports its progress, and its stream is read by fetch', async () => {
  const mock = createMockService()
  const request = fakeRequest(200, {'Run-Id': 'r1', Location: '/runs/r1'})
  const sent: Upload[] = []
  const options = {fetch: uploadFetch((upload) => sent.push(upload), mock.fetch), linger: 60}
  const run = startRun('http://service.test/operations/count', {file: new Blob(['abc'])}, options)
  expect(await run.started).toBe('r1')
  await vi.waitFor(() => expect(mock.requestLines()).toEqual(['GET /runs/r1/events']))
  await vi.waitFor(() => expect(request.aborted).toBe(true))
  expect(request.headers).toMatchObject({prefer: 'linger=60', accept: expect.stringContaining('text/event-stream')})
  mock.stream.sendEvent('result', {result: 3})
  mock.stream.sendEvent('done', {status: 'succeeded'})
  expect(await run.result).toBe(3)
  expect(sent).toEqual([{loaded: 1, total: 3}])
})

test('a refused upload is the problem of the service', async () => {
  fakeRequest(422, {'Content-Type': 'application/problem+json'}, '{"code": "invalid_input"}')
  const options = {fetch: uploadFetch(() => {})}
  const run = startRun('http://service.test/operations/count', {file: new Blob(['abc'])}, options)
  await expect(run.result).rejects.toMatchObject({status: 422, code: 'invalid_input'})
})

interface FakeRequest {
  headers: Record<string, string>
  aborted: boolean
}

/** An XMLHttpRequest that answers each request so. */
function fakeRequest(status: number, answer: Record<string, string>, responseText = ''): FakeRequest {
  const record: FakeRequest = {headers: {}, aborted: false}
  vi.stubGlobal(
    'XMLHttpRequest',
    class {
      upload = {onprogress: (_: Upload) => {}}
      readyState = 0
      status = status
      responseText = responseText
      onreadystatechange = () => {}
      onload = () => {}
      open = () => {}
      setRequestHeader = (name: string, value: string) => {
        record.headers[name] = value
      }
      getResponseHeader = (name: string) => answer[name] ?? null
      abort = () => {
        record.aborted = true
      }
      send = async () => {
        await Promise.resolve()
        this.upload.onprogress({loaded: 1, total: 3})
        this.readyState = 2
        this.onreadystatechange()
        if (status >= 300) this.onload()
      }
    },
  )
  return record
}
