'use client'

/**
 * `useRun`: a run as the state of a React component (18 and 19).
 *
 *     function Count() {
 *       const run = useRun('/operations/count')
 *       if (run.status === 'idle') return <button onClick={() => run.start({pages: 3})}>Count</button>
 *       return <progress max={100} value={run.percent}>{run.progress?.message}</progress>
 *     }
 *
 * **Sharing.** A run that is watched has one store with one connection, however many components show it
 * (`useSyncExternalStore`). Stores are shared by the run's URL: `useRun(url, {runId})` in any component joins the store
 * of that run, also if another component started it. It is bound to that run: `start` is an error there. A component
 * without a `runId` has its own store, in which `start` starts runs; components with the same `key` and operation share
 * one, before the start too:
 *
 *     useRun('/operations/count', {key: 'report'}).start({pages: 3})     // a button, anywhere
 *     useRun('/operations/count', {key: 'report'}).percent               // a bar, elsewhere
 *
 * The connection closes a moment after the last component unmounts, so that StrictMode's double mounting and a change of
 * page do not cut it. How long the run then goes on without viewers is its `linger`.
 *
 * **After a reload.** Keep the id that `start` returns and `onStart` is called with, in the address for instance, and
 * pass it as `runId`: the run is watched from its first event.
 *
 * **Renders.** Events are gathered, and rendered once per animation frame.
 */

export type {FieldError} from './errors.ts'
export {Disconnected, HeadwayError, Interrupted, Misuse, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {Operation, Progress, Question, RunEvent, Snapshot, Status} from './events.ts'
export type {Connection, HeaderSource, HeaderValues} from './options.ts'
export {type ClientOptions, createClient, HeadwayProvider, type ReactClient, useClient} from './react-client.ts'
export type {RunState} from './state.ts'
export type {RunVerbs} from './store.ts'
export {type Select, type UseRun, type UseRunOptions, useRun} from './use-run.ts'
