// The data of the library's events, and the snapshot of a run.
// Written by `make format` from streaming/protocol/schema.py: do not edit.

/** The question is answered. */
export interface Answer {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** The id of the question. */
  question: string
  /** The answer, any JSON. */
  answer?: unknown
}

/** The producer of the run was lost, and another one starts it again. */
export interface Attempt {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** 2, 3 ... */
  attempt: number
  /** What happened to the producer, such as `producer_lost`. */
  reason: string
  /** The event before its checkpoint, 0 without one: partials, deltas and progress after it no longer count. */
  after?: number
}

/** The next piece of a text that grows. */
export interface Delta {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** The piece. */
  text: string
  /** Which text it belongs to: the answer, or the model's thinking. */
  channel: 'text' | 'thinking'
}

/** The last event, on every path, exactly once. */
export interface Done {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** How the run ended. */
  status: 'succeeded' | 'failed' | 'cancelled'
  /** Seconds since its start. */
  elapsed: number
  /** Why it was cancelled. */
  reason?: 'requested' | 'disconnected' | 'timeout' | 'shutdown'
}

/** Why the run failed; `done` follows. */
export interface Failure {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** A stable word for programs. */
  code: string
  /** A sentence for people. */
  message: string
  /** Whether the same input may succeed later. */
  retryable: boolean
}

/** A finished piece of the result. */
export interface PartialResult {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** Its name in the run. */
  key: string
  /** Any JSON. */
  value: unknown
}

/** How far the work has got. */
export interface Progress {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** The place in the queue. */
  place?: number
  /** How much of `total` is done; it never falls within a `step`. */
  done?: number
  /** How much there is to do. */
  total?: number
  /** The unit of `done` and `total`, such as `pages`. */
  unit?: string
  /** The part of the work that `done` and `total` count. */
  step?: string | number
  /** A sentence for people. */
  message?: string
  /** Seconds left. */
  eta?: number
}

/** The run waits for an answer. */
export interface Question {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** Its id, which the answer names. */
  question: string
  /** The question, for people. */
  prompt: string
  /** What an answer must satisfy (JSON Schema 2020-12); `{}` accepts any JSON. */
  schema: Record<string, unknown>
  /** When the run fails without an answer; null for never. */
  expires: string | null
}

/** Events that the viewer has missed are no longer kept; the stream goes on after it. */
export interface Reset {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** The state of the run in their place. */
  snapshot: Snapshot
}

/** What the operation has returned; `done` follows. */
export interface Result {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** Any JSON; its schema is that of the operation. */
  result: unknown
}

/** A file that the run handed over. */
export interface RunFile {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** Its name in the run, and in its URL. */
  name: string
  /** Its media type. */
  type: string
  /** Bytes. */
  size: number
  /** Its SHA-256, in hexadecimal digits. */
  sha256: string
}

/** Something that people should know of the result, which has it among its `warnings` too. */
export interface RunWarning {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** A stable word for programs. */
  code: string
  /** A sentence for people. */
  message: string
  /** The pages that it is about. */
  pages?: number[]
  /** The rows that it is about. */
  rows?: number[]
}

/** The state of a run: `GET /runs/ID`. */
export interface Snapshot {
  /** The id of the run. */
  id: string
  /** The name of its operation. */
  operation: string
  /** What it does, or how it ended. */
  status: 'queued' | 'running' | 'waiting' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled'
  /** When it was started. */
  created: string
  /** When its last event was written. */
  updated: string
  /** The number of its last event. */
  last_event_id: number
  /** Its last progress. */
  progress: Progress | null
  /** Its result; null without one. */
  result: unknown
  /** Why it failed. */
  error: Failure | null
  /** The question that is open. */
  question: Question | null
  /** How many streams of it are open. */
  viewers: number
  /** 1, or 2, 3 ... after its producer was lost. */
  attempt?: number
  /** What it was started with. */
  input?: unknown
  /** What the calls of language models have taken so far. */
  usage?: Usage
  /** The files that it has handed over. */
  files?: RunFile[]
}

/** The first event of every run, sent at once. */
export interface Start {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** The name of the operation. */
  operation: string
  /** The id of the run; absent in a stream without one. */
  run?: string
}

/** What a call of a language model took. It may have other counts too, such as `reasoning_tokens`. */
export interface Usage {
  /** When the event was written: RFC 3339, UTC, with milliseconds. Only a snapshot leaves it out of the data in it. */
  timestamp?: string
  /** Tokens that the model has read. */
  input_tokens?: number
  /** Tokens that it has written. */
  output_tokens?: number
  [other: string]: unknown
}

/** The data of each of the library's events. */
export interface EventData {
  start: Start
  progress: Progress
  delta: Delta
  partial: PartialResult
  question: Question
  answer: Answer
  result: Result
  error: Failure
  done: Done
  attempt: Attempt
  file: RunFile
  warning: RunWarning
  usage: Usage
  reset: Reset
}
