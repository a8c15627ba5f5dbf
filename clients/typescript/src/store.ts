/** What a component shows: the run that it is bound to, or the latest run that it has started of one operation. */

import {HeadwayError} from './errors.ts'
import type {Operation} from './events.ts'
import {absolute, runUrl} from './http.ts'
import {createLayers} from './layers.ts'
import {startRun} from './run.ts'
import {
  asError,
  type Callback,
  createRunStore,
  IDLE,
  keptFor,
  type RunStore,
  type RunStoreOptions,
  type StoreOptions,
  type StoreState,
  sharedRunStore,
} from './run-store.ts'

export type {ConnectionState, StoreOptions, StoreState} from './run-store.ts'

/** What a component does with its run. */
export interface RunVerbs<Op extends Operation = Operation> {
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

export interface Store {
  readonly verbs: RunVerbs
  subscribe(listener: () => void): () => void
  getState(): StoreState
  /** Sets the options of a component; where components of one store differ, those set last count. */
  configure(owner: object, options: StoreOptions): void
  /** Starts a run of an input that a component declares, once for all who declare the same one. */
  begin(input: unknown): void
  /** Drops the options of a component. */
  forget(owner: object): void
}

/** The stores that components share by a key, by that and the operation's URL. */
const shared = new Map<string, Store>()

/** The store for the operation at `url` that components share as `key`. */
export function sharedStore(url: string, key: string): Store {
  const name = `${key} ${url}`
  const store = shared.get(name) ?? createStore(url, undefined, name)
  shared.set(name, store)
  return store
}

/**
 * A store that starts runs of the operation at `url`, or one that is bound to the run at `target`: that never changes
 * its run, and starts none.
 */
export function createStore(url: string, target?: string, name?: string): Store {
  const self = {}
  const listeners = new Set<() => void>()
  const layers = createLayers<StoreOptions>()
  let current: RunStore | undefined = target === undefined ? undefined : sharedRunStore(target)
  let refusal: HeadwayError | undefined
  let state: StoreState = current?.getState() ?? IDLE
  let unsubscribe: (() => void) | undefined
  let dropTimer: ReturnType<typeof setTimeout> | undefined
  let begun: string | undefined

  const verbs: RunVerbs = {
    start,
    cancel: async () => current?.cancel(),
    disconnect: () => current?.disconnect(),
    reconnect: () => {
      refusal = undefined
      current?.reconnect()
    },
    answer: async (answer) => current?.answer(answer),
    reset: () => show(undefined),
  }
  const store: Store = {verbs, subscribe, getState: () => state, configure, begin, forget: layers.drop}
  if (name) release()
  return store

  function configure(owner: object, options: StoreOptions): void {
    layers.set(owner, options)
    current?.configure(self, passedOn())
  }

  /** The options of all components as those of one, who tells each of them. */
  function passedOn(): RunStoreOptions {
    return {...layers.merged(), tell}
  }

  function tell(name: Callback, value: unknown): void {
    for (const options of layers.each()) call(options[name] as ((value: unknown) => void) | undefined, value)
  }

  // Listeners

  function subscribe(listener: () => void): () => void {
    listeners.add(listener)
    clearTimeout(dropTimer)
    if (name) shared.set(name, store)
    listen()
    return () => {
      listeners.delete(listener)
      if (listeners.size) return
      unsubscribe?.()
      unsubscribe = undefined
      current?.forget(self)
      release()
    }
  }

  function listen(): void {
    if (!current || unsubscribe || !listeners.size) return
    current.configure(self, passedOn())
    unsubscribe = current.subscribe(update)
    update()
  }

  function release(): void {
    clearTimeout(dropTimer)
    dropTimer = setTimeout(() => {
      if (name && shared.get(name) === store) shared.delete(name)
    }, keptFor(layers.merged()))
  }

  /** Shows another run, or none; the one before goes on for others who show it. */
  function show(next: RunStore | undefined): void {
    if (target !== undefined) return
    const previous = current
    unsubscribe?.()
    unsubscribe = undefined
    refusal = undefined
    current = next
    previous?.forget(self)
    if (next && layers.merged().previous === 'cancel') previous?.cancel().finally(previous.leave)
    else previous?.leave()
    listen()
    update()
  }

  function update(): void {
    const shown = current?.getState() ?? IDLE
    const next = refusal ? ({...shown, error: refusal} as StoreState) : shown
    if (next === state) return
    state = next
    for (const listener of [...listeners]) listener()
  }

  function begin(input: unknown): void {
    const named = nameOf(input)
    if (target !== undefined || named === begun) return
    begun = named
    void start(input)
  }

  async function start(input?: unknown): Promise<string | undefined> {
    if (target !== undefined) return refuse(new HeadwayError('no_operation', BOUND))
    const mine = createRunStore()
    mine.configure(self, passedOn())
    try {
      const run = startRun(url, input, mine.startOptions())
      show(mine)
      mine.follow(run)
      const id = await run.started
      if (id && current === mine) layers.merged().onStart?.(id)
      return id
    } catch (error) {
      if (!mine.getState().events.length && current !== mine) {
        show(undefined)
        refuse(error)
      }
      return undefined // otherwise the state of the run has the error
    }
  }

  function refuse(error: unknown): undefined {
    refusal = asError(error)
    update()
    tell('onError', refusal)
    tell('onSettled', state)
  }
}

const BOUND = 'This is bound to one run, and starts no other.'

/** Calls a function of the caller. What it throws is reported, and does not end the stream. */
function call(callback: ((value: unknown) => void) | undefined, value: unknown): void {
  try {
    callback?.(value)
  } catch (error) {
    setTimeout(() => {
      throw error
    })
  }
}

const files = new WeakMap<object, number>()
let fileCount = 0

/** A text for an input: equal inputs have the same one, also across renders; a file is equal to itself alone. */
function nameOf(input: unknown): string {
  return JSON.stringify(input, (_, value) => {
    if (!(value instanceof Blob || value instanceof FormData)) return typeof value === 'bigint' ? `${value}n` : value
    if (!files.has(value)) files.set(value, ++fileCount)
    return `file ${files.get(value)}`
  })
}

/** The URL of the run to watch. Rendering on a server has no page; the host does not matter there. */
export function targetOf(url: string, runId: string | null | undefined): string | undefined {
  if (!runId && !isRunUrl(url)) return
  const base = absolute(url, globalThis.location?.href ?? 'http://localhost')
  return runId && !isRunUrl(url) ? runUrl(base, runId) : base
}

/** Whether a URL is a run's rather than an operation's. */
function isRunUrl(url: string): boolean {
  return /\/runs\/[^/?#]+$/.test(url)
}
