import type {RunEvent} from '@headway/client'
import {expect, test} from 'vitest'
import {foldSteps} from './steps'

const progress = (step: string | undefined, done?: number, total?: number, id = 1): RunEvent =>
  ({id, type: 'progress', data: {step, done, total}}) as unknown as RunEvent

test('each step has its own percentage, which never falls', () => {
  const fold = foldSteps()
  const seen: (number | undefined)[] = []
  for (const event of [progress('open'), progress('pages', 5, 10), progress('model', 1, 4), progress('pages', 6, 20)]) {
    fold.add(event)
    seen.push(fold.value().all.find(({name}) => name === 'pages')?.percent)
  }
  expect(seen).toEqual([undefined, 50, 50, 50])
  expect(fold.value()).toEqual({
    current: 'pages',
    all: [
      {name: 'open', percent: undefined},
      {name: 'pages', percent: 50},
      {name: 'model', percent: 25},
    ],
  })
})

test('an attempt begins without steps, and progress without a step adds none', () => {
  const fold = foldSteps()
  fold.add(progress('open'))
  fold.add({id: 2, type: 'attempt', data: {attempt: 2}} as unknown as RunEvent)
  fold.add(progress(undefined, 1, 2))
  expect(fold.value()).toEqual({all: [], current: undefined})
})

test('an attempt goes back to the steps as they were at its checkpoint', () => {
  const fold = foldSteps()
  fold.add(progress('open', undefined, undefined, 2))
  fold.add(progress('pages', 5, 10, 3))
  fold.add(progress('pages', 9, 10, 5))
  fold.add(progress('model', 1, 2, 6))
  fold.add({id: 7, type: 'attempt', data: {attempt: 2, after: 4}} as unknown as RunEvent)
  expect(fold.value().all).toEqual([
    {name: 'open', percent: undefined},
    {name: 'pages', percent: 50},
  ])
  expect(fold.value().current).toBe('pages')
})
