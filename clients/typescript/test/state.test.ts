import {expect, test} from 'vitest'

import type {RunEvent} from '../src/events.ts'
import {createStateBuilder} from '../src/state.ts'

const partial = (number: number, value: unknown = number): RunEvent =>
  ({id: number + 1, type: 'partial', data: {key: `key-${number}`, value, timestamp: ''}}) as RunEvent

// How long frames take is measured in Chromium (test/browser/frames.test.ts).
test('a hundred thousand partials leave a bounded state, whose frames take no longer than before', () => {
  const builder = createStateBuilder('queued', () => 10_000)
  const frames: number[] = []
  for (let number = 0; number < 100_000; number++) {
    builder.add(partial(number))
    if (number % 830) continue
    const began = performance.now()
    builder.state()
    frames.push(performance.now() - began)
  }
  const keys = Object.keys(builder.state().partials)
  expect([keys.length, keys[0], keys.at(-1)]).toEqual([10_000, 'key-90000', 'key-99999'])
  const [early, late] = [frames.slice(15, 45), frames.slice(-30)].map((each) => each.sort((one, two) => one - two)[15])
  expect(late).toBeLessThan(5 * (early as number)) // all hundred thousand would take ten times as long
})

test('maxPartials keeps the newest keys, and a state that was given stays as it is', () => {
  const builder = createStateBuilder(
    'queued',
    () => 10,
    () => 3,
  )
  for (let number = 0; number < 5; number++) builder.add(partial(number))
  const before = builder.state()
  builder.add(partial(3, 'new'))
  for (let number = 5; number < 50; number++) builder.add(partial(number))
  expect(before.partials).toEqual({'key-2': 2, 'key-3': 3, 'key-4': 4})
  expect(Object.keys(builder.state().partials)).toEqual(['key-47', 'key-48', 'key-49'])
})

const event = (id: number, type: string, data: object): RunEvent =>
  ({id, type, data: {timestamp: '', ...data}}) as unknown as RunEvent

test('an attempt drops what came after its checkpoint, and nothing before it', () => {
  const builder = createStateBuilder('queued', () => 10)
  const sent: [string, object][] = [
    ['start', {run: 'r', operation: 'read'}],
    ['delta', {channel: 'text', text: 'kept '}],
    ['delta', {channel: 'thinking', text: 'hm'}],
    ['progress', {done: 1, total: 4, step: 'pages', eta: 9}],
    ['partial', {key: 'page-1', value: 1}],
    ['partial', {key: 'sum', value: 1}],
    ['delta', {channel: 'text', text: 'lost'}],
    ['delta', {channel: 'thinking', text: 'lost'}],
    ['progress', {done: 2, total: 4, step: 'pages'}],
    ['partial', {key: 'page-2', value: 2}],
    ['partial', {key: 'sum', value: 3}],
  ]
  for (const [number, [type, data]] of sent.entries()) builder.add(event(number + 1, type, data))
  builder.add(event(12, 'attempt', {attempt: 2, reason: 'producer_lost', after: 6}))
  expect(builder.state()).toMatchObject({
    attempt: 2,
    text: 'kept ',
    thinking: 'hm',
    percent: 25,
    eta: 9,
    progress: {done: 1},
    partials: {'page-1': 1, sum: 1},
  })
  builder.add(event(13, 'delta', {channel: 'text', text: 'again'}))
  expect(builder.state().text).toBe('kept again')
  builder.add(event(14, 'attempt', {attempt: 3, reason: 'producer_lost'}))
  expect(builder.state()).toMatchObject({text: '', thinking: '', percent: undefined, partials: {}})
  expect(builder.state().progress).toBeUndefined()
})

test('an attempt after a reset keeps no text from before it', () => {
  const builder = createStateBuilder('queued', () => 10)
  builder.add(event(2, 'delta', {channel: 'text', text: 'old'}))
  builder.add(event(7, 'reset', {snapshot: {status: 'running', created: '', operation: 'read'}}))
  builder.add(event(8, 'delta', {channel: 'text', text: 'new'}))
  builder.add(event(9, 'delta', {channel: 'text', text: 'lost'}))
  builder.add(event(10, 'attempt', {attempt: 2, after: 8}))
  expect(builder.state().text).toBe('new')
})
