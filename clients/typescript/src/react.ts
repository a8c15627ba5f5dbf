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

import {useEffect, useInsertionEffect, useMemo, useState, useSyncExternalStore} from 'react'

import type {Operation} from './events.ts'
import {absolute, runUrl} from './http.ts'
import type {RunState} from './state.ts'
import {createStore, isRunUrl, type Store, type StoreOptions, type StoreState, sharedStore} from './store.ts'

export type {FieldError} from './errors.ts'
export {Disconnected, HeadwayError, Interrupted, Misuse, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {Operation, Progress, Question, RunEvent, Snapshot, Status} from './events.ts'
export type {Connection, HeaderSource, HeaderValues} from './options.ts'
export type {RunState} from './state.ts'

export interface UseRunOptions extends StoreOptions {
  /** The id of a run to watch, of the service at `url`; the caller keeps it over reloads. */
  runId?: string | null | undefined
  /** Components with the same key share one store. */
  key?: string | undefined
}

/** The state of a run, and its verbs, which are the same functions in every render. */
export interface UseRun<Op extends Operation = Operation>
  extends RunState<Op>,
    Pick<StoreState, 'connection' | 'failureReason' | 'failureCount' | 'nextAttemptAt'> {
  /**
   * Starts a run, in place of the one that is watched. Returns its id, or `undefined` if it did not start: `error` then
   * says why. An input with a `File` in it is sent as a form.
   */
  start(input?: Op['input'] | FormData): Promise<string | undefined>
  /** Cancels the run. */
  cancel(): Promise<void>
  /** Stops watching; the state stays. */
  disconnect(): void
  /** Watches again after `disconnect`, or after the connection was `lost`. */
  reconnect(): void
  /** Answers the open question. Throws `Problem`, with `errors` where the answer does not fit its schema. */
  answer(answer: unknown): Promise<void>
  /** Stops watching and drops the state: `idle` again. */
  reset(): void
}

/** A run of the operation at `url` (`.../operations/NAME`), or the run at `url` (`.../runs/ID`), which is only watched. */
export function useRun<Op extends Operation = Operation>(url: string, options: UseRunOptions = {}): UseRun<Op> {
  const {runId, key, ...rest} = options
  const store = useStore(url, targetOf(url, runId), key)
  const [owner] = useState(() => ({}))
  const configure = () => store.configure(owner, rest)
  useInsertionEffect(configure) // before all other effects: children may start a run in theirs
  useEffect(configure) // again after the second mount of StrictMode
  useEffect(() => () => store.forget(owner), [store, owner])
  const state = useSyncExternalStore(store.subscribe, store.getState, store.getState)
  return useMemo(() => ({...state, ...store.verbs}) as UseRun<Op>, [state, store])
}

/** The store of the run at `target`, or of the operation at `url`: shared as `key`, or the component's own. */
function useStore(url: string, target: string | undefined, key: string | undefined): Store {
  const name = target ?? `${key ?? ''} ${url}`
  const open = () => ({
    name,
    store: target === undefined && key !== undefined ? sharedStore(url, key) : createStore(url, target),
  })
  const [current, setCurrent] = useState(open)
  if (current.name === name) return current.store
  const next = open()
  setCurrent(next) // while rendering, which is how React adjusts state to a changed property
  return next.store
}

/** The URL of the run to watch. Rendering on a server has no page; the host does not matter there. */
function targetOf(url: string, runId: string | null | undefined): string | undefined {
  if (!runId && !isRunUrl(url)) return
  const base = absolute(url, globalThis.location?.href ?? 'http://localhost')
  return runId && !isRunUrl(url) ? runUrl(base, runId) : base
}
