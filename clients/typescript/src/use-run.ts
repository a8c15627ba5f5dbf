/** `useRun`, and the types of what it takes and gives. */

import {useEffect, useInsertionEffect, useMemo, useState, useSyncExternalStore} from 'react'

import type {Operation, OperationUrl, RunEvent} from './events.ts'
import type {RunState} from './state.ts'
import {
  type ConnectionState,
  createStore,
  type RunVerbs,
  type Store,
  type StoreOptions,
  sharedStore,
  targetOf,
} from './store.ts'

export interface UseRunOptions<Op extends Operation = Operation>
  extends Omit<StoreOptions, 'onEvent' | 'onSuccess' | 'onSettled'> {
  /** The id of a run to watch, of the service at `url`; the caller keeps it over reloads. */
  runId?: string | null | undefined
  /** Components with the same key share one store. */
  key?: string | undefined
  /**
   * Starts a run with this input, without `start`: once for equal inputs, however often the component mounts, and once
   * for all components of a `key`. Another input starts another run; `null` and `undefined` start none.
   */
  input?: Op['input'] | FormData | null | undefined
  /** Called with each event, as it arrives. */
  onEvent?: ((event: RunEvent<Op>) => void) | undefined
  /** Called with the result of a run that has succeeded. */
  onSuccess?: ((result: Op['result']) => void) | undefined
  /** Called after `onSuccess` or `onError`, and after a cancelled run, with the state of the run. */
  onSettled?: ((state: RunState<Op> & ConnectionState) => void) | undefined
}

/** The option `select`: the hook returns what this does, and renders only where that changes. */
export interface Select<Op extends Operation, Selected> {
  select: (run: UseRun<Op>) => Selected
}

/** The URL of an operation, or of a run. */
export type RunTarget<Op extends Operation> = OperationUrl<Op> | `${string}runs/${string}`

/** The state of a run, and its verbs, which are the same functions in every render. */
export type UseRun<Op extends Operation = Operation> = RunState<Op> & ConnectionState & RunVerbs<Op>

/** A run of the operation at `url` (`.../operations/NAME`), or the run at `url` (`.../runs/ID`), which is only watched. */
export function useRun<Op extends Operation, Selected>(
  url: RunTarget<Op>,
  options: UseRunOptions<Op> & Select<Op, Selected>,
): Selected
export function useRun<Op extends Operation = Operation>(url: RunTarget<Op>, options?: UseRunOptions<Op>): UseRun<Op>
export function useRun(url: string | URL, options: UseRunOptions & Partial<Select<Operation, unknown>> = {}): unknown {
  const {runId, key, input, select, ...rest} = options
  const store = useStore(String(url), targetOf(String(url), runId), key)
  const [owner] = useState(() => ({}))
  const configure = () => store.configure(owner, rest)
  useInsertionEffect(configure) // before all other effects: children may start a run in theirs
  useEffect(configure) // again after the second mount of StrictMode
  useEffect(() => () => store.forget(owner), [store, owner])
  useEffect(() => {
    if (input !== undefined && input !== null) store.begin(input)
  }, [store, input])
  const selection = useMemo(() => createSelection(store), [store])
  const read = () => selection(select)
  return useSyncExternalStore(store.subscribe, read, read)
}

type Selection = (select: ((run: UseRun) => unknown) | undefined) => unknown

/** Reads what a component shows of a store: the same object or value, as long as it is equal. */
function createSelection(store: Store): Selection {
  let state: unknown
  let run: UseRun
  let selected: unknown
  return (select) => {
    if (state !== store.getState()) {
      state = store.getState()
      run = {...store.getState(), ...store.verbs}
    }
    if (!select) return run
    const next = select(run)
    if (!isEqual(selected, next)) selected = next
    return selected
  }
}

/** Whether two values are the same, or objects whose members are. */
function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false
  const [a, b] = [Object.entries(one), Object.entries(other)]
  return a.length === b.length && a.every(([key, value]) => Object.is(value, (other as Record<string, unknown>)[key]))
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
