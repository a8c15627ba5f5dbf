/** The options of `startRun` and `watchRun`. Times are in seconds, as everywhere in Headway. */

/** Headers of a request, or a function that returns them, called for each request so that a token is always fresh. */
export type HeaderSource = Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>)

/**
 * The state of the connection to a run, which is not the status of the run:
 * - `idle`: no request has been sent;
 * - `connecting`: the first attempt is under way;
 * - `open`: the stream is open;
 * - `interrupted`: the stream was cut, and the client reconnects;
 * - `offline`: the same, and the device has no network;
 * - `lost`: the client has given up;
 * - `closed`: the run is over, or `disconnect()` was called.
 */
export type Connection = 'idle' | 'connecting' | 'open' | 'interrupted' | 'offline' | 'lost' | 'closed'

export interface WatchOptions {
  /** Headers of every request; a function is called for each. */
  headers?: HeaderSource
  /** Disconnects when it is aborted; the iteration then throws the signal's reason. */
  signal?: AbortSignal
  /** Whether cookies are sent to another origin (default `same-origin`, as for `fetch`). */
  credentials?: RequestCredentials
  /** Used in place of the global `fetch`. */
  fetch?: typeof globalThis.fetch
  /** The service's heartbeat (default 15): a stream without a byte for two and a half of them is dead. */
  heartbeat?: number
  /** Failed attempts in a row after which the client gives up (default 10). */
  maxAttempts?: number
  /** Seconds before the first new attempt, unless the service sets them by `retry:` (default 1). */
  retryDelay?: number
  /** The most seconds between two attempts, unless the service asks for more (default 30). */
  maxDelay?: number
  /** Cancels the run when the page is left (default `false`: it only disconnects). */
  cancelOnPageHide?: boolean
  /** The last event that the caller has: the stream resumes after it. */
  lastEventId?: number
  /** Called with each new state of the connection. */
  onConnection?: (connection: Connection) => void
}

export interface StartOptions extends WatchOptions {
  /** Two starts with the same key, input and owner are one run (default: a new key for each call). */
  idempotencyKey?: string
}
