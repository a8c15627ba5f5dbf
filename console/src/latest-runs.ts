// The newest runs, fetched every few seconds while the page is visible, and when a run starts or ends.
import {useSyncExternalStore} from 'react'
import {listRuns, type Snapshot} from './api'

const INTERVAL = 5000
const LIMIT = 8

let runs: readonly Snapshot[] = []
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

export function useLatestRuns(): readonly Snapshot[] {
  return useSyncExternalStore(subscribe, () => runs)
}

/** Fetches now, after a run has started or ended on this page. */
export function refreshLatestRuns(): void {
  if (listeners.size) void load()
}

async function load(): Promise<void> {
  clearTimeout(timer)
  timer = setTimeout(() => void load(), INTERVAL)
  if (document.hidden || !navigator.onLine) return
  try {
    const latest = await listRuns({limit: LIMIT})
    if (JSON.stringify(latest) === JSON.stringify(runs)) return
    runs = latest
    for (const listener of listeners) listener()
  } catch {
    // The catalogue shows that the service does not answer; the list stays as it was.
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) {
    document.addEventListener('visibilitychange', refreshLatestRuns)
    void load()
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size) return
    document.removeEventListener('visibilitychange', refreshLatestRuns)
    clearTimeout(timer)
    runs = []
  }
}
