// The events of a run as the rows of the inspector.
import type {RunEvent} from '@headway/client'
import {delayOf, MAX_EVENTS, timeOf} from './arrivals'
import type {Fold} from './fold'

export interface Row {
  event: RunEvent
  /** Milliseconds since `start`, by the timestamps. */
  at: number
  /** Milliseconds since the event before, by the timestamps. */
  gap: number
  /** Milliseconds from the timestamp to the arrival; undefined if it was written before the page watched the run. */
  delay: number | undefined
  /** Ids that are missing before it: progress that was merged, or events that are no longer kept. */
  skipped: number
}

/** The newest `MAX_EVENTS` rows. */
export function foldRows(): Fold<Row[]> {
  let rows: Row[] = []
  let start: number | undefined
  let time = 0
  let id = 0
  return {add, value: () => rows.slice(-MAX_EVENTS)}

  function add(event: RunEvent): void {
    const earlier = time
    time = timeOf(event) || time // text without a timestamp
    start ??= time
    const gap = rows.length ? Math.max(0, time - earlier) : 0
    rows.push({event, at: time - start, gap, delay: delayOf(event), skipped: event.id - id - 1})
    id = event.id
    if (rows.length > 2 * MAX_EVENTS) rows = rows.slice(-MAX_EVENTS)
  }
}

/** The kind of an event, which sets its colour. */
export function kindOf(type: string): string {
  if (['start', 'done', 'result', 'attempt', 'reset'].includes(type)) return 'lifecycle'
  if (type === 'error') return 'error'
  if (['progress', 'delta', 'partial'].includes(type)) return type
  return type === 'question' || type === 'answer' ? 'question' : 'custom'
}
