/** The events of a run and its snapshot, as the service sends them: `schema.ts` with the types of an operation put in. */

import type * as schema from './schema.ts'

export type {Failure, Progress, Question, RunFile, RunWarning, Usage} from './schema.ts'

/** The status of a run. */
export type Status = schema.Snapshot['status']
/** How a run ended. */
export type Ending = schema.Done['status']
/** Why a run was cancelled. */
export type Reason = NonNullable<schema.Done['reason']>
/** Any JSON Schema (2020-12) of an answer. */
export type Schema = schema.Question['schema']

/** The data of every event has the time at which it was written: RFC 3339, UTC, with milliseconds. */
export interface Stamped {
  timestamp: string
}

/** The snapshot of a run: `GET /runs/ID`. */
export interface Snapshot<Result = unknown> extends schema.Snapshot {
  result: Result | null
}

/** The data of the library's events. */
export interface EventData<Result = unknown, Partial = unknown> extends schema.EventData {
  partial: Omit<schema.PartialResult, 'value'> & {value: Partial}
  result: {result: Result}
  reset: {snapshot: Snapshot<Result>}
}

/**
 * The types of an operation. The command `headway-types` writes one for each operation of a service; the data of its
 * custom events are declared by hand: `Operations['chart'] & {events: {point: Point}}`.
 */
export interface Operation {
  /** Its name: with it, a URL of another operation does not compile. */
  name?: string
  // biome-ignore lint/suspicious/noExplicitAny: without generated types any input is accepted
  input: any
  // biome-ignore lint/suspicious/noExplicitAny: without generated types the result is unchecked
  result: any
  /** The values of its partials, by their keys. */
  // biome-ignore lint/suspicious/noExplicitAny: without generated types the values are unchecked
  partials?: any
  /** The data of each custom event, by its name. Data that is not a JSON object is a `string`. */
  events?: Record<string, unknown>
}

/** The operations of a service, by name: the `Operations` that `headway-types` writes. */
export type OperationMap<Ops> = {[Name in keyof Ops]: Operation}

/** The URL of an operation: of a known name, it ends with that; a `URL` is not checked. */
export type OperationUrl<Op extends Operation> =
  string extends NonNullable<Op['name']>
    ? string | URL
    : Op extends {name: infer Name extends string}
      ? `${string}operations/${Name}` | URL
      : string | URL

/** The partials of an operation, by their keys. */
export type Partials<Op extends Operation> = Op extends {partials: infer Values}
  ? Readonly<{[Key in keyof Values]?: Values[Key]}>
  : Readonly<Record<string, unknown>>

type PartialValue<Op> = Op extends {partials: infer Values} ? Values[keyof Values] : unknown

type Custom<Op> = Op extends {events: infer Events} ? Events : unknown

type Data<Op extends Operation> = EventData<Op['result'], PartialValue<Op>> & Custom<Op>

/** One event of a run; `event.type === 'progress'` narrows `event.data`. */
export type RunEvent<Op extends Operation = Operation> = {
  [Type in keyof Data<Op> & string]: {
    /** Its number in its run: 1, 2, 3 ... It never falls, and skips where progress was merged for a slow viewer. */
    readonly id: number
    readonly type: Type
    readonly data: Data<Op>[Type] extends object ? Data<Op>[Type] & Stamped : Data<Op>[Type]
  }
}[keyof Data<Op> & string]
