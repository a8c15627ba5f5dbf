/** Runs as the service streamed them, read in every way that a network may deliver them. */

import {describe, expect, test} from 'vitest'

import {startRun} from '../src/index.ts'
import {made, type Recording, recordings} from './cases.ts'
import {createService, type Script} from './log.ts'

const ONE_BYTE = 1
const AT_ONCE = 200

async function play(recording: Recording, script: Script) {
  const service = createService(recording, script)
  const url = `http://service.test/operations/${recording.operation}`
  const came = await made(startRun(url, {}, {fetch: service.fetch, retryDelay: 0}))
  return {...came, requests: service.requests}
}

describe.each(recordings())('%s', (_, recording) => {
  const {frames, events, ending} = recording
  const length = new TextEncoder().encode(['retry: 0\n\n', ...frames.slice(1)].join('')).length

  test('comes whole', async () => {
    expect(await play(recording, {})).toEqual({events, ending, requests: 1})
  })

  test('comes in pieces of one byte', async () => {
    expect(await play(recording, {piece: ONE_BYTE})).toEqual({events, ending, requests: 1})
  })

  test('is the same wherever it is cut, whether the connection ends there or breaks off', async () => {
    const expected = JSON.stringify({events, ending, requests: 2}) // a comparison of thousands has to be a quick one
    for (let cut = 0; cut < length; cut += AT_ONCE) {
      const cuts = Array.from({length: Math.min(AT_ONCE, length - cut)}, (_, n) => cut + n)
      const came = await Promise.all(cuts.map((at) => play(recording, {cuts: [at], broken: at % 2 === 1})))
      for (const [n, one] of came.entries()) expect(JSON.stringify(one), `cut after ${cuts[n]} bytes`).toBe(expected)
    }
  })

  test('is the same when every connection is cut after an event', async () => {
    const cuts = Array.from({length: frames.length - 2}, (_, n) => `retry: 0\n\n${frames[n + 1]}`.length)
    expect(await play(recording, {cuts})).toEqual({events, ending, requests: frames.length - 1})
  })
})
