/** Recorded runs, in every way that a network may deliver them. */

import {describe, expect, test} from 'vitest'

import {startRun} from '../src/index.ts'
import {type Recording, readToEnd, recordings} from './cases.ts'
import {createRecordedService, type Script} from './recorded-service.ts'

const ONE_BYTE = 1
const AT_ONCE = 200

async function play(recording: Recording, script: Script) {
  const service = createRecordedService(recording, script)
  const url = `http://service.test/operations/${recording.operation}`
  const outcome = await readToEnd(startRun(url, {}, {fetch: service.fetch, retryDelay: 0}))
  return {...outcome, requests: service.requests}
}

describe.each(recordings())('%s', (_, recording) => {
  const {frames, events, ending} = recording
  const length = new TextEncoder().encode(['retry: 0\n\n', ...frames.slice(1)].join('')).length

  test('is read whole', async () => {
    expect(await play(recording, {})).toEqual({events, ending, requests: 1})
  })

  test('is read in pieces of one byte', async () => {
    expect(await play(recording, {piece: ONE_BYTE})).toEqual({events, ending, requests: 1})
  })

  test('is the same wherever it is cut, cleanly or by a broken connection', async () => {
    const expected = JSON.stringify({events, ending, requests: 2}) // strings, since thousands are compared
    for (let cut = 0; cut < length; cut += AT_ONCE) {
      const cuts = Array.from({length: Math.min(AT_ONCE, length - cut)}, (_, n) => cut + n)
      const outcomes = await Promise.all(cuts.map((at) => play(recording, {cuts: [at], broken: at % 2 === 1})))
      for (const [n, outcome] of outcomes.entries())
        expect(JSON.stringify(outcome), `cut after ${cuts[n]} bytes`).toBe(expected)
    }
  })

  test('is the same if each stream is cut after one event', async () => {
    const cuts = Array.from({length: frames.length - 2}, (_, n) => `retry: 0\n\n${frames[n + 1]}`.length)
    expect(await play(recording, {cuts})).toEqual({events, ending, requests: frames.length - 1})
  })
})
