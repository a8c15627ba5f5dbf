// What a page makes of the events of a run, one by one: each event is read once, however often the page renders.
import type {RunEvent} from '@headway/client'
import {useMemo, useRef} from 'react'

export interface Fold<T> {
  add(event: RunEvent): void
  /** A new value, which later events do not change. */
  value(): T
}

/** The value of a fold over the events so far. It begins anew where they do not continue those of the last render. */
export function useFold<T>(events: readonly RunEvent[], create: () => Fold<T>): T {
  const folded = useRef<{fold: Fold<T>; last: RunEvent | undefined}>(undefined)
  return useMemo(() => {
    const before = folded.current
    const at = before?.last ? events.lastIndexOf(before.last) : -1
    const fold = before && at >= 0 ? before.fold : create()
    for (const event of events.slice(at + 1)) fold.add(event)
    folded.current = {fold, last: events.at(-1)}
    return fold.value()
  }, [events, create])
}
