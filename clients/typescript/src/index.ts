/**
 * Starts and watches runs of a Headway service.
 *
 *     const run = startRun('/operations/count', {pages: 3})
 *     for await (const event of run) console.log(event.id, event.type, event.data)
 *     console.log(await run.result)
 *
 * Works wherever `fetch` streams bodies: browsers, Node.js 20 and newer, Deno, Bun.
 */

export {type Client, type ClientOptions, createClient} from './client.ts'
export type {FieldError, ProblemDocument} from './errors.ts'
export {Disconnected, HeadwayError, Interrupted, Misuse, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {
  Ending,
  EventData,
  Failure,
  Operation,
  OperationMap,
  OperationUrl,
  Partials,
  Progress,
  Question,
  Reason,
  RunEvent,
  RunFile,
  RunWarning,
  Schema,
  Snapshot,
  Stamped,
  Status,
  Usage,
} from './events.ts'
export type {Connection, FailedAttempt, HeaderSource, HeaderValues, StartOptions, WatchOptions} from './options.ts'
export type {Run} from './run.ts'
export {startRun, watchRun} from './run.ts'
