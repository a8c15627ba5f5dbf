/** `useRun` in components, with a service that the test scripts. */

import {type ReactNode, StrictMode, useEffect, useLayoutEffect, version} from 'react'
import {createRoot, type Root} from 'react-dom/client'
import {renderToString} from 'react-dom/server'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {
  createClient,
  HeadwayProvider,
  Interrupted,
  Problem,
  RunFailed,
  type UseRun,
  type UseRunOptions,
  useClient,
  useRun,
} from '../../src/react.ts'
import {createMockService, problem, TIME} from '../mock-service.ts'

/** The service's URL: another one for each test, since shared stores outlive a test by a moment. */
let service = ''
let tests = 0
let mock = createMockService()
let root: Root
let renders = 0
/** The last run of each `Show`, by the component's name. */
let shown: Record<string, UseRun> = {}

interface Shown extends UseRunOptions {
  name?: string
  url?: string
  /** Collects the states of the connection. */
  states?: string[]
}

function Show({name = 'one', url = `${service}/operations/count`, states, ...options}: Shown) {
  const run = useRun(url, {fetch: mock.fetch, retryDelay: 0.001, ...options})
  useEffect(() => {
    renders += 1
    shown[name] = run
  })
  useEffect(() => {
    if (states && states.at(-1) !== run.connection) states.push(run.connection)
  })
  return <p>{run.status}</p>
}

function shownRun(name = 'one'): UseRun {
  return shown[name] as UseRun
}

/** Renders, and waits until the effects have run, which may be after the page shows the content. */
async function render(content: ReactNode): Promise<void> {
  const before = renders
  root.render(content)
  await until(() => renders > before)
}

/** Waits until a condition holds. */
async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

async function started(input: object = {}, name = 'one'): Promise<string | undefined> {
  const id = await shownRun(name).start(input)
  mock.stream.sendEvent('start', {run: id, operation: 'count'})
  await until(() => shownRun(name).status === 'running')
  return id
}

beforeEach(() => {
  service = `http://service-${++tests}.test`
  mock = createMockService()
  shown = {}
  renders = 0
  document.body.innerHTML = '<div></div>'
  root = createRoot(document.body.firstElementChild as Element)
})

afterEach(() => root.unmount())

test('the version of React is that of the vitest project', () => {
  expect(version.split('.')[0]).toBe(process.env['REACT'])
})

