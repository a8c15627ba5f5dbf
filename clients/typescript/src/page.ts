/**
 * What a page is told about itself: that it has a network again, was thawed, or is left. Elsewhere (Node.js, Deno) none
 * of it happens. Sources: HTML standard, section 8.8.1 (`online`, `offline`); Page Lifecycle (`freeze`, `resume`).
 */

/** Whether the device says that it has no network; `false` where nothing says anything. */
export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false
}

/** What a page may be told. */
export interface Told {
  /** It may have been away; `stale` where whatever was open surely is, as after a change of network. */
  wake(stale: boolean): void
  /** It has no network. */
  offline(): void
}

/** Tells when the page was away. Gives what ends that. */
export function onChange({wake, offline}: Told): () => void {
  const maybe = () => globalThis.document?.visibilityState !== 'hidden' && wake(false)
  return listen([
    [globalThis, 'online', () => wake(true)],
    [globalThis, 'offline', offline],
    [globalThis, 'pageshow', maybe],
    [globalThis.document, 'resume', maybe],
    [globalThis.document, 'visibilitychange', maybe],
  ])
}

/** Calls `leave` when the page is left. Gives what ends that. */
export function onLeave(leave: () => void): () => void {
  return listen([[globalThis, 'pagehide', leave]])
}

function listen(wanted: [EventTarget | undefined, string, () => void][]): () => void {
  for (const [target, name, told] of wanted) target?.addEventListener?.(name, told)
  return () => {
    for (const [target, name, told] of wanted) target?.removeEventListener?.(name, told)
  }
}
