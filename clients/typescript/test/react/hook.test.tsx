/** `useRun` in components, under a service whose every word the test says. */

import {type ReactNode, StrictMode, useEffect, version} from 'react'
import {createRoot, type Root} from 'react-dom/client'
import {renderToString} from 'react-dom/server'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'

import {Interrupted, Problem, RunFailed, type UseRun, type UseRunOptions, useRun} from '../../src/react.ts'
import {createStage, problem, TIME} from '../stage.ts'

/** The service of a test; another one for each, for what is shared outlives a test by a moment. */
let service = ''
let tests = 0
let stage = createStage()
let root: Root
let renders = 0
/** What each `Show` has been given last, by its name. */
let shown: Record<string, UseRun> = {}

interface Shown extends UseRunOptions {
  name?: string
  url?: string
  /** Gets every state of the line. */
  lines?: string[]
}

function Show({name = 'one', url = `${service}/operations/count`, lines, ...options}: Shown) {
  const run = useRun(url, {fetch: stage.fetch, retryDelay: 0.001, ...options})
  useEffect(() => {
    renders += 1
    shown[name] = run
  })
  useEffect(() => {
    if (lines && lines.at(-1) !== run.connection) lines.push(run.connection)
  })
  return <p>{run.status}</p>
}

function one(name = 'one'): UseRun {
  return shown[name] as UseRun
}

/** Renders, and waits until the effects have run: what is on the page may be ahead of them. */
async function render(content: ReactNode): Promise<void> {
  const before = renders
  root.render(content)
  await until(() => renders > before)
}

/** Waits until a condition holds of what is shown. */
async function until(condition: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBeTruthy(), {timeout: 10_000, interval: 2})
}

async function started(input: object = {}, name = 'one'): Promise<string | undefined> {
  const id = await one(name).start(input)
  stage.stream.say('start', {run: id, operation: 'count'})
  await until(() => one(name).status === 'running')
  return id
}

beforeEach(() => {
  service = `http://service-${++tests}.test`
  stage = createStage()
  shown = {}
  renders = 0
  document.body.innerHTML = '<div></div>'
  root = createRoot(document.body.firstElementChild as Element)
})

afterEach(() => root.unmount())

test('this is the React that the project names', () => {
  expect(version.split('.')[0]).toBe(process.env['REACT'])
})