describe('the state', () => {
  test('is idle before there is a run', async () => {
    await render(<Show />)
    expect(shownRun()).toMatchObject({
      status: 'idle',
      connection: 'idle',
      text: '',
      thinking: '',
      partials: {},
      events: [],
    })
    expect(
      shownRun().progress ??
        shownRun().percent ??
        shownRun().eta ??
        shownRun().question ??
        shownRun().result ??
        shownRun().error,
    ).toBe(undefined)
    expect(mock.requests).toEqual([])
  })

  test('follows the run to its result', async () => {
    await render(<Show />)
    const id = shownRun().start({pages: 4})
    await until(() => shownRun().status === 'queued')
    expect(await id).toBe('r1')
    expect(mock.requests[0]?.body).toBe('{"pages":4}')
    const {stream} = mock
    stream.sendEvent('start', {run: 'r1', operation: 'count'})
    stream.sendEvent('progress', {message: 'Page 1', done: 1, total: 4, unit: 'pages', eta: 3})
    stream.sendEvent('progress', {message: 'Still at it'})
    stream.sendEvent('delta', {text: 'Hello ', channel: 'text'})
    stream.sendEvent('delta', {text: 'Hm.', channel: 'thinking'})
    stream.sendEvent('delta', {text: 'world', channel: 'text'})
    stream.sendEvent('partial', {key: 'page-1', value: {words: 3}})
    await until(() => shownRun().events.length === 7)
    expect(shownRun()).toMatchObject({
      id: 'r1',
      operation: 'count',
      status: 'running',
      connection: 'open',
      progress: {message: 'Still at it'},
      percent: 25,
      eta: 3,
      text: 'Hello world',
      thinking: 'Hm.',
      partials: {'page-1': {words: 3}},
      startedAt: TIME,
    })
    stream.sendEvent('result', {result: {pages: 4}})
    stream.sendEvent('done', {status: 'succeeded', elapsed: 1.5})
    await until(() => shownRun().status === 'succeeded' && shownRun().connection === 'closed')
    expect(shownRun()).toMatchObject({result: {pages: 4}, percent: 100, eta: undefined, elapsed: 1.5, endedAt: TIME})
    expect(shownRun().events.map(({id}) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('drops the percentage where a step begins', async () => {
    await render(<Show />)
    await started()
    mock.stream.sendEvent('progress', {done: 3, total: 4, step: 'pages', eta: 9})
    await until(() => shownRun().percent === 75)
    mock.stream.sendEvent('progress', {step: 'tables'})
    await until(() => shownRun().percent === undefined)
    expect(shownRun().eta).toBe(undefined)
  })

  test('has the error of a run that failed', async () => {
    await render(<Show />)
    await started()
    mock.stream.sendEvent('error', {code: 'out_of_paper', message: 'No paper.', retryable: true})
    mock.stream.sendEvent('done', {status: 'failed', elapsed: 1})
    await until(() => shownRun().status === 'failed')
    expect(shownRun().error).toBeInstanceOf(RunFailed)
    expect(shownRun().error).toMatchObject({code: 'out_of_paper', message: 'No paper.', retryable: true})
  })

  test('drops the output of a lost attempt', async () => {
    await render(<Show />)
    await started()
    mock.stream.sendEvent('progress', {done: 1, total: 2})
    mock.stream.sendEvent('delta', {text: 'Hello', channel: 'text'})
    mock.stream.sendEvent('partial', {key: 'a', value: 1})
    mock.stream.sendEvent('attempt', {attempt: 2, reason: 'producer_lost'})
    mock.stream.sendEvent('delta', {text: 'Hi', channel: 'text'})
    await until(() => shownRun().text === 'Hi')
    expect(shownRun()).toMatchObject({
      attempt: 2,
      partials: {},
      progress: undefined,
      percent: undefined,
      status: 'running',
    })
  })

  test('is that of the snapshot after a reset, and incomplete', async () => {
    await render(<Show />)
    await started()
    mock.stream.sendEvent('delta', {text: 'Hello', channel: 'text'})
    const snapshot = {
      status: 'waiting',
      operation: 'count',
      progress: {done: 1, total: 2},
      question: {question: 'q', prompt: '?', schema: {}},
    }
    mock.stream.sendEvent('reset', {snapshot})
    await until(() => shownRun().incomplete)
    expect(shownRun()).toMatchObject({text: '', percent: 50, status: 'waiting', question: {question: 'q'}})
  })

  test('keeps the newest maxEvents events', async () => {
    await render(<Show maxEvents={10} />)
    await started()
    for (let n = 0; n < 95; n++) mock.stream.sendEvent('progress', {done: n, total: 95})
    await until(() => shownRun().events.at(-1)?.id === 96)
    expect(shownRun().events.length).toBe(10)
  })

  test('keeps the newest maxEvents events of a run that it only watches', async () => {
    await render(<Show runId="r7" maxEvents={10} />)
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r7'})
    for (let n = 0; n < 95; n++) mock.stream.sendEvent('progress', {done: n, total: 95})
    await until(() => shownRun().events.at(-1)?.id === 96)
    expect(shownRun().events.length).toBe(10)
  })
})

describe('renders', () => {
  test('are few: ten thousand events take less than a thousand', async () => {
    await render(<Show />)
    await started()
    const before = renders
    for (let n = 1; n <= 10_000; n++) {
      mock.stream.sendEvent('delta', {text: 'x', channel: 'text'})
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve)) // in pieces, as over a network
    }
    await until(() => shownRun().text.length === 10_000)
    expect(shownRun().events.length).toBe(10_000)
    expect(renders - before).toBeLessThan(1_000)
  })

  test('do not change the verbs', async () => {
    await render(<Show />)
    const {start, cancel, disconnect, reconnect, answer, reset} = shownRun()
    await started()
    expect(shownRun()).toMatchObject({start, cancel, disconnect, reconnect, answer, reset})
  })

  test('do not happen without an event', async () => {
    await render(<Show />)
    await started()
    await until(() => shownRun().connection === 'open')
    const before = renders
    mock.stream.send(': keep-alive\n\n')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(renders).toBe(before)
  })
})

describe('one connection', () => {
  const watching = () => mock.requestLines().filter((request) => request === 'GET /runs/r7/events')

  test('however often StrictMode mounts', async () => {
    await render(
      <StrictMode>
        <Show runId="r7" />
      </StrictMode>,
    )
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r7'})
    await until(() => shownRun().status === 'running')
    await new Promise((resolve) => setTimeout(resolve, 300)) // longer than a store without components is kept
    expect(watching().length).toBe(1)
    expect(mock.stream.aborted).toBe(false)
  })

  test('however many components watch a run, by its id or by its URL', async () => {
    await render(
      <>
        <Show name="one" runId="r7" />
        <Show name="two" runId="r7" />
        <Show name="three" url={`${service}/runs/r7`} />
      </>,
    )
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r7'})
    await until(() => ['one', 'two', 'three'].every((name) => shownRun(name).status === 'running'))
    expect(watching().length).toBe(1)
  })

  test('for the component that started a run and another one with its id', async () => {
    const content = (runId?: string) => (
      <>
        <Show name="one" />
        {runId && <Show name="two" runId={runId} />}
      </>
    )
    await render(content())
    const id = await started()
    root.render(content(id))
    await until(() => shownRun('two')?.status === 'running')
    expect(mock.requestLines()).toEqual(['POST /operations/count'])
  })

  test('for a component that gets the id of the run that it started', async () => {
    await render(<Show />)
    const id = await started()
    await render(<Show runId={id} />)
    mock.stream.sendEvent('delta', {text: 'on', channel: 'text'})
    await until(() => shownRun().text === 'on')
    expect(mock.requestLines()).toEqual(['POST /operations/count'])
  })

  test('for components of one key, before the start too', async () => {
    await render(
      <>
        <Show name="one" key="1" />
        <Keyed name="two" />
        <Keyed name="three" />
      </>,
    )
    await started({}, 'two')
    await until(() => shownRun('three').status === 'running')
    expect(shownRun('one').status).toBe('idle')
    expect(mock.requestLines()).toEqual(['POST /operations/count'])
  })

  test('ends with the last component', async () => {
    await render(
      <>
        <Show name="one" runId="r7" />
        <Show name="two" runId="r7" />
      </>,
    )
    await until(() => mock.streams.length)
    root.render(<Show name="one" runId="r7" />)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(mock.stream.aborted).toBe(false)
    root.render(<p>Another page</p>)
    await until(() => mock.stream.aborted)
    expect(mock.requestLines()).toEqual(['GET /runs/r7/events'])
  })
})

/** A component whose hook has a key, which React would keep for itself. */
function Keyed({name, operation = 'count'}: {name: string; operation?: string}) {
  const run = useRun(`${service}/operations/${operation}`, {fetch: mock.fetch, key: 'report'})
  useEffect(() => {
    shown[name] = run
  })
  return null
}

describe('a run with an id', () => {
  test('is watched from its first event after a reload', async () => {
    await render(<Show runId="r7" />)
    expect(shownRun()).toMatchObject({id: 'r7', status: 'queued'})
    await until(() => mock.streams.length)
    expect(mock.stream).toMatchObject({request: 'GET /runs/r7/events', lastEventId: null})
    mock.stream.sendEvent('start', {run: 'r7', operation: 'count'})
    await until(() => shownRun().operation === 'count')
  })

  test('is left for another one, and for none', async () => {
    await render(<Show runId="r7" />)
    await until(() => mock.streams.length === 1)
    await render(<Show runId="r8" />)
    await until(() => mock.streams.length === 2)
    expect(mock.stream.request).toBe('GET /runs/r8/events')
    await until(() => mock.streams[0]?.aborted)
    await render(<Show runId={null} />)
    await until(() => shownRun().status === 'idle' && mock.streams[1]?.aborted)
  })

  test('that the service does not know is an error', async () => {
    mock.on('GET /runs/r7/events', () => problem(404, 'run_not_found'))
    await render(<Show runId="r7" />)
    await until(() => shownRun().error)
    expect(shownRun()).toMatchObject({status: 'idle', connection: 'lost', error: {code: 'run_not_found', status: 404}})
  })
})

describe('the right run', () => {
  test('a component that watches a run keeps it when the form that started it goes on', async () => {
    const content = (id?: string) => (
      <>
        <Show name="form" />
        {id && <Show name="watcher" url={`${service}/runs/${id}`} />}
      </>
    )
    await render(content())
    const id = await started({}, 'form')
    root.render(content(id))
    await until(() => shownRun('watcher')?.status === 'running')
    expect(await shownRun('form').start()).toBe('r2')
    await until(() => shownRun('form').id === 'r2')
    expect(shownRun('watcher')).toMatchObject({id, status: 'running'})
    shownRun('form').reset()
    await until(() => shownRun('form').status === 'idle')
    expect(shownRun('watcher')).toMatchObject({id, status: 'running'})
  })

  test('a component with the id of a run starts no other', async () => {
    await render(
      <>
        <Show name="one" runId="r7" />
        <Show name="two" runId="r7" />
      </>,
    )
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r7', operation: 'count'})
    expect(await shownRun('one').start()).toBe(undefined)
    await until(() => shownRun('one').error?.code === 'no_operation')
    expect(shownRun('two')).toMatchObject({id: 'r7', error: undefined})
    expect(mock.requestLines()).toEqual(['GET /runs/r7/events'])
  })

  test('one key on two operations is two stores', async () => {
    await render(
      <>
        <Show />
        <Keyed name="one" />
        <Keyed name="two" operation="other" />
      </>,
    )
    await started({}, 'two')
    expect(mock.requestLines()).toEqual(['POST /operations/other'])
    expect(shownRun('one').status).toBe('idle')
  })

  test('another URL is another operation', async () => {
    await render(<Show />)
    await started()
    await render(<Show url={`${service}/operations/other`} />)
    await until(() => shownRun().status === 'idle')
    await shownRun().start()
    expect(mock.requestLines().at(-1)).toBe('POST /operations/other')
  })

  test('an option that is absent is no longer used', async () => {
    await render(<Show headers={{Authorization: 'Bearer old'}} />)
    await started()
    await render(<Show headers={undefined} />)
    mock.stream.cut()
    await until(() => mock.streams.length === 2)
    expect(mock.requests.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer old', null])
  })

  test.each(['effect', 'layout effect'])('a child starts it in its %s', async (kind) => {
    root.render(<Parent useKind={kind === 'effect' ? useEffect : useLayoutEffect} />)
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r1', operation: 'count'})
    await until(() => document.body.textContent === 'running')
  })
})

describe('failures', () => {
  test.each([
    ['a cyclic input', () => [cyclic(), {}]],
    ['an integer that JSON has not', () => [{pages: 1n}, {}]],
    ['an event of the page', () => [new Event('click'), {}]],
    ['headers that throw', () => [{}, {headers: () => fail()}]],
  ] as [string, () => [object, UseRunOptions]][])('of the caller are told at once: %s', async (_, make) => {
    const [input, options] = make()
    await render(<Show {...options} />)
    expect(await shownRun().start(input)).toBe(undefined)
    await until(() => shownRun().error)
    expect(shownRun()).toMatchObject({status: 'idle', error: {code: 'client_error', retryable: false}})
    expect(mock.requests).toEqual([])
  })

  test('that are followed by another attempt are shown', async () => {
    await render(<Show retryDelay={0.2} />)
    mock.on('POST /operations/count', () => problem(429, 'too_many_runs'))
    const id = shownRun().start()
    await until(() => shownRun().failureCount === 2)
    expect(shownRun()).toMatchObject({status: 'queued', error: undefined, failureReason: {code: 'too_many_runs'}})
    expect(shownRun().nextAttemptAt).toBeGreaterThan(Date.now() - 1000)
    mock.on('POST /operations/count', () => problem(422, 'invalid_input'))
    expect(await id).toBe(undefined)
    await until(() => shownRun().error)
    expect(shownRun()).toMatchObject({status: 'idle', failureCount: 0, error: {code: 'invalid_input'}})
  })

  test('stay until the next start', async () => {
    mock.on('POST /operations/count', () => problem(422, 'invalid_input'))
    await render(<Show />)
    await shownRun().start()
    await until(() => shownRun().error)
    await render(<Show heartbeat={20} />)
    expect(shownRun().error?.code).toBe('invalid_input')
    mock.on('POST /operations/count', () => new Response(null, {status: 202, headers: {'Run-Id': 'r1'}}))
    expect(await shownRun().start()).toBe('r1')
    await until(() => shownRun().id === 'r1' && shownRun().error === undefined)
  })
})

function Parent({useKind}: {useKind: typeof useEffect}) {
  const run = useRun(`${service}/operations/count`, {fetch: mock.fetch})
  return (
    <>
      <Child start={run.start} useKind={useKind} />
      {run.error?.message ?? run.status}
    </>
  )
}

function Child({start, useKind}: {start: () => unknown; useKind: typeof useEffect}) {
  useKind(() => void start(), [start])
  return null
}

function cyclic(): object {
  const input: Record<string, unknown> = {}
  return Object.assign(input, {input})
}

function fail(): never {
  throw new Error('no token')
}

describe('the verbs', () => {
  test('start: calls onStart with the id', async () => {
    const onStart = vi.fn()
    await render(<Show onStart={onStart} />)
    await started()
    expect(onStart.mock.calls).toEqual([['r1']])
  })

  test('start: a refusal is an error without a run', async () => {
    const refusal = {errors: [{loc: ['pages'], msg: 'is a number'}]}
    mock.on('POST /operations/count', () => problem(422, 'invalid_input', refusal))
    await render(<Show />)
    expect(await shownRun().start({pages: 'many'})).toBe(undefined)
    await until(() => shownRun().error)
    expect(shownRun().error).toBeInstanceOf(Problem)
    expect(shownRun()).toMatchObject({status: 'idle', error: {code: 'invalid_input', ...refusal}})
  })

  test('start: replaces the earlier run', async () => {
    await render(<Show />)
    await started()
    const first = mock.stream
    first.sendEvent('delta', {text: 'old', channel: 'text'})
    await until(() => shownRun().text)
    expect(await shownRun().start()).toBe('r2')
    expect(first.aborted).toBe(true)
    await until(() => shownRun().id === 'r2')
    expect(shownRun()).toMatchObject({text: '', status: 'queued'})
  })

  test('start: cannot start anything at the URL of a run', async () => {
    await render(<Show url={`${service}/runs/r7`} />)
    expect(await shownRun().start()).toBe(undefined)
    await until(() => shownRun().error?.code === 'no_operation')
  })

  test('cancel: the status is cancelling until the run is over', async () => {
    await render(<Show />)
    await started()
    await shownRun().cancel()
    await until(() => shownRun().status === 'cancelling')
    mock.stream.sendEvent('answer', {question: 'q1'})
    mock.stream.sendEvent('progress', {message: 'tidying up'})
    await until(() => shownRun().progress?.message)
    expect(shownRun().status).toBe('cancelling')
    expect(mock.requestLines().at(-1)).toBe('DELETE /runs/r1')
    mock.stream.sendEvent('done', {status: 'cancelled', elapsed: 1, reason: 'requested'})
    await until(() => shownRun().status === 'cancelled')
    expect(shownRun()).toMatchObject({reason: 'requested', connection: 'closed', error: undefined})
  })

  test('cancel: a refused one leaves the status as it was', async () => {
    await render(<Show />)
    await started()
    mock.on('DELETE /runs/r1', () => problem(403, 'forbidden'))
    await shownRun().cancel()
    await until(() => shownRun().error?.code === 'forbidden')
    expect(shownRun().status).toBe('running')
  })

  test('cancel: ends a start that is not answered', async () => {
    await render(<Show retryDelay={0.05} />)
    mock.on('POST /operations/count', () => problem(503, 'unavailable'))
    const id = shownRun().start()
    await until(() => shownRun().failureCount === 1)
    await Promise.all([shownRun().cancel(), id])
    await until(() => shownRun().status === 'cancelled')
    expect(shownRun()).toMatchObject({reason: 'requested', error: undefined, failureCount: 0})
    const sent = mock.requests.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(mock.requests.length).toBe(sent)
  })

  test('disconnect: does not cancel, and reconnect resumes after the last event', async () => {
    await render(<Show />)
    await started()
    shownRun().disconnect()
    await until(() => shownRun().connection === 'closed')
    expect(shownRun().status).toBe('running')
    expect(mock.requestLines()).toEqual(['POST /operations/count'])
    shownRun().reconnect()
    await until(() => mock.streams.length === 2)
    expect(mock.stream).toMatchObject({request: 'GET /runs/r1/events', lastEventId: '1'})
    mock.stream.sendEvent('delta', {text: 'again', channel: 'text'})
    await until(() => shownRun().text === 'again' && shownRun().connection === 'open')
  })

  test('answer: answers the open question', async () => {
    await render(<Show />)
    await started()
    mock.stream.sendEvent('question', {question: 'q2', prompt: 'Go on?', schema: {type: 'boolean'}})
    await until(() => shownRun().status === 'waiting')
    expect(shownRun().question?.prompt).toBe('Go on?')
    mock.on('POST /runs/r1/answer', () => problem(422, 'invalid_answer', {errors: [{loc: ['answer'], msg: 'is none'}]}))
    await expect(shownRun().answer(3)).rejects.toMatchObject({code: 'invalid_answer', errors: [{loc: ['answer']}]})
    mock.on('POST /runs/r1/answer', () => Response.json({}))
    await shownRun().answer(true)
    expect(mock.requests.at(-1)?.body).toBe('{"question":"q2","answer":true}')
    mock.stream.sendEvent('answer', {question: 'q2'})
    await until(() => shownRun().status === 'running')
    expect(shownRun().question).toBe(undefined)
  })

  test('reset: drops the run', async () => {
    await render(<Show />)
    await started()
    shownRun().reset()
    await until(() => shownRun().status === 'idle')
    expect(shownRun()).toMatchObject({connection: 'idle', id: undefined, events: []})
    expect(mock.stream.aborted).toBe(true)
  })
})

describe('the connection', () => {
  test('is interrupted while the run is running, and reconnects', async () => {
    const states: string[] = []
    await render(<Show retryDelay={0.1} states={states} />)
    await started()
    await until(() => shownRun().connection === 'open')
    mock.stream.end()
    await until(() => shownRun().connection === 'interrupted')
    expect(shownRun().status).toBe('running')
    await until(() => shownRun().connection === 'open')
    expect(mock.stream.lastEventId).toBe('1')
    expect(states).toEqual(['idle', 'connecting', 'open', 'interrupted', 'open'])
  })

  test('is lost with an error, and can be restored', async () => {
    await render(<Show maxAttempts={2} />)
    await started()
    mock.on('GET /runs/r1/events', () => problem(503, 'unavailable'))
    mock.stream.cut()
    await until(() => shownRun().connection === 'lost')
    expect(shownRun().error).toBeInstanceOf(Interrupted)
    expect(shownRun().status).toBe('running')
    mock.on(
      'GET /runs/r1/events',
      () =>
        new Response('retry: 1\n\nid: 2\nevent: done\ndata: {"status":"succeeded"}\n\n', {
          headers: {'Content-Type': 'text/event-stream'},
        }),
    )
    shownRun().reconnect()
    await until(() => shownRun().status === 'succeeded')
    expect(shownRun().error).toBe(undefined)
  })

  test('uses the headers of the last render', async () => {
    await render(<Show headers={{Authorization: 'Bearer old'}} />)
    await started()
    await render(<Show headers={async () => ({Authorization: 'Bearer new'})} />)
    mock.stream.cut()
    await until(() => mock.streams.length === 2)
    expect(mock.requests.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer old', 'Bearer new'])
  })
})

function Count({options}: {options?: UseRunOptions | undefined}) {
  const run = useClient().useRun('count', options)
  useEffect(() => {
    renders += 1
    shown['one'] = run
  })
  return run.status
}

function Badge() {
  const status = useRun(`${service}/runs/r7`, {fetch: mock.fetch, select: (run) => ({status: run.status})})
  useEffect(() => {
    renders += 1
  })
  return status.status
}

function Declared({name, input, keep}: {name: string; input: object | null; keep?: number}) {
  const run = useRun(`${service}/operations/count`, {fetch: mock.fetch, key: 'declared', input, keep})
  useEffect(() => {
    renders += 1
    shown[name] = run
  })
  return null
}

describe('a client', () => {
  test('has the URL and the options of all runs; those of a run replace them', async () => {
    const client = createClient({
      url: `${service}/api/`,
      fetch: mock.fetch,
      headers: {Authorization: 'Bearer all'},
      retryDelay: 0.001,
    })
    const content = (options?: UseRunOptions) => (
      <HeadwayProvider client={client}>
        <Count options={options} />
      </HeadwayProvider>
    )
    mock.on('POST /api/operations/count', () => problem(422, 'invalid_input'))
    await render(content({headers: undefined}))
    await shownRun().start()
    await render(content({headers: {Authorization: 'Bearer own'}}))
    await shownRun().start()
    expect(mock.requests.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer all', 'Bearer own'])
    const run = client.watchRun('r7')
    await run.snapshot()
    expect(mock.requestLines().at(-1)).toBe('GET /api/runs/r7')
    run.disconnect()
  })

  test('is missing without a provider', () => {
    expect(() => renderToString(<Count />)).toThrow('HeadwayProvider')
  })
})

describe('callbacks', () => {
  test('follow a run to its result, each of them in each component', async () => {
    const calls: string[] = []
    const callbacks = (name: string): UseRunOptions => ({
      onEvent: ({type}) => calls.push(`${name} ${type}`),
      onSuccess: (result) => calls.push(`${name} success ${result}`),
      onError: ({code}) => calls.push(`${name} error ${code}`),
      onSettled: ({status}) => calls.push(`${name} settled ${status}`),
    })
    await render(
      <>
        <Show name="one" runId="r7" {...callbacks('one')} />
        <Show name="two" runId="r7" {...callbacks('two')} />
      </>,
    )
    await until(() => mock.streams.length)
    mock.stream.sendEvent('result', {result: 3})
    mock.stream.sendEvent('done', {status: 'succeeded', elapsed: 1})
    await until(() => shownRun('two').status === 'succeeded')
    expect(calls.filter((call) => call.startsWith('one'))).toEqual([
      'one result',
      'one done',
      'one success 3',
      'one settled succeeded',
    ])
    expect(calls.filter((call) => call.startsWith('two')).length).toBe(4)
  })

  test.each([
    ['a failed run', {status: 'failed', elapsed: 1}, ['error operation_failed', 'settled failed']],
    ['a cancelled run', {status: 'cancelled', elapsed: 1}, ['settled cancelled']],
  ])('after %s', async (_, done, expected) => {
    const calls: string[] = []
    await render(
      <Show
        onError={({code}) => calls.push(`error ${code}`)}
        onSettled={({status}) => calls.push(`settled ${status}`)}
      />,
    )
    await started()
    mock.stream.sendEvent('done', done)
    await until(() => calls.length === expected.length)
    expect(calls).toEqual(expected)
  })

  test('after a refused start, and one that cannot be sent', async () => {
    const codes: string[] = []
    const onSettled = vi.fn()
    await render(<Show onError={({code}) => codes.push(code)} onSettled={onSettled} />)
    mock.on('POST /operations/count', () => problem(422, 'invalid_input'))
    await shownRun().start()
    await until(() => codes.length)
    await shownRun().start(cyclic())
    expect(codes).toEqual(['invalid_input', 'client_error'])
    expect(onSettled).toHaveBeenCalledTimes(2)
  })

  test('that throw do not end the stream', async () => {
    const reported = vi.fn()
    process.once('uncaughtException', reported)
    await render(<Show onEvent={fail} />)
    await shownRun().start()
    mock.stream.sendEvent('delta', {text: 'on', channel: 'text'})
    await until(() => shownRun().text === 'on' && reported.mock.calls.length)
  })
})

describe('select', () => {
  test('renders once a change of what it selects', async () => {
    await render(<Badge />)
    await until(() => mock.streams.length)
    mock.stream.sendEvent('start', {run: 'r7'})
    await until(() => document.body.textContent === 'running')
    for (let n = 0; n < 50; n++) {
      mock.stream.sendEvent('progress', {done: n, total: 50})
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    mock.stream.sendEvent('done', {status: 'succeeded', elapsed: 1})
    await until(() => document.body.textContent === 'succeeded')
    expect(renders).toBe(3)
  })
})

describe('an input', () => {
  const posts = () => mock.requestLines().filter((line) => line.startsWith('POST')).length

  test('starts a run once, in StrictMode too, and another one when it changes', async () => {
    const content = (pages: number) => (
      <StrictMode>
        <Show input={{pages}} />
      </StrictMode>
    )
    await render(content(3))
    await until(() => mock.streams.length)
    await render(content(3))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(posts()).toBe(1)
    await render(content(4))
    await until(() => mock.streams.length === 2)
    expect(mock.requests.map(({body}) => body)).toEqual(['{"pages":3}', '{"pages":4}'])
  })

  test('starts one run for all components of a key, and none where it is null', async () => {
    const content = (input: object | null) => (
      <StrictMode>
        <Declared name="one" input={input && {...input}} />
        <Declared name="two" input={input} />
      </StrictMode>
    )
    await render(content(null))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(posts()).toBe(0)
    await render(content({pages: 3}))
    await until(() => shownRun('one').id && shownRun('two').id)
    expect(posts()).toBe(1)
  })
})

describe('a run that is replaced', () => {
  test.each([
    ['cancel', ['POST /operations/count', 'DELETE /runs/r1', 'POST /operations/count']],
    ['keep', ['POST /operations/count', 'POST /operations/count']],
  ] as const)('with previous: %s', async (previous, lines) => {
    await render(<Show previous={previous} />)
    await started()
    const first = mock.stream
    await shownRun().start()
    await until(() => first.aborted)
    expect(mock.requestLines().sort()).toEqual([...lines].sort())
  })

  test('is not started again where it was not answered yet', async () => {
    await render(<Show previous="cancel" retryDelay={0.05} />)
    mock.on('POST /operations/count', () => problem(503, 'unavailable'))
    const first = shownRun().start({first: true})
    await until(() => shownRun().failureCount === 1)
    mock.on('POST /operations/count', () => problem(422, 'invalid_input'))
    await Promise.all([shownRun().start({second: true}), first])
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(mock.requests.map(({body}) => body)).toEqual(['{"first":true}', '{"second":true}'])
  })

  test('is cancelled only if it is not over', async () => {
    await render(<Show previous="cancel" />)
    await started()
    mock.stream.sendEvent('done', {status: 'succeeded', elapsed: 1})
    await until(() => shownRun().status === 'succeeded')
    await shownRun().start()
    expect(mock.requestLines()).toEqual(['POST /operations/count', 'POST /operations/count'])
  })
})

test('a state is kept after the last component, and the stream resumes where it was', async () => {
  await render(<Show runId="r7" keep={60} />)
  await until(() => mock.streams.length)
  mock.stream.sendEvent('delta', {text: 'kept', channel: 'text'})
  await until(() => shownRun().text === 'kept')
  root.render(<p>Another page</p>)
  await until(() => mock.stream.aborted)
  await new Promise((resolve) => setTimeout(resolve, 300)) // longer than a state is kept without the option
  await render(<Show runId="r7" />)
  expect(shownRun().text).toBe('kept')
  await until(() => mock.streams.length === 2)
  expect(mock.stream.lastEventId).toBe('1')
})

test('a state of a key is kept after the last component', async () => {
  const content = <Declared name="one" input={null} keep={60} />
  await render(content)
  await started({}, 'one')
  root.render(<p>Another page</p>)
  await until(() => mock.stream.aborted)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await render(content)
  expect(shownRun()).toMatchObject({id: 'r1', status: 'running'})
})

test('linger is a preference of the start', async () => {
  await render(<Show linger={60} />)
  await started()
  expect(mock.requests[0]?.headers.get('Prefer')).toBe('linger=60')
})

test('a server renders the first state', () => {
  expect(renderToString(<Show />)).toBe('<p>idle</p>')
  expect(renderToString(<Show runId="r7" />)).toBe('<p>queued</p>')
  expect(mock.requests).toEqual([])
})
