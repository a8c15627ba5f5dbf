/**
 * Every error of this package, in one tree.
 *
 *     HeadwayError
 *     ├── RunFailed       the run failed; `code`, `message` and `retryable` are those of its `error` event
 *     ├── RunCancelled    the run was cancelled; `reason` says why
 *     ├── Interrupted     the connection was lost, and no new attempt restored it; the run may still be live
 *     ├── Disconnected    `disconnect()` was called before the run was over
 *     ├── Misuse          a mistake of the caller, which no new attempt mends: headers that cannot be sent, say
 *     └── Problem         the service refused a request (RFC 9457); `errors` lists the invalid fields of an input
 */

import type {Failure, Reason} from './events.ts'

/** The root of the tree above. `code` is a stable word for programs, `message` a sentence for people. */
export class HeadwayError extends Error {
  override name = 'HeadwayError'
  readonly code: string
  /** Whether the same request may succeed later. */
  readonly retryable: boolean

  constructor(code: string, message: string, retryable = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : {cause})
    this.code = code
    this.retryable = retryable
  }
}

/** The run failed. */
export class RunFailed extends HeadwayError {
  override name = 'RunFailed'

  constructor({code, message, retryable}: Failure) {
    super(code, message, retryable)
  }
}

/** For a run that failed without an `error` event. */
export const NO_ERROR: Failure = {code: 'operation_failed', message: 'The run failed.', retryable: false}

/** The run was cancelled. */
export class RunCancelled extends HeadwayError {
  override name = 'RunCancelled'
  readonly reason: Reason | undefined

  constructor(reason?: Reason) {
    super('cancelled', `The run was cancelled${reason ? ` (${reason})` : ''}.`)
    this.reason = reason
  }
}

/** The stream ended without `done`, and `maxAttempts` attempts in a row did not restore it. */
export class Interrupted extends HeadwayError {
  override name = 'Interrupted'

  constructor(cause: unknown) {
    super('interrupted', `Interrupted before the run was over: ${messageOf(cause)}`, true, cause)
  }
}

/** `disconnect()` was called before the run was over: the run may still be live, and its result is not known here. */
export class Disconnected extends HeadwayError {
  override name = 'Disconnected'

  constructor() {
    super('disconnected', 'Disconnected before the run was over.', true)
  }
}

/** A mistake of the caller: `headers` that throw or cannot be sent, or a `fetch` that does not stream. */
export class Misuse extends HeadwayError {
  override name = 'Misuse'

  constructor(message: string, cause?: unknown) {
    super('client_error', cause === undefined ? message : `${message}: ${messageOf(cause)}`, false, cause)
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** What is wrong with one field of an input: the path to the field, and a sentence for people. */
export interface FieldError {
  loc: (string | number)[]
  msg: string
}

/** The members of a problem document (RFC 9457, section 3) that the service sends. */
export interface ProblemDocument {
  title?: string
  detail?: string
  code?: string
  errors?: FieldError[]
}

/** The service refused a request. `errors` lists the invalid fields of an input. */
export class Problem extends HeadwayError {
  override name = 'Problem'
  readonly status: number
  readonly errors: readonly FieldError[]
  /** Seconds to wait before the next request, as `Retry-After` says; 0 without one. */
  readonly retryAfter: number

  constructor(status: number, {title, detail, code, errors = []}: ProblemDocument, retryAfter = 0) {
    super(
      code ?? `http_${status}`,
      detail ?? title ?? `The service answered with status ${status}.`,
      isTransient(status),
    )
    this.status = status
    this.errors = errors
    this.retryAfter = retryAfter
  }
}

/** Whether a response with this status means that the same request may succeed later. */
function isTransient(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501)
}
