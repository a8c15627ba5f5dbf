/** The client against a real service, at HEADWAY_URL: `tests.apps.typescript`, started by tests/test_typescript.py. */

import {expect, test} from 'vitest'

import {Problem, RunCancelled, type RunEvent, RunFailed, startRun, watchRun} from '../../src/index.ts'
import {startCutter} from './cutter.ts'

const BASE = process.env['HEADWAY_URL'] as string

function operation(name: string, base = BASE): string {
  return `${base}/api/operations/${name}`
}

async function events(run: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = []
  for await (const event of run) all.push(event)
  return all
}

function types(all: RunEvent[]): string[] {
  return all.map(({type}) => type)
}

test('a run has events, an id, a result and a snapshot', async () => {
  const run = startRun(operation('simulate'), {steps: 3, interval: 0.01})
  const all = await events(run)
  expect(types(all)).toEqual(['start', 'progress', 'progress', 'progress', 'result', 'done'])
  expect(all.map(({id}) => id)).toEqual([1, 2, 3, 4, 5, 6])
  expect(all[1]?.data).toMatchObject({message: 'Step 1 of 3', done: 1, total: 3, unit: 'steps'})
  expect(await run.result).toEqual({steps: 3, stopped: false})
  expect(run.url).toBe(`${BASE}/api/runs/${run.id}`)
  expect(await run.snapshot()).toMatchObject({id: run.id, status: 'succeeded', last_event_id: run.lastEventId})
})

test('a run is watched from its first event, or after any other', async () => {
  const run = startRun(operation('simulate'), {steps: 3, interval: 0})
  await run.result
  const whole = await events(watchRun(run.url as string))
  expect(whole.map(({id}) => id)).toEqual([1, 2, 3, 4, 5, 6])
  expect(await events(watchRun(run.url as string, {lastEventId: 4}))).toEqual(whole.slice(4))
})

test('a run that is over and was read to its end gives its snapshot as a reset', async () => {
  const run = startRun(operation('simulate'), {steps: 1, interval: 0})
  await run.result
  const again = watchRun(run.url as string, {lastEventId: run.lastEventId})
  expect(types(await events(again))).toEqual(['reset'])
  expect(await again.result).toEqual({steps: 1, stopped: false})
})

test('cuts lose no event and repeat none', async () => {
  const cutter = await startCutter(BASE, 400)
  try {
    const run = startRun(operation('lasting', cutter.url), {count: 60, size: 10, pause: 0.05}, {retryDelay: 0.05})
    const all: RunEvent[] = []
    const seen = (async () => {
      for await (const event of run) all.push(event)
    })()
    await seen
    const ids = all.map(({id}) => id) // those of deltas that were merged after a cut are left out
    expect(ids).toEqual([...new Set(ids)].sort((one, other) => one - other))
    expect([ids[0], ids.at(-2), ids.at(-1)]).toEqual([1, 62, 63])
    const text = all.map((event) => (event.type === 'delta' ? event.data.text : '')).join('')
    const numbers = (text.match(/.{10}/gs) ?? []).map((each) => Number(each.trim().slice(0, 8)))
    expect(numbers).toEqual(Array.from({length: 60}, (_, n) => n))
    expect(cutter.cuts).toBeGreaterThan(0)
  } finally {
    await cutter.close()
  }
})

test('cancel reaches a run that is silent', async () => {
  const run = startRun(operation('simulate'), {steps: 1, interval: 600})
  const all: RunEvent[] = []
  for await (const event of run) {
    all.push(event)
    if (event.type === 'progress') await run.cancel()
  }
  expect(all.at(-1)).toMatchObject({type: 'done', data: {status: 'cancelled', reason: 'requested'}})
  await expect(run.result).rejects.toThrow(RunCancelled)
  expect(await run.cancel()).toMatchObject({status: 'cancelled'})
})

test('disconnect of the last viewer cancels a run without linger', async () => {
  const run = startRun(operation('simulate'), {steps: 1, interval: 600})
  for await (const event of run) if (event.type === 'progress') run.disconnect()
  await expect(run.result).rejects.toMatchObject({code: 'disconnected'})
  await expect.poll(async () => (await run.snapshot()).status, {timeout: 10_000}).toBe('cancelled')
})

test('disconnect does not cancel a run that lingers', async () => {
  const run = startRun(operation('lasting'), {count: 10, pause: 0.02})
  for await (const event of run) if (event.type === 'delta') break
  const again = watchRun(run.url as string, {lastEventId: run.lastEventId})
  expect(await again.result).toBe(10)
})

