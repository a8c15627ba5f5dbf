/** The events of a run and its snapshot, as the service sends them. */

/** The status of a run. */
export type Status = 'queued' | 'running' | 'waiting' | 'cancelling' | Ending
/** How a run ended. */
export type Ending = 'succeeded' | 'failed' | 'cancelled'
/** Why a run was cancelled. */
export type Reason = 'requested' | 'disconnected' | 'timeout' | 'shutdown'

/** Any JSON Schema (2020-12). */
export type Schema = Record<string, unknown> | boolean

/** The data of every event has the time at which it was written: RFC 3339, UTC, with milliseconds. */
export interface Stamped {
  timestamp: string
}

/** The progress of a run. */
export interface Progress extends Partial<Stamped> {
  /** How much of `total` is done; it never falls within a `step`. */
  done?: number
  total?: number
  /** The unit of `done` and `total`: `"pages"`. */
  unit?: string
  /** The part of the work that `done` and `total` count. */
  step?: string | number
  /** A sentence for people. */
  message?: string
  /** Seconds left. */
  eta?: number
}

/** A question of an operation to its viewers. */
export interface Question extends Partial<Stamped> {
  /** Its id, which the answer names. */
  question: string
  prompt: string
  /** What an answer must satisfy; `{}` accepts any JSON. */
  schema: Schema
  /** When it expires without an answer, RFC 3339; `null` for never. */
  expires?: string | null
}

/** Why a run failed. */
export interface Failure extends Partial<Stamped> {
  /** A stable word for programs. */
  code: string
  /** A sentence for people. */
  message: string
  /** Whether the same input may succeed later. */
  retryable: boolean
}

/** The snapshot of a run: `GET /runs/ID`. */
export interface Snapshot<Result = unknown> {
  id: string
  operation: string
  status: Status
  created: string
  updated: string
  last_event_id: number
  progress: Progress | null
  result: Result | null
  error: Failure | null
  question: Question | null
  viewers: number
}

/** The data of the library's events, besides `timestamp`. */
export interface EventData<Result = unknown> {
  start: {run?: string; operation?: string}
  progress: Progress
  delta: {text: string; channel: 'text' | 'thinking'}
  partial: {key: string; value: unknown}
  question: Question
  answer: {question: string; answer?: unknown}
  result: {result: Result}
  error: Failure
  done: {status: Ending; elapsed: number; reason?: Reason}
  attempt: {attempt: number; reason: string}
  reset: {snapshot: Snapshot<Result>}
}

/**
 * The types of an operation. The command `headway-types` writes one for each operation of a service; the data of its
 * custom events are declared by hand: `Operations['chart'] & {events: {point: Point}}`.
 */
export interface Operation {
  // biome-ignore lint/suspicious/noExplicitAny: without generated types any input is accepted
  input: any
  // biome-ignore lint/suspicious/noExplicitAny: without generated types the result is unchecked
  result: any
  /** The data of each custom event, by its name. Data that is not a JSON object is a `string`. */
  events?: Record<string, unknown>
}

type Custom<Op> = Op extends {events: infer Events} ? Events : unknown

type Data<Op extends Operation> = EventData<Op['result']> & Custom<Op>

/** One event of a run; `event.type === 'progress'` narrows `event.data`. */
export type RunEvent<Op extends Operation = Operation> = {
  [Type in keyof Data<Op> & string]: {
    /** Its number in its run: 1, 2, 3 ... It never falls, and skips where progress was merged for a slow viewer. */
    readonly id: number
    readonly type: Type
    readonly data: Data<Op>[Type] extends object ? Data<Op>[Type] & Stamped : Data<Op>[Type]
  }
}[keyof Data<Op> & string]
