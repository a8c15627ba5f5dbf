/** The events of a run and its snapshot, as the service sends them: what each kind carries, and how much of it is sure. */

/** Where a run stands. */
export type Status = 'queued' | 'running' | 'waiting' | 'cancelling' | Ending
/** How a run ended. */
export type Ending = 'succeeded' | 'failed' | 'cancelled'
/** Why a run was cancelled. */
export type Reason = 'requested' | 'disconnected' | 'timeout' | 'shutdown'

/** Any JSON Schema (2020-12). */
export type Schema = Record<string, unknown> | boolean

/** In the data of every event: when it was written, RFC 3339 in UTC with milliseconds. */
export interface Stamped {
  timestamp: string
}

/** How far the work is. */
export interface Progress extends Partial<Stamped> {
  /** What is done, of `total`; it never falls within a `step`. */
  done?: number
  total?: number
  /** What is counted: `"pages"`. */
  unit?: string
  /** The part of the work that is counted. */
  step?: string | number
  /** A sentence for people. */
  message?: string
  /** Seconds left. */
  eta?: number
}

/** What an operation asks the people who watch. */
export interface Question extends Partial<Stamped> {
  /** Its id, which the answer names. */
  question: string
  prompt: string
  /** What an answer must satisfy; `{}` takes any JSON. */
  schema: Schema
  /** When it closes unanswered, RFC 3339; `null` for never. */
  expires?: string | null
}

/** Why a run failed, or is in trouble. */
export interface Failure extends Partial<Stamped> {
  /** A stable word for programs. */
  code: string
  /** A sentence for people. */
  message: string
  /** Whether the same input may succeed later. */
  retryable: boolean
}

/** A run as it stands: `GET /runs/ID`. */
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

/** What the events of each kind carry besides `timestamp`. */
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
 * What an operation takes and gives. The command `headway-types` writes one for each operation of a service; the kinds
 * of events that are the operation's own are declared by hand: `Operations['chart'] & {events: {point: Point}}`.
 */
export interface Operation {
  // biome-ignore lint/suspicious/noExplicitAny: who has generated no types may send what they like
  input: any
  // biome-ignore lint/suspicious/noExplicitAny: and may read the result unchecked
  result: any
  /** The data of each kind of event that is the operation's own. Data that is no JSON object is a `string`. */
  events?: Record<string, unknown>
}

type Own<Op> = Op extends {events: infer Events} ? Events : unknown

type Data<Op extends Operation> = EventData<Op['result']> & Own<Op>

/** One event of a run; `event.type === 'progress'` narrows `event.data`. */
export type RunEvent<Op extends Operation = Operation> = {
  [Type in keyof Data<Op> & string]: {
    /** Its number in its run: 1, 2, 3 ... It never falls; where progress was merged for a slow viewer, it skips. */
    readonly id: number
    readonly type: Type
    readonly data: Data<Op>[Type] extends object ? Data<Op>[Type] & Stamped : Data<Op>[Type]
  }
}[keyof Data<Op> & string]
