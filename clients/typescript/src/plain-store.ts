/** `createRunStore`: the state of a run for any framework, or none. */

import type {Operation} from './events.ts'
import {absolute} from './http.ts'
import type {RunState} from './state.ts'
import {type ConnectionState, createStore, type RunVerbs, type StoreOptions, targetOf} from './store.ts'

export {Disconnected, HeadwayError, Interrupted, Misuse, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {RunState} from './state.ts'

export interface RunStoreOptions extends StoreOptions {
  /** The id of a run to watch, of the service at the URL. */
  runId?: string | null | undefined
}

export interface RunStore<Op extends Operation = Operation> extends RunVerbs<Op> {
  /** Calls `listener` after each change, at most once a frame; returns what ends this. The run is watched meanwhile. */
  subscribe(listener: () => void): () => void
  /** The state, which is another object after each change. */
  getState(): RunState<Op> & ConnectionState
}

/**
 * The state of the run at `url` (`.../runs/ID`), or of the latest run that is started of the operation at `url`
 * (`.../operations/NAME`). `useRun` of `@headway/client/react` is this, as a hook.
 */
export function createRunStore<Op extends Operation = Operation>(
  url: string | URL,
  {runId, ...options}: RunStoreOptions = {},
): RunStore<Op> {
  const base = absolute(url)
  const store = createStore(base, targetOf(base, runId))
  store.configure({}, options)
  return {subscribe: store.subscribe, getState: store.getState, ...store.verbs} as RunStore<Op>
}
