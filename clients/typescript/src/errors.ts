/**
 * Every error of this package, in one tree.
 *
 *     HeadwayError
 *     ├── RunFailed       the run ended in `error`; `code`, `message` and `retryable` are the run's own
 *     ├── RunCancelled    the run was cancelled; `reason` says why
 *     ├── Interrupted     the line to the run was lost and could not be had again; the run itself may go on
 *     ├── Disconnected    `disconnect()` was called before the run was over
 *     └── Problem         a request that the service refuses (RFC 9457); `errors` names the fields of a bad input
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

/** The run ended in `error`. */
export class RunFailed extends HeadwayError {
  override name = 'RunFailed'

  constructor({code, message, retryable}: Failure) {
    super(code, message, retryable)
  }
}

/** The run was cancelled. */
export class RunCancelled extends HeadwayError {
  override name = 'RunCancelled'
  readonly reason: Reason | undefined

  constructor(reason?: Reason) {
    super('cancelled', `The run was cancelled${reason ? ` (${reason})` : ''}.`)
    this.reason = reason
  }
}

/** The stream ended without `done`, and as many attempts as there may be have not brought it back. */
export class Interrupted extends HeadwayError {
  override name = 'Interrupted'

  constructor(cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super('interrupted', `The stream was interrupted before the run was over: ${why}`, true, cause)
  }
}

/** `disconnect()` was called before the run was over: the run may go on, its result is not known here. */
export class Disconnected extends HeadwayError {
  override name = 'Disconnected'

  constructor() {
    super('disconnected', 'The viewing was ended before the run was over.', true)
  }
}

/** One complaint about one field of an input. */
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

/** A request that the service refuses. `errors` names the fields of a bad input, where there are any. */
export class Problem extends HeadwayError {
  override name = 'Problem'
  readonly status: number
  readonly errors: readonly FieldError[]
  /** Seconds that the service asks to be left alone; 0 where it does not say. */
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

/** Whether a status says that the same request may succeed later. */
function isTransient(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501)
}
