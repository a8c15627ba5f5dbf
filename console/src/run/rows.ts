// The events of a run as the rows of the inspector.
import type {RunEvent} from '@headway/client'
import {delayOf, timeOf} from './arrivals'

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

export function rowsOf(events: readonly RunEvent[]): Row[] {
  const start = events[0] ? timeOf(events[0]) || 0 : 0
  let time = start
  return events.map((event, index) => {
    const before = events[index - 1]
    const earlier = time
    time = timeOf(event) || time // text without a timestamp
    return {
      event,
      at: time - start,
      gap: Math.max(0, time - earlier),
      delay: delayOf(event),
      skipped: before ? event.id - before.id - 1 : event.id - 1,
    }
  })
}

/** The kind of an event, which sets its colour. */
export function kindOf(type: string): string {
  if (['start', 'done', 'result', 'attempt', 'reset'].includes(type)) return 'lifecycle'
  if (type === 'error') return 'error'
  if (['progress', 'delta', 'partial'].includes(type)) return type
  return type === 'question' || type === 'answer' ? 'question' : 'custom'
}
