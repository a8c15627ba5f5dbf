/** The state of one run, shared by all components that show it: one connection, and one new state per frame. */

import {HeadwayError} from './errors.ts'
import type {RunEvent} from './events.ts'
import {runId} from './http.ts'
import type {Connection, StartOptions} from './options.ts'
import {type Run, startRun, watchRun} from './run.ts'
import {createStateBuilder, isOver, type RunState, type StateBuilder} from './state.ts'

/** Milliseconds that a store is kept after its last component: StrictMode and a change of page unmount and mount again. */
const GRACE = 200
/** Milliseconds until a state is shown without an animation frame, which a hidden page does not have. */
const HIDDEN = 250
const MAX_EVENTS = 10_000

export interface StoreOptions extends Omit<StartOptions, 'signal' | 'onConnection' | 'lastEventId' | 'idempotencyKey'> {
  /** Called with the id of each run that `start` starts. */
  onStart?: (runId: string) => void
  /** The most events that `events` keeps, the newest ones (default 10,000). */
  maxEvents?: number
}

export interface StoreState extends RunState {
  /** The state of the connection to the run: it may be `interrupted` while the run is `running`. */
  readonly connection: Connection
}

export interface Verbs {
  start(input?: unknown): Promise<string | undefined>
  cancel(): Promise<void>
  disconnect(): void
  reconnect(): void
  answer(answer: unknown): Promise<void>
  reset(): void
}

export interface Store {
  readonly verbs: Verbs
  subscribe(listener: () => void): () => void
  getState(): StoreState
  /** Sets the URL and the options of a component. Where components differ, the last call counts. */
  configure(url: string, options: StoreOptions): void
}

/** The shared stores, by the URL of a run, or by `key KEY`. */
const shared = new Map<string, Store>()

/** The state of a store without a run. */
const IDLE: StoreState = {...createStateBuilder('idle', () => 0).state(), connection: 'idle'}
/** The state of a store that is about to watch a run. */
const QUEUED: StoreState = {...createStateBuilder('queued', () => 0).state(), connection: 'connecting'}

/** The store that is shared as `name`. With `target`, a run's URL, it watches that run as soon as it has a listener. */
export function sharedStore(name: string, target?: string): Store {
  return shared.get(name) ?? createStore(name, target)
}

