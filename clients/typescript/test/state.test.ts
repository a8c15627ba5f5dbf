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
