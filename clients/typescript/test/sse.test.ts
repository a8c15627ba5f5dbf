/** The parser of event streams, beside `eventsource-parser`. */

import {createParser as createOther} from 'eventsource-parser'
import {expect, test} from 'vitest'

import {createParser} from '../src/sse.ts'

const LINES = [
  '',
  '',
  ':',
  ': ping',
  'data',
  'data:',
  'data: one',
  'data:  two ',
  'data:a: b',
  'id: 7',
  'id',
  'id: \0',
  'event: x',
  'event',
  'retry: 15',
  'retry: 1.5',
  'other: 1',
  ' data: 1',
]

/** A small generator of numbers below a bound, the same in every run (Lehmer). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48271) % 2147483647
    return state % below
  }
}

test('it reads three thousand streams, cut anywhere, as eventsource-parser does', () => {
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = numbers(seed)
    const lines = Array.from({length: random(12)}, () => LINES[random(LINES.length)] as string)
    const text = lines
      .map((line) => line + ['\n', '\r\n', '\r'][random(3)])
      .join('')
      .concat('\n') // after a CR at the end the other one waits
    const pieces: string[] = []
    for (let at = 0; at < text.length; ) {
      const end = at + 1 + random(9)
      pieces.push(text.slice(at, end))
      at = end
    }
    expect([seed, text, ours(pieces)]).toEqual([seed, text, others(text)])
  }
})

test('an event that is too long is an error, in one line or in many', () => {
  const piece = 'x'.repeat(1 << 20)
  for (const text of [piece, `data: ${piece}\n`]) {
    const feed = createParser({onFrame: () => {}, onRetry: () => {}, onComment: () => {}})
    expect(() => {
      for (let n = 0; n < 65; n++) feed(text)
    }).toThrow(RangeError)
  }
})

test('a long event in many pieces is read in time that is linear in its length', () => {
  const frames: number[] = []
  const feed = createParser({onFrame: ({data}) => frames.push(data.length), onRetry: () => {}, onComment: () => {}})
  feed('data: ')
  for (let n = 0; n < 20_000; n++) feed('x'.repeat(1_000))
  feed('\n\n')
  expect(frames).toEqual([20_000_000])
}, 10_000)

function ours(pieces: string[]): unknown[] {
  const read: unknown[] = []
  const feed = createParser({
    onFrame: ({id, event, data}) => read.push([id, event || undefined, data]),
    onRetry: (milliseconds) => read.push(milliseconds),
    onComment: () => read.push(':'),
  })
  for (const piece of pieces) feed(piece)
  return read
}

function others(text: string): unknown[] {
  const read: unknown[] = []
  const parser = createOther({
    onEvent: ({id, event, data}) => read.push([id, event, data]),
    onRetry: (milliseconds) => read.push(milliseconds),
    onComment: () => read.push(':'),
  })
  parser.feed(text)
  return read
}
