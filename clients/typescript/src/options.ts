/** What `startRun` and `watchRun` may be told. Times are in seconds, as everywhere in Headway. */

/** Headers for a request, or what makes them: it is asked for each attempt, so that a token is always a fresh one. */
export type HeaderSource = Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>)

/**
 * The line to the run, which is not the run:
 * - `idle`: nothing has been asked for;
 * - `connecting`: the first attempt is under way;
 * - `open`: the stream is there;
 * - `interrupted`: the stream was cut; it comes back by itself;
 * - `offline`: the same, and the device says that it has no network;
 * - `lost`: it did not come back, and is not tried for any more;
 * - `closed`: the run is over, or `disconnect()` was called.
 */
export type Connection = 'idle' | 'connecting' | 'open' | 'interrupted' | 'offline' | 'lost' | 'closed'

export interface WatchOptions {
  /** Headers of every request; a function is asked for each attempt. */
  headers?: HeaderSource
  /** Ends the viewing, as `disconnect()` does; the iteration then throws the signal's reason. */
  signal?: AbortSignal
  /** Whether cookies go to another origin (default `same-origin`, as for `fetch`). */
  credentials?: RequestCredentials
  /** What to use instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch
  /** The service's heartbeat (default 15); a line without a byte for two and a half of them is dead. */
  heartbeat?: number
  /** Failed attempts in a row after which the line is given up (default 10). */
  maxAttempts?: number
  /** Seconds before the first new attempt, until the service says otherwise by `retry:` (default 1). */
  retryDelay?: number
  /** The most seconds between two attempts, unless the service asks for more (default 30). */
  maxDelay?: number
  /** Cancels the run when the page is left (default `false`: only the viewing ends). */
  cancelOnPageHide?: boolean
  /** The last event that is known already; the stream goes on after it. */
  lastEventId?: number
  /** Told of every change of the line. */
  onConnection?: (connection: Connection) => void
}

export interface StartOptions extends WatchOptions {
  /** What makes a start that is sent twice start one run (default: a new one for each call). */
  idempotencyKey?: string
}
