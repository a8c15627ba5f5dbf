// A watched run, and the arrival times of its events, to an animation frame: `useRun` gives new events once per frame.
import type {RunEvent} from '@headway/client'
import {sharedStream} from '@headway/client/many'
import {type UseRun, useRun} from '@headway/client/react'
import {headers, headersOf, serverNow, urlOf} from '../api'
import {tokenOf} from '../tokens'

/** The most events of one run that the page keeps. */
export const MAX_EVENTS = 20_000

/**
 * All runs of the page are read on one connection: a browser opens six to a server over HTTP/1.1, in all tabs together.
 * One that a token opens has its own.
 */
const shared = sharedStream()

/** When the page began to watch each run, by the run's id. */
const watchedSince = new Map<string, number>()
const arrivals = new WeakMap<RunEvent, number>()

/** Watches a run; all components that watch it share one connection. */
export function useRunById(id: string): UseRun {
  const way = tokenOf(id) ? {headers: () => headersOf(id)} : {headers, fetch: shared}
  const run = useRun(urlOf(`runs/${encodeURIComponent(id)}`), {...way, maxEvents: MAX_EVENTS})
  recordArrivals(id, run.events) // idempotent, so it may run while rendering
  return run
}

/** Records the arrival of the new events: none, `NaN`, for those written before the page watched the run. */
function recordArrivals(id: string, events: readonly RunEvent[]): void {
  const now = serverNow()
  if (!watchedSince.has(id)) watchedSince.set(id, now)
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]
    if (!event || arrivals.has(event)) return
    arrivals.set(event, timeOf(event) < (watchedSince.get(id) ?? 0) ? Number.NaN : now)
  }
}

/** Milliseconds from an event's timestamp to its arrival; undefined for a replayed event. */
export function delayOf(event: RunEvent): number | undefined {
  const delay = (arrivals.get(event) ?? Number.NaN) - timeOf(event)
  return Number.isNaN(delay) ? undefined : Math.max(0, delay)
}

/** An event's timestamp in milliseconds; NaN without one. */
export function timeOf(event: RunEvent): number {
  const data: unknown = event.data
  return typeof data === 'object' && data !== null && 'timestamp' in data
    ? Date.parse(String(data.timestamp))
    : Number.NaN
}
