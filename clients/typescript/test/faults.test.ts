/** Faulty streams, over real sockets: the cases of tests/streams/faults. */

import {describe, expect, test} from 'vitest'

import {type Run, startRun, type WatchOptions, watchRun} from '../src/index.ts'
import {type Fault, faults, readToEnd} from './cases.ts'
import {type FaultServer, serve} from './fault-server.ts'

describe.concurrent('a stream with faults', () => {
  test.each(faults())('%s', {concurrent: true}, async (_, fault) => {
    const server = await serve(fault)
    try {
      expect(await readToEnd(begin(server, fault))).toEqual({events: fault.events, ending: fault.ending})
      checkRequests(server, fault)
    } finally {
      await server.close()
    }
  })
})

function begin(server: FaultServer, fault: Fault): Run {
  const options = optionsOf(fault)
  if (fault.verb === 'watch') return watchRun(`${server.url}/runs/r1`, options)
  return startRun(`${server.url}/operations/count`, {pages: 3}, options)
}

function optionsOf({options = {}}: Fault): WatchOptions {
  return {
    heartbeat: options['heartbeat'] ?? 15,
    maxAttempts: options['max_attempts'] ?? 4,
    retryDelay: options['retry_delay'] ?? 0.01,
    maxDelay: options['max_delay'] ?? 0.02,
    lastEventId: options['last_event_id'] ?? 0,
  }
}

function checkRequests({requests}: FaultServer, fault: Fault): void {
  expect(requests.map(({method, path, last_event_id}) => ({method, path, last_event_id}))).toEqual(
    fault.requests.map(({method, path, last_event_id}) => ({method, path, last_event_id})),
  )
  fault.requests.forEach(({after = 0}, number) => {
    if (after) expect(requests[number]?.after).toBeGreaterThanOrEqual(after - 0.01)
  })
  const posts = requests.filter(({method}) => method === 'POST')
  for (const {body} of posts) expect(JSON.parse(body)).toEqual({pages: 3})
  if (fault.same_key) expect(new Set(posts.map(({key}) => key)).size).toBe(1)
  for (const {key} of posts) expect(key).toMatch(/^\w{32}$/)
}