test('a question refuses an answer that does not fit its schema', async () => {
  const run = startRun(operation('curious'))
  for await (const event of run) {
    if (event.type !== 'question') continue
    expect(event.data).toMatchObject({prompt: 'Keep going?', schema: {type: 'boolean'}})
    await expect(run.answer('maybe')).rejects.toMatchObject({
      status: 422,
      code: 'invalid_answer',
      errors: [{loc: ['answer']}],
    })
    expect(await run.answer(true)).toMatchObject({id: run.id})
  }
  expect(await run.result).toBe(true)
})

test('a question is answered by a viewer that has not read it', async () => {
  const run = startRun(operation('curious'))
  const questionId = (async () => {
    for await (const event of run) if (event.type === 'question') return event.id
    return 0
  })()
  const watching = watchRun((await run.started) && (run.url as string))
  await expect.poll(async () => (await watching.snapshot()).status).toBe('waiting')
  await watching.answer(false)
  expect(await watching.result).toBe(false)
  await questionId
})

test('files are sent as a form, from an object or a FormData', async () => {
  const file = new File(['Größe'], 'words.txt', {type: 'text/plain'})
  const others = [new File(['1'], 'one'), new File(['2'], 'two')]
  const run = startRun(operation('received'), {file, others, tags: ['a', 'b'], copies: 2, nothing: undefined})
  const received = {filename: 'words.txt', size: 7, others: ['one', 'two'], tags: ['a', 'b'], copies: 2}
  expect(await run.result).toEqual(received)
  const form = new FormData()
  form.append('file', file)
  expect(await startRun(operation('received'), form).result).toMatchObject({filename: 'words.txt', copies: 1})
})

test('one key starts one run', async () => {
  const options = {idempotencyKey: crypto.randomUUID()}
  const both = [0, 1].map(() => startRun(operation('lasting'), {count: 3, pause: 0.05}, options))
  const ids = await Promise.all(both.map((run) => run.started))
  expect(new Set(ids).size).toBe(1)
  const [first, second] = await Promise.all(both.map(events))
  expect(first).toEqual(second)
})

test('a refused request is a Problem, with the invalid fields', async () => {
  const wrong = startRun(operation('simulate'), {steps: 'many'})
  await expect(events(wrong)).rejects.toThrow(Problem)
  await expect(wrong.result).rejects.toMatchObject({status: 422, code: 'invalid_input', errors: [{loc: ['steps']}]})
  await expect(startRun(operation('nothing')).result).rejects.toMatchObject({status: 404, code: 'operation_not_found'})
  await expect(watchRun(`${BASE}/api/runs/nothing`).result).rejects.toMatchObject({status: 404})
})

test('a result has the values of its partials, whether they were read or not', async () => {
  const run = startRun(operation('referring'))
  const whole = {rows: [{number: 0}, {number: 1}, {number: 2}]}
  expect(await run.result).toEqual(whole)
  expect(await watchRun(run.url as string, {lastEventId: 4}).result).toEqual(whole)
  expect(await watchRun(run.url as string, {lastEventId: run.lastEventId}).result).toEqual(whole)
})

test('a run that fails has an error, and its events end with done', async () => {
  const run = startRun(operation('simulate'), {steps: 2, interval: 0, fail_at: 1})
  expect(types(await events(run))).toEqual(['start', 'error', 'done'])
  await expect(run.result).rejects.toThrow(RunFailed)
  await expect(run.result).rejects.toMatchObject({code: 'simulated_failure', retryable: false})
})

test('a stream of stream(), which belongs to no run, is read too', async () => {
  const run = startRun(`${BASE}/report`)
  const all = await events(run)
  expect(types(all)).toEqual(['start', 'progress', 'delta', 'delta', 'partial', 'note', 'plain', 'result', 'done'])
  expect(all[6]?.data).toBe('one line\nand another')
  expect(await run.result).toEqual({pages: 2})
  expect([run.id, await run.started]).toEqual([undefined, ''])
})

test('a run that is started with respond-async is watched too', async () => {
  const run = startRun(operation('lasting'), {count: 2}, {headers: {Prefer: 'respond-async'}})
  expect(await run.result).toBe(2)
})

test('ten thousand events arrive in order', async () => {
  let last = 0
  for await (const {id} of startRun(operation('pour'), {count: 10_000, size: 100})) {
    expect(id).toBe(last + 1)
    last = id
  }
  expect(last).toBe(10_003)
})