/** A store, shared as `name` if it has one, and as the URL of its run once that has started. */
export function createStore(name?: string, target?: string): Store {
  const listeners = new Set<() => void>()
  const names = new Set<string>()
  let url = ''
  let options: StoreOptions = {}
  let run: Run | undefined
  let builder: StateBuilder = createStateBuilder(target ? 'queued' : 'idle', maxEvents)
  let state: StoreState = target ? {...QUEUED, id: runId(target)} : IDLE
  let connection: Connection = state.connection
  let releaseTimer: ReturnType<typeof setTimeout> | undefined
  let released = true // and a new store is like a released one
  let cancelFrame: (() => void) | undefined
  let latest = 0

  const verbs: Verbs = {start, cancel, disconnect, reconnect, answer, reset}
  const store: Store = {
    verbs,
    subscribe,
    getState: () => state,
    configure,
  }
  builder.set({id: state.id})
  if (name) {
    share(name)
    release()
  }
  return store

  function configure(newUrl: string, newOptions: StoreOptions): void {
    if (!isRunUrl(newUrl)) url = newUrl
    for (const [option, value] of Object.entries(newOptions)) {
      if (value !== undefined) options = {...options, [option]: value}
    }
  }

  // Listeners

  function subscribe(listener: () => void): () => void {
    listeners.add(listener)
    clearTimeout(releaseTimer)
    for (const each of names) share(each)
    if (released) reconnect()
    released = false
    return () => {
      listeners.delete(listener)
      if (!listeners.size) release()
    }
  }

  function release(): void {
    clearTimeout(releaseTimer)
    releaseTimer = setTimeout(() => {
      released = true
      for (const each of names) if (shared.get(each) === store) shared.delete(each)
      run?.disconnect()
    }, GRACE)
  }

  function share(as: string): void {
    names.add(as)
    if (!shared.has(as)) shared.set(as, store)
  }

  // Verbs

  async function start(input?: unknown): Promise<string | undefined> {
    clear('queued', 'connecting')
    try {
      if (!url) throw new HeadwayError('no_operation', 'Only the URL of an operation can start a run.')
      const newRun = startRun(url, input, runOptions())
      void follow(newRun)
      const id = await newRun.started
      if (run !== newRun) return id
      if (newRun.url) share(newRun.url)
      target = newRun.url
      builder.set({id: id || undefined})
      show()
      if (id) options.onStart?.(id)
      return id
    } catch (error) {
      if (!run) fail(error) // otherwise `follow` does
      return undefined
    }
  }

  async function cancel(): Promise<void> {
    const {status} = state
    if (!run || isOver(status)) return
    builder.set({status: 'cancelling'})
    flush()
    await run.cancel().catch((error) => {
      if (builder.state().status === 'cancelling') builder.set({status})
      fail(error)
    })
  }

  function disconnect(): void {
    run?.disconnect()
  }

  function reconnect(): void {
    if (!target || isOver(state.status) || run?.connection === 'open' || run?.connection === 'connecting') return
    const lastEventId = run?.lastEventId ?? 0
    run?.disconnect()
    builder.set({error: undefined})
    if (state.status === 'idle') builder.set({status: 'queued'})
    void follow(watchRun(target, {...runOptions(), lastEventId}))
  }

  async function answer(answer: unknown): Promise<void> {
    await run?.answer(answer, state.question?.question)
  }

  function reset(): void {
    clear('idle', 'idle')
  }

  // The run

  /** Disconnects from the current run, and shows an empty state. */
  function clear(status: 'idle' | 'queued', newConnection: Connection): void {
    latest++
    run?.disconnect()
    run = undefined
    if (target && names.delete(target) && shared.get(target) === store) shared.delete(target)
    target = undefined
    builder = createStateBuilder(status, maxEvents)
    connection = newConnection
    flush()
  }

  async function follow(newRun: Run): Promise<void> {
    run = newRun
    connection = newRun.connection
    show()
    try {
      for await (const event of newRun) {
        if (run !== newRun) return
        builder.add(event as RunEvent)
        show()
      }
    } catch (error) {
      if (run === newRun) fail(error)
    }
  }

  function fail(error: unknown): void {
    builder.set({
      error: error instanceof HeadwayError ? error : new HeadwayError('client_error', String(error), false, error),
    })
    if (builder.state().status === 'queued') builder.set({status: 'idle'}) // no event has arrived
    show()
  }

  /** A function, since the options are set after the store is created. */
  function maxEvents(): number {
    return options.maxEvents ?? MAX_EVENTS
  }

  function runOptions(): StartOptions {
    const {onStart, maxEvents: _, ...rest} = options
    const mine = ++latest
    return {
      ...rest,
      // Those of the last render: a token may have changed since the first.
      headers: () => (typeof options.headers === 'function' ? options.headers() : (options.headers ?? {})),
      onConnection(next) {
        if (mine !== latest) return
        connection = next
        show()
      },
    }
  }

  // Frames

  function show(): void {
    cancelFrame ??= onFrame(flush)
  }

  function flush(): void {
    cancelFrame?.()
    cancelFrame = undefined
    state = {...builder.state(), connection}
    for (const listener of [...listeners]) listener()
  }
}

/** Calls once, in the next animation frame or soon. Returns what prevents the call. */
function onFrame(call: () => void): () => void {
  const frame = globalThis.requestAnimationFrame?.(call)
  const timer = setTimeout(call, frame === undefined ? 16 : HIDDEN)
  return () => {
    clearTimeout(timer)
    if (frame !== undefined) globalThis.cancelAnimationFrame(frame)
  }
}

/** Whether a URL is a run's rather than an operation's. */
export function isRunUrl(url: string): boolean {
  return /\/runs\/[^/?#]+$/.test(url)
}
