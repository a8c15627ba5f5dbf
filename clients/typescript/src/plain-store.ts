/** `createRunStore`: the state of a run for any framework, or none. */

import type {Operation} from './events.ts'
import {absolute, runUrl} from './http.ts'
import type {RunState} from './state.ts'
import {type ConnectionState, createStore, isRunUrl, type StoreOptions} from './store.ts'

export {Disconnected, HeadwayError, Interrupted, Misuse, Problem, RunCancelled, RunFailed} from './errors.ts'
export type {RunState} from './state.ts'

export interface RunStoreOptions extends StoreOptions {
  /** The id of a run to watch, of the service at the URL. */
  runId?: string | null | undefined
}

export interface RunStore<Op extends Operation = Operation> {
  /** Calls `listener` after each change, at most once a frame; returns what ends this. The run is watched meanwhile. */
  subscribe(listener: () => void): () => void
  /** The state, which is another object after each change. */
  getState(): RunState<Op> & ConnectionState
  /** Starts a run, in place of the one that is watched. Returns its id, or `undefined` if it did not start. */
  start(input?: Op['input'] | FormData): Promise<string | undefined>
  /** Cancels the run. */
  cancel(): Promise<void>
  /** Stops watching; the state stays. */
  disconnect(): void
  /** Watches again. */
  reconnect(): void
  /** Answers the open question. Throws `Problem`, with `errors` where the answer does not fit its schema. */
  answer(answer: unknown): Promise<void>
  /** Stops watching and drops the state: `idle` again. */
  reset(): void
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
  const target = isRunUrl(base) ? base : runId ? runUrl(base, runId) : undefined
  const store = createStore(base, target)
  store.configure({}, options)
  return {subscribe: store.subscribe, getState: store.getState, ...store.verbs} as RunStore<Op>
}
