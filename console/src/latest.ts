// The newest runs, asked for every few seconds while the page can be seen, and at once after something happened.
import {useSyncExternalStore} from 'react'
import {listRuns, type Snapshot} from './api'

const EVERY = 5000
const NUMBER = 8

let runs: readonly Snapshot[] = []
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

export function useLatestRuns(): readonly Snapshot[] {
  return useSyncExternalStore(subscribe, () => runs)
}

/** Asks now: a run has just begun or ended here. */
export function refreshLatest(): void {
  clearTimeout(timer)
  timer = undefined
  if (listeners.size) void ask()
}

async function ask(): Promise<void> {
  clearTimeout(timer)
  timer = setTimeout(() => void ask(), EVERY)
  if (document.hidden || !navigator.onLine) return
  try {
    const found = await listRuns({limit: NUMBER})
    if (JSON.stringify(found) === JSON.stringify(runs)) return
    runs = found
    for (const tell of listeners) tell()
  } catch {
    // The page says elsewhere that the service is away; the list stays as it was.
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) {
    document.addEventListener('visibilitychange', refreshLatest)
    void ask()
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size) return
    document.removeEventListener('visibilitychange', refreshLatest)
    clearTimeout(timer)
    runs = []
  }
}
