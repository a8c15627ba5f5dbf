/** The options of `startRun` and `watchRun`. Times are in seconds, as everywhere in Headway. */

/** Headers of a request; one whose value is `undefined` is not sent. */
export type HeaderValues = Headers | Readonly<Record<string, string | undefined>>

/**
 * Headers, or a function that returns them: it is called for each request, so that a token is always fresh, and once
 * more where the service answers 401.
 */
export type HeaderSource = HeaderValues | (() => HeaderValues | Promise<HeaderValues>)

/** An attempt that failed, and is followed by another one. */
export interface FailedAttempt {
  /** Why it failed. */
  readonly reason: unknown
  /** How many attempts in a row have failed, 1 or more. */
  readonly count: number
  /** When the next one is due, in milliseconds as of `Date.now()`. */
  readonly nextAttemptAt: number
}

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
  headers?: HeaderSource | undefined
  /** Disconnects when it is aborted; the iteration then throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Whether cookies are sent to another origin (default `same-origin`, as for `fetch`). */
  credentials?: RequestCredentials | undefined
  /** Used in place of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
  /** The service's heartbeat (default 15): a stream without a byte for two and a half of them is dead. */
  heartbeat?: number | undefined
  /**
   * Failed attempts in a row after which the client gives up: 10 by default, and in a page no number of them once the
   * run has an id.
   */
  maxAttempts?: number | undefined
  /** Whether another attempt follows a failed one, for failures that a new attempt may mend (default: always). */
  retry?: ((failure: {reason: unknown; count: number}) => boolean) | undefined
  /** Decodes JSON (default `JSON.parse`, which rounds integers above 2^53). */
  parse?: ((json: string) => unknown) | undefined
  /** Seconds before the first new attempt, unless the service sets them by `retry:` (default 1). */
  retryDelay?: number | undefined
  /** The most seconds between two attempts, unless the service asks for more (default 30). */
  maxDelay?: number | undefined
  /** Cancels the run when the page is left (default `false`: it only disconnects). */
  cancelOnPageHide?: boolean | undefined
  /** The last event that the caller has: the stream resumes after it. */
  lastEventId?: number | undefined
  /**
   * The most partials that are kept for a result that refers to them, the newest ones (default 10,000); others are read
   * from the service once more.
   */
  maxPartials?: number | undefined
  /** Called with each new state of the connection. */
  onConnection?: ((connection: Connection) => void) | undefined
  /** Called with each failed attempt that another one follows, and with `undefined` once the stream is open again. */
  onFailure?: ((failure: FailedAttempt | undefined) => void) | undefined
}

export interface StartOptions extends WatchOptions {
  /** Seconds for which the run goes on without viewers, at most 300 (default: the operation's). */
  linger?: number | undefined
  /** Two starts with the same key, input and owner are one run (default: a new key for each call). */
  idempotencyKey?: string | undefined
}
