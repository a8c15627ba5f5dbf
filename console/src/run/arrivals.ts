// When the events of a run came here, as far as a page can tell: the hook hands them over once a frame.
import type {RunEvent} from '@headway/client'
import {type UseRun, useRun} from '@headway/client/react'
import {address, headers, serverNow} from '../api'

/** The most events of one run that the page keeps. */
const MOST = 20_000

const begun = new Map<string, number>()
const arrivals = new WeakMap<RunEvent, number>()

/** A run by its id; every part of the page that asks for it shares one connection. */
export function useWatched(id: string): UseRun {
  const run = useRun(address(`runs/${encodeURIComponent(id)}`), {headers, maxEvents: MOST})
  mark(id, run.events) // the same however often it is done
  return run
}

/** Notes when the new events came; those that were written before the page looked have no arrival of their own. */
function mark(id: string, events: readonly RunEvent[]): void {
  const now = serverNow()
  if (!begun.has(id)) begun.set(id, now)
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]
    if (!event || arrivals.has(event)) return
    arrivals.set(event, writtenAt(event) < (begun.get(id) ?? 0) ? Number.NaN : now)
  }
}

/** Milliseconds from when an event was written until it was here; undefined for a replayed one. */
export function delayOf(event: RunEvent): number | undefined {
  const delay = (arrivals.get(event) ?? Number.NaN) - writtenAt(event)
  return Number.isNaN(delay) ? undefined : Math.max(0, delay)
}

/** An event's timestamp in milliseconds; NaN where it carries none. */
export function writtenAt(event: RunEvent): number {
  const data: unknown = event.data
  return typeof data === 'object' && data !== null && 'timestamp' in data
    ? Date.parse(String(data.timestamp))
    : Number.NaN
}
