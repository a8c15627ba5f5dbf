// The live runs that were started on this page stay watched on all of its pages: a run may stop with its last viewer, and
// reading the list of runs is not leaving.
import {useEffect, useSyncExternalStore} from 'react'
import {useRunById} from './run/arrivals'

let runs: readonly string[] = []
const listeners = new Set<() => void>()

/** Runs at a time: the page keeps the events of each. */
export const MAX_RUNS = 20

export function watchInBackground(id: string): void {
  if (!runs.includes(id)) setRuns([...runs, id])
}

export function useBackgroundRuns(): readonly string[] {
  return useSyncExternalStore(subscribe, () => runs)
}

export function BackgroundRuns() {
  return useBackgroundRuns().map((id) => <BackgroundRun key={id} id={id} />)
}

function BackgroundRun({id}: {id: string}) {
  const {connection} = useRunById(id)
  useEffect(() => {
    if (connection === 'closed' || connection === 'lost') setRuns(runs.filter((each) => each !== id))
  }, [connection, id])
  return null
}

function setRuns(ids: readonly string[]): void {
  runs = ids
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
