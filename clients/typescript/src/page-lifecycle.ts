/**
 * The events of a page that a connection needs: its network is back, it was thawed, it is left. Node.js and Deno have
 * none of them. Sources: HTML standard, section 8.8.1 (`online`, `offline`); Page Lifecycle (`freeze`, `resume`).
 */

/** Whether the device reports that it has no network; `false` where there is no such report. */
export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false
}

export interface ChangeListener {
  /** The page may have been frozen; `stale` if open connections are surely dead, as after a change of network. */
  wake(stale: boolean): void
  /** The page has no network. */
  offline(): void
}

/** Listens to changes of the page. Returns what stops it. */
export function onChange({wake, offline}: ChangeListener): () => void {
  const visible = () => globalThis.document?.visibilityState !== 'hidden' && wake(false)
  return listen([
    [globalThis, 'online', () => wake(true)],
    [globalThis, 'offline', offline],
    [globalThis, 'pageshow', visible],
    [globalThis.document, 'resume', visible],
    [globalThis.document, 'visibilitychange', visible],
  ])
}

/** Calls `leave` when the page is left. Returns what stops it. */
export function onLeave(leave: () => void): () => void {
  return listen([[globalThis, 'pagehide', leave]])
}

function listen(listeners: [EventTarget | undefined, string, () => void][]): () => void {
  for (const [target, name, listener] of listeners) target?.addEventListener?.(name, listener)
  return () => {
    for (const [target, name, listener] of listeners) target?.removeEventListener?.(name, listener)
  }
}
