// The runs that were begun on this page and are not over. Each is watched for as long as the page is open, whichever
// part of it is shown: a run may be one that stops with its last viewer, and looking at the list is not leaving it.
import {useEffect, useSyncExternalStore} from 'react'
import {useWatched} from './run/arrivals'

let begun: readonly string[] = []
const listeners = new Set<() => void>()

/** Watched at once; a browser opens six connections to a server over HTTP/1.1, and the other requests want some too. */
export const MOST = 4

export function keep(run: string): void {
  if (!begun.includes(run)) change([...begun, run])
}

export function useBegun(): readonly string[] {
  return useSyncExternalStore(subscribe, () => begun)
}

export function Keepers() {
  return useBegun().map((run) => <Keeper key={run} run={run} />)
}

function Keeper({run}: {run: string}) {
  const {connection} = useWatched(run)
  useEffect(() => {
    if (connection === 'closed' || connection === 'lost') change(begun.filter((each) => each !== run))
  }, [connection, run])
  return null
}

function change(runs: readonly string[]): void {
  begun = runs
  for (const tell of listeners) tell()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
