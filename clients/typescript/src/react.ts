/**
 * `useRun`: a run as the state of a React component (18 and 19).
 *
 *     function Count() {
 *       const run = useRun('/operations/count')
 *       if (run.status === 'idle') return <button onClick={() => run.start({pages: 3})}>Count</button>
 *       return <progress max={100} value={run.percent}>{run.progress?.message}</progress>
 *     }
 *
 * **Who shares what.** Every run that is watched has one store, and that has one connection, however many components
 * look at it (`useSyncExternalStore`). Stores are found by the run's URL: `useRun(url, {runId})` in any component joins
 * the store of that run, also when another component has started it. A component without a `runId` has a store of its
 * own, in which `start` begins a run; components that give the same `key` have one together, before the start too:
 *
 *     useRun('/operations/count', {key: 'report'}).start({pages: 3})     // a button, anywhere
 *     useRun('/operations/count', {key: 'report'}).percent               // a bar, elsewhere
 *
 * The connection ends with the last component that looks at it (what then becomes of the run is for its `linger` to
 * say), a moment later, so that StrictMode's double mounting and a change of page do not cut it.
 *
 * **After a reload.** Keep the id that `start` gives (`onStart` tells it too), in the address for instance, and give it
 * back as `runId`: the run is watched from its first event on.
 *
 * **How often it renders.** Events are gathered and shown once an animation frame.
 */

import {useEffect, useMemo, useState, useSyncExternalStore} from 'react'

import type {Operation} from './events.ts'
import type {RunState} from './fold.ts'
import {absolute, runUrl} from './http.ts'
import type {Connection} from './options.ts'
import {createStore, findStore, isRunUrl, type Store, type StoreOptions} from './store.ts'

export type {FieldError} from './errors.ts'
export {Disconnected, HeadwayError, Interrupted, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {Operation, Progress, Question, RunEvent, Snapshot, Status} from './events.ts'
export type {RunState} from './fold.ts'
export type {Connection, HeaderSource} from './options.ts'

export interface UseRunOptions extends StoreOptions {
  /** A run to watch, one of the service that `url` belongs to; kept by the caller over reloads. */
  runId?: string | null | undefined
  /** Components that give the same key share one store. */
  key?: string | undefined
}

/** What `useRun` gives: the state, and the verbs, which stay the same functions from render to render. */
export interface UseRun<Op extends Operation = Operation> extends RunState<Op> {
  /** The line to the run, which may be `interrupted` while the run is `running`. */
  readonly connection: Connection
  /**
   * Starts a run, in place of the one that was watched. Gives its id, or `undefined` where it could not be started:
   * `error` says why then. An input with a `File` in it travels as a form.
   */
  start(input?: Op['input'] | FormData): Promise<string | undefined>
  /** Ends the work. */
  cancel(): Promise<void>
  /** Ends the viewing; the state stays. */
  disconnect(): void
  /** Comes back after `disconnect`, or to a line that was `lost`. */
  reconnect(): void
  /** Answers the question that is open. Throws `Problem`, with `errors` where the answer does not fit. */
  answer(answer: unknown): Promise<void>
  /** Ends the viewing and forgets the run: `idle` again. */
  reset(): void
}

/**
 * A run of the operation at `url` (`.../operations/NAME`), or the run at `url` (`.../runs/ID`), which cannot be started.
 * How it is shared, and how it outlives a reload, stands above.
 */
export function useRun<Op extends Operation = Operation>(url: string, options: UseRunOptions = {}): UseRun<Op> {
  const {runId, key, ...rest} = options
  const target = targetOf(url, runId)
  const store = useStore(target ?? (key === undefined ? undefined : `key ${key}`), target)
  useEffect(() => store.configure(url, rest)) // ahead of the subscription, which may begin to watch
  const state = useSyncExternalStore(store.subscribe, store.getState, store.getState)
  return useMemo(() => ({...state, ...store.verbs}) as UseRun<Op>, [state, store])
}

/** The store of this name, which stays the same while the name does; without a name, one of the component's own. */
function useStore(name: string | undefined, target: string | undefined): Store {
  const pick = () => ({name, store: name === undefined ? createStore() : findStore(name, target)})
  const [held, hold] = useState(pick)
  if (held.name === name) return held.store
  const next = pick()
  hold(next) // while rendering, as React wants it where state follows a property
  return next.store
}

/** The URL of the run to watch. A server that renders knows no page: there the host does not matter. */
function targetOf(url: string, runId: string | null | undefined): string | undefined {
  if (!runId && !isRunUrl(url)) return
  const whole = absolute(url, globalThis.location?.href ?? 'http://localhost')
  return runId && !isRunUrl(url) ? runUrl(whole, runId) : whole
}