describe('the state', () => {
  test('is idle before there is a run', async () => {
    await render(<Show />)
    expect(one()).toMatchObject({status: 'idle', connection: 'idle', text: '', thinking: '', partials: {}, events: []})
    expect(one().progress ?? one().percent ?? one().eta ?? one().question ?? one().result ?? one().error).toBe(
      undefined,
    )
    expect(stage.asked).toEqual([])
  })

  test('follows the run to its result', async () => {
    await render(<Show />)
    const asked = one().start({pages: 4})
    await until(() => one().status === 'queued')
    expect(await asked).toBe('r1')
    expect(stage.asked[0]?.body).toBe('{"pages":4}')
    const {stream} = stage
    stream.say('start', {run: 'r1', operation: 'count'})
    stream.say('progress', {message: 'Page 1', done: 1, total: 4, unit: 'pages', eta: 3})
    stream.say('progress', {message: 'Still at it'})
    stream.say('delta', {text: 'Hello ', channel: 'text'})
    stream.say('delta', {text: 'Hm.', channel: 'thinking'})
    stream.say('delta', {text: 'world', channel: 'text'})
    stream.say('partial', {key: 'page-1', value: {words: 3}})
    await until(() => one().events.length === 7)
    expect(one()).toMatchObject({
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
    stream.say('result', {result: {pages: 4}})
    stream.say('done', {status: 'succeeded', elapsed: 1.5})
    await until(() => one().status === 'succeeded' && one().connection === 'closed')
    expect(one()).toMatchObject({result: {pages: 4}, percent: 100, eta: undefined, elapsed: 1.5, endedAt: TIME})
    expect(one().events.map(({id}) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('begins the percentage anew with a step', async () => {
    await render(<Show />)
    await started()
    stage.stream.say('progress', {done: 3, total: 4, step: 'pages', eta: 9})
    await until(() => one().percent === 75)
    stage.stream.say('progress', {step: 'tables'})
    await until(() => one().percent === undefined)
    expect(one().eta).toBe(undefined)
  })

  test('tells why a run failed', async () => {
    await render(<Show />)
    await started()
    stage.stream.say('error', {code: 'out_of_paper', message: 'No paper.', retryable: true})
    stage.stream.say('done', {status: 'failed', elapsed: 1})
    await until(() => one().status === 'failed')
    expect(one().error).toBeInstanceOf(RunFailed)
    expect(one().error).toMatchObject({code: 'out_of_paper', message: 'No paper.', retryable: true})
  })

  test('drops what came of an attempt that was lost', async () => {
    await render(<Show />)
    await started()
    stage.stream.say('progress', {done: 1, total: 2})
    stage.stream.say('delta', {text: 'Hello', channel: 'text'})
    stage.stream.say('partial', {key: 'a', value: 1})
    stage.stream.say('attempt', {attempt: 2, reason: 'producer_lost'})
    stage.stream.say('delta', {text: 'Hi', channel: 'text'})
    await until(() => one().text === 'Hi')
    expect(one()).toMatchObject({attempt: 2, partials: {}, progress: undefined, percent: undefined, status: 'running'})
  })

  test('takes a snapshot for what was lost in a gap, and says that there is one', async () => {
    await render(<Show />)
    await started()
    stage.stream.say('delta', {text: 'Hello', channel: 'text'})
    const snapshot = {
      status: 'waiting',
      operation: 'count',
      progress: {done: 1, total: 2},
      question: {question: 'q', prompt: '?', schema: {}},
    }
    stage.stream.say('reset', {snapshot})
    await until(() => one().incomplete)
    expect(one()).toMatchObject({text: '', percent: 50, status: 'waiting', question: {question: 'q'}})
  })

  test('keeps no more events than it is told to', async () => {
    await render(<Show maxEvents={10} />)
    await started()
    for (let n = 0; n < 95; n++) stage.stream.say('progress', {done: n, total: 95})
    await until(() => one().events.at(-1)?.id === 96)
    expect(one().events.length).toBe(10)
  })

  test('keeps no more events of a run that it only watches, either', async () => {
    await render(<Show runId="r7" maxEvents={10} />)
    await until(() => stage.streams.length)
    stage.stream.say('start', {run: 'r7'})
    for (let n = 0; n < 95; n++) stage.stream.say('progress', {done: n, total: 95})
    await until(() => one().events.at(-1)?.id === 96)
    expect(one().events.length).toBe(10)
  })
})

describe('renders', () => {
  test('are gathered: ten thousand events are no ten thousand renders', async () => {
    await render(<Show />)
    await started()
    const before = renders
    for (let n = 1; n <= 10_000; n++) {
      stage.stream.say('delta', {text: 'x', channel: 'text'})
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve)) // as a network would: in pieces
    }
    await until(() => one().text.length === 10_000)
    expect(one().events.length).toBe(10_000)
    expect(renders - before).toBeLessThan(1_000)
  })

  test('leave the verbs as they are', async () => {
    await render(<Show />)
    const {start, cancel, disconnect, reconnect, answer, reset} = one()
    await started()
    expect(one()).toMatchObject({start, cancel, disconnect, reconnect, answer, reset})
  })

  test('without events, there are none', async () => {
    await render(<Show />)
    await started()
    await until(() => one().connection === 'open')
    const before = renders
    stage.stream.send(': keep-alive\n\n')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(renders).toBe(before)
  })
})

describe('one connection', () => {
  const watching = () => stage.requests().filter((request) => request === 'GET /runs/r7/events')

  test('however often StrictMode mounts', async () => {
    await render(
      <StrictMode>
        <Show runId="r7" />
      </StrictMode>,
    )
    await until(() => stage.streams.length)
    stage.stream.say('start', {run: 'r7'})
    await until(() => one().status === 'running')
    await new Promise((resolve) => setTimeout(resolve, 300)) // longer than a store without components is kept
    expect(watching().length).toBe(1)
    expect(stage.stream.left).toBe(false)
  })

  test('however many components watch a run, by its id or by its URL', async () => {
    await render(
      <>
        <Show name="one" runId="r7" />
        <Show name="two" runId="r7" />
        <Show name="three" url={`${service}/runs/r7`} />
      </>,
    )
    await until(() => stage.streams.length)
    stage.stream.say('start', {run: 'r7'})
    await until(() => ['one', 'two', 'three'].every((name) => one(name).status === 'running'))
    expect(watching().length).toBe(1)
  })

  test('for the component that started a run and one that is told its id', async () => {
    const content = (runId?: string) => (
      <>
        <Show name="one" />
        {runId && <Show name="two" runId={runId} />}
      </>
    )
    await render(content())
    const id = await started()
    root.render(content(id))
    await until(() => one('two')?.status === 'running')
    expect(stage.requests()).toEqual(['POST /operations/count'])
  })

  test('for a component that is given the id of the run it has started', async () => {
    await render(<Show />)
    const id = await started()
    await render(<Show runId={id} />)
    stage.stream.say('delta', {text: 'on', channel: 'text'})
    await until(() => one().text === 'on')
    expect(stage.requests()).toEqual(['POST /operations/count'])
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
    await until(() => one('three').status === 'running')
    expect(one('one').status).toBe('idle')
    expect(stage.requests()).toEqual(['POST /operations/count'])
  })

  test('ends with the last component', async () => {
    await render(
      <>
        <Show name="one" runId="r7" />
        <Show name="two" runId="r7" />
      </>,
    )
    await until(() => stage.streams.length)
    root.render(<Show name="one" runId="r7" />)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(stage.stream.left).toBe(false)
    root.render(<p>Another page</p>)
    await until(() => stage.stream.left)
    expect(stage.requests()).toEqual(['GET /runs/r7/events'])
  })
})

/** A component whose hook has a key, which React would keep for itself. */
function Keyed({name}: {name: string}) {
  const run = useRun(`${service}/operations/count`, {fetch: stage.fetch, key: 'report'})
  useEffect(() => {
    shown[name] = run
  })
  return null
}

describe('a run of before', () => {
  test('is watched from its first event on after a reload', async () => {
    await render(<Show runId="r7" />)
    expect(one()).toMatchObject({id: 'r7', status: 'queued'})
    await until(() => stage.streams.length)
    expect(stage.stream).toMatchObject({request: 'GET /runs/r7/events', lastEventId: null})
    stage.stream.say('start', {run: 'r7', operation: 'count'})
    await until(() => one().operation === 'count')
  })

  test('gives way to another one, and to none', async () => {
    await render(<Show runId="r7" />)
    await until(() => stage.streams.length === 1)
    await render(<Show runId="r8" />)
    await until(() => stage.streams.length === 2)
    expect(stage.stream.request).toBe('GET /runs/r8/events')
    await until(() => stage.streams[0]?.left)
    await render(<Show runId={null} />)
    await until(() => one().status === 'idle' && stage.streams[1]?.left)
  })

  test('that is not there any more is said', async () => {
    stage.on('GET /runs/r7/events', () => problem(404, 'run_not_found'))
    await render(<Show runId="r7" />)
    await until(() => one().error)
    expect(one()).toMatchObject({status: 'idle', connection: 'lost', error: {code: 'run_not_found', status: 404}})
  })
})

describe('the verbs', () => {
  test('start: tells the id, once it is there', async () => {
    const told = vi.fn()
    await render(<Show onStart={told} />)
    await started()
    expect(told.mock.calls).toEqual([['r1']])
  })

  test('start: a refusal is an error, and no run', async () => {
    const refusal = {errors: [{loc: ['pages'], msg: 'is a number'}]}
    stage.on('POST /operations/count', () => problem(422, 'invalid_input', refusal))
    await render(<Show />)
    expect(await one().start({pages: 'many'})).toBe(undefined)
    await until(() => one().error)
    expect(one().error).toBeInstanceOf(Problem)
    expect(one()).toMatchObject({status: 'idle', error: {code: 'invalid_input', ...refusal}})
  })

  test('start: takes the place of the run before, and of its error', async () => {
    await render(<Show />)
    await started()
    const first = stage.stream
    first.say('delta', {text: 'old', channel: 'text'})
    await until(() => one().text)
    expect(await one().start()).toBe('r2')
    expect(first.left).toBe(true)
    await until(() => one().id === 'r2')
    expect(one()).toMatchObject({text: '', status: 'queued'})
  })

  test('start: cannot start anything at the URL of a run', async () => {
    await render(<Show url={`${service}/runs/r7`} />)
    expect(await one().start()).toBe(undefined)
    await until(() => one().error?.code === 'no_operation')
  })

  test('cancel: shows until it has come', async () => {
    await render(<Show />)
    await started()
    await one().cancel()
    await until(() => one().status === 'cancelling')
    stage.stream.say('answer', {question: 'q1'})
    stage.stream.say('progress', {message: 'tidying up'})
    await until(() => one().progress?.message)
    expect(one().status).toBe('cancelling')
    expect(stage.requests().at(-1)).toBe('DELETE /runs/r1')
    stage.stream.say('done', {status: 'cancelled', elapsed: 1, reason: 'requested'})
    await until(() => one().status === 'cancelled')
    expect(one()).toMatchObject({reason: 'requested', connection: 'closed', error: undefined})
  })

  test('cancel: that does not reach the run leaves it what it is', async () => {
    await render(<Show />)
    await started()
    stage.on('DELETE /runs/r1', () => problem(403, 'forbidden'))
    await one().cancel()
    await until(() => one().error?.code === 'forbidden')
    expect(one().status).toBe('running')
  })

  test('cancel: of a start that is refused leaves nothing behind', async () => {
    await render(<Show maxAttempts={1} />)
    stage.on('POST /operations/count', () => problem(503, 'unavailable'))
    const asked = one().start()
    await Promise.all([one().cancel(), asked])
    await until(() => one().status === 'idle' && one().error?.code === 'unavailable')
  })

  test('disconnect: ends the viewing alone, and reconnect comes back to where it was', async () => {
    await render(<Show />)
    await started()
    one().disconnect()
    await until(() => one().connection === 'closed')
    expect(one().status).toBe('running')
    expect(stage.requests()).toEqual(['POST /operations/count'])
    one().reconnect()
    await until(() => stage.streams.length === 2)
    expect(stage.stream).toMatchObject({request: 'GET /runs/r1/events', lastEventId: '1'})
    stage.stream.say('delta', {text: 'again', channel: 'text'})
    await until(() => one().text === 'again' && one().connection === 'open')
  })

  test('answer: goes to the question that is open', async () => {
    await render(<Show />)
    await started()
    stage.stream.say('question', {question: 'q2', prompt: 'Go on?', schema: {type: 'boolean'}})
    await until(() => one().status === 'waiting')
    expect(one().question?.prompt).toBe('Go on?')
    stage.on('POST /runs/r1/answer', () =>
      problem(422, 'invalid_answer', {errors: [{loc: ['answer'], msg: 'is none'}]}),
    )
    await expect(one().answer(3)).rejects.toMatchObject({code: 'invalid_answer', errors: [{loc: ['answer']}]})
    stage.on('POST /runs/r1/answer', () => Response.json({}))
    await one().answer(true)
    expect(stage.asked.at(-1)?.body).toBe('{"question":"q2","answer":true}')
    stage.stream.say('answer', {question: 'q2'})
    await until(() => one().status === 'running')
    expect(one().question).toBe(undefined)
  })

  test('reset: forgets the run', async () => {
    await render(<Show />)
    await started()
    one().reset()
    await until(() => one().status === 'idle')
    expect(one()).toMatchObject({connection: 'idle', id: undefined, events: []})
    expect(stage.stream.left).toBe(true)
  })
})

describe('the line', () => {
  test('says interrupted while the run is running, and comes back by itself', async () => {
    const lines: string[] = []
    await render(<Show retryDelay={0.1} lines={lines} />)
    await started()
    await until(() => one().connection === 'open')
    stage.stream.end()
    await until(() => one().connection === 'interrupted')
    expect(one().status).toBe('running')
    await until(() => one().connection === 'open')
    expect(stage.stream.lastEventId).toBe('1')
    expect(lines).toEqual(['idle', 'connecting', 'open', 'interrupted', 'open'])
  })

  test('that is given up is an error, and can be had again', async () => {
    await render(<Show maxAttempts={2} />)
    await started()
    stage.on('GET /runs/r1/events', () => problem(503, 'unavailable'))
    stage.stream.cut()
    await until(() => one().connection === 'lost')
    expect(one().error).toBeInstanceOf(Interrupted)
    expect(one().status).toBe('running')
    stage.on(
      'GET /runs/r1/events',
      () =>
        new Response('retry: 1\n\nid: 2\nevent: done\ndata: {"status":"succeeded"}\n\n', {
          headers: {'Content-Type': 'text/event-stream'},
        }),
    )
    one().reconnect()
    await until(() => one().status === 'succeeded')
    expect(one().error).toBe(undefined)
  })

  test('carries the headers of the last render', async () => {
    await render(<Show headers={{Authorization: 'Bearer old'}} />)
    await started()
    await render(<Show headers={async () => ({Authorization: 'Bearer new'})} />)
    stage.stream.cut()
    await until(() => stage.streams.length === 2)
    expect(stage.asked.map(({headers}) => headers.get('Authorization'))).toEqual(['Bearer old', 'Bearer new'])
  })
})

test('a server renders what a page shows first', () => {
  expect(renderToString(<Show />)).toBe('<p>idle</p>')
  expect(renderToString(<Show runId="r7" />)).toBe('<p>queued</p>')
  expect(stage.asked).toEqual([])
})
