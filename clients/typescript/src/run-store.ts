/** The state of one run, shared by all who show it: one connection, and one new state per frame. It never changes its run. */

import {HeadwayError, RunCancelled} from './errors.ts'
import type {RunEvent} from './events.ts'
import {runId} from './http.ts'
import {createLayers} from './layers.ts'
import type {Connection, FailedAttempt, StartOptions} from './options.ts'
import {type Run, watchRun} from './run.ts'
import {createStateBuilder, isOver, type RunState, type StateBuilder} from './state.ts'

/** Milliseconds that a store is kept after its last listener: StrictMode and a change of page unmount and mount again. */
export const GRACE = 200
/** Milliseconds until a state is shown without an animation frame, which a hidden page does not have. */
const HIDDEN = 250
const MAX_EVENTS = 10_000

export interface StoreOptions
  extends Omit<StartOptions, 'signal' | 'onConnection' | 'onFailure' | 'lastEventId' | 'idempotencyKey'> {
  /** Called with the id of each run that `start` starts. */
  onStart?: ((runId: string) => void) | undefined
  /** Called with each event, as it arrives. */
  onEvent?: ((event: RunEvent) => void) | undefined
  /** Called with the result of a run that has succeeded. */
  // biome-ignore lint/suspicious/noExplicitAny: the hook knows the type of the result
  onSuccess?: ((result: any) => void) | undefined
  /** Called where the run failed, its start was refused, or its connection is lost. */
  onError?: ((error: HeadwayError) => void) | undefined
  /** Called after either of these, and after a cancelled run. */
  onSettled?: ((state: StoreState) => void) | undefined
  /** What becomes of a run that is not over when `start` replaces it (default `keep`: it is no longer watched). */
  previous?: 'cancel' | 'keep' | undefined
  /** Seconds for which a state is kept without components: that of a run with a known id, or of a `key`. */
  keep?: number | undefined
  /** The most events that `events` keeps, the newest ones (default 10,000). */
  maxEvents?: number | undefined
  /** The most keys that `partials` keeps, the newest ones (default 10,000). */
  maxPartials?: number | undefined
}

export type Callback = 'onEvent' | 'onSuccess' | 'onError' | 'onSettled'

/** The options of one who shows a run. */
export interface RunStoreOptions extends StoreOptions {
  /** Calls back all components of it. */
  tell(name: Callback, value: unknown): void
}

export type StoreState = RunState & ConnectionState

export interface ConnectionState {
  /** The state of the connection to the run: it may be `interrupted` while the run is `running`. */
  readonly connection: Connection
  /** Why the last attempt to reach the service failed, while another one is due. */
  readonly failureReason: unknown
  /** How many attempts in a row have failed. */
  readonly failureCount: number
  /** When the next attempt is due, in milliseconds as of `Date.now()`. */
  readonly nextAttemptAt: number | undefined
}

export interface RunStore {
  /** The run's URL, once it is known. */
  readonly url: string | undefined
  subscribe(listener: () => void): () => void
  getState(): StoreState
  /** Sets the options of one of those who show the run; where they differ, those set last count. */
  configure(owner: object, options: RunStoreOptions): void
  /** Drops the options of one of them. */
  forget(owner: object): void
  /** The options for a start, which `follow` is then given. */
  startOptions(): StartOptions
  /** Shows a run that has just been started. */
  follow(run: Run): void
  /** Shows why none was started. */
  fail(error: unknown): void
  cancel(): Promise<void>
  disconnect(): void
  reconnect(): void
  answer(answer: unknown): Promise<void>
  /** Disconnects at once where nobody listens any more. */
  leave(): void
}

/** The state without a run. */
export const IDLE: StoreState = {
  ...createStateBuilder('idle', () => 0).state(),
  connection: 'idle',
  failureReason: undefined,
  failureCount: 0,
  nextAttemptAt: undefined,
}

/** The stores of runs whose URL is known, by that URL. */
const shared = new Map<string, RunStore>()

/** The store of the run at `target`, shared by all who show it. It watches the run once it has a listener. */
export function sharedRunStore(target: string): RunStore {
  return shared.get(target) ?? createRunStore(target)
}

/** The store of a run: of the one at `target`, or of one that is about to be started. */
export function createRunStore(target?: string): RunStore {
  const listeners = new Set<() => void>()
  const layers = createLayers<RunStoreOptions>()
  const builder: StateBuilder = createStateBuilder(
    'queued',
    () => layers.merged().maxEvents ?? MAX_EVENTS,
    () => layers.merged().maxPartials,
  )
  let url = target
  let run: Run | undefined
  let connection: Connection = 'connecting'
  let failure: FailedAttempt | undefined
  let releaseTimer: ReturnType<typeof setTimeout> | undefined
  let released = target !== undefined // nobody has asked for its events yet
  let cancelFrame: (() => void) | undefined
  let latest = 0

  const store: RunStore = {
    get url() {
      return url
    },
    subscribe,
    getState: () => state,
    configure: layers.set,
    forget: layers.drop,
    startOptions,
    follow: (started) => void follow(started),
    fail,
    cancel,
    disconnect: () => run?.disconnect(),
    reconnect,
    answer,
    leave,
  }
  builder.set({id: url && runId(url)})
  let settled = false
  let forgetTimer: ReturnType<typeof setTimeout> | undefined
  let state: StoreState = snapshot()
  share()
  if (target) release()
  return store

  // Listeners

  function subscribe(listener: () => void): () => void {
    listeners.add(listener)
    clearTimeout(releaseTimer)
    clearTimeout(forgetTimer)
    share()
    if (released) reconnect()
    released = false
    return () => {
      if (listeners.delete(listener) && !listeners.size) release()
    }
  }

  function release(): void {
    clearTimeout(releaseTimer)
    releaseTimer = setTimeout(drop, GRACE)
  }

  function leave(): void {
    if (listeners.size) return
    clearTimeout(releaseTimer)
    drop()
  }

  function drop(): void {
    released = true
    run?.disconnect()
    forgetTimer = setTimeout(
      () => {
        if (url && shared.get(url) === store) shared.delete(url)
      },
      keptFor(layers.merged()) - GRACE, // what follows the release
    )
  }

  function share(): void {
    if (url && !shared.has(url)) shared.set(url, store)
  }

  // Verbs

  async function cancel(): Promise<void> {
    const {status} = state
    if (!run || isOver(status)) return
    builder.set({status: 'cancelling'})
    flush()
    await run.cancel().catch((error) => {
      if (error instanceof RunCancelled) return // the start was not answered, and `follow` shows it
      if (builder.status === 'cancelling') builder.set({status})
      fail(error)
    })
  }

  function reconnect(): void {
    if (!url || isOver(state.status) || run?.connection === 'open' || run?.connection === 'connecting') return
    const lastEventId = run?.lastEventId ?? 0
    run?.disconnect()
    builder.set({error: undefined})
    if (state.status === 'idle') builder.set({status: 'queued'})
    try {
      settled = false
      void follow(watchRun(url, {...startOptions(), lastEventId}))
    } catch (error) {
      fail(error)
      settle()
    }
  }

  async function answer(answer: unknown): Promise<void> {
    await run?.answer(answer, state.question?.question)
  }

  // The run

  async function follow(newRun: Run): Promise<void> {
    run = newRun
    connection = newRun.connection
    newRun.started.then(named, () => {})
    const {result} = newRun // which keeps what it may refer to
    show()
    try {
      for await (const event of newRun as AsyncIterable<RunEvent>) {
        if (isSuccess(event)) builder.set({result: await result})
        if (run !== newRun) return
        builder.add(event)
        show()
        tell('onEvent', event)
      }
      if (run === newRun && isOver(builder.status)) settle() // now, when its connection is closed
    } catch (error) {
      if (run !== newRun) return
      fail(error)
      settle()
    }

    function named(id: string): void {
      url = newRun.url
      if (listeners.size) share()
      builder.set({id: id || undefined})
      show()
    }
  }

  /** Shows how the run ended, and tells it once. */
  function settle(): void {
    flush()
    if (settled) return
    settled = true
    if (state.status === 'succeeded') tell('onSuccess', state.result)
    else if (state.status !== 'cancelled') tell('onError', state.error)
    tell('onSettled', state)
  }

  function tell(name: Callback, value: unknown): void {
    for (const options of layers.each()) options.tell(name, value)
  }

  function fail(error: unknown): void {
    if (error instanceof RunCancelled) {
      builder.set({status: 'cancelled', reason: error.reason, question: undefined})
    } else {
      builder.set({error: asError(error)})
      const {status, events} = builder.state()
      if (status === 'queued' || (status === 'cancelling' && !events.length)) builder.set({status: 'idle'})
    }
    if (!run) connection = 'idle'
    show()
  }

  function startOptions(): StartOptions {
    const mine = ++latest
    const {onStart, maxEvents, headers, ...rest} = layers.merged()
    return {
      ...rest,
      // Those of the last render: a token may have changed since the first.
      headers: () => {
        const source = layers.merged().headers
        return typeof source === 'function' ? source() : (source ?? {})
      },
      onConnection(next) {
        if (mine !== latest) return
        connection = next
        if (next === 'closed' || next === 'lost') failure = undefined
        show()
      },
      onFailure(next) {
        if (mine !== latest) return
        failure = next
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
    state = snapshot()
    for (const listener of [...listeners]) listener()
  }

  function snapshot(): StoreState {
    const {reason: failureReason, count: failureCount = 0, nextAttemptAt} = failure ?? {}
    return {...builder.state(), connection, failureReason, failureCount, nextAttemptAt}
  }
}

/** Whether an event ends a run that has a result. */
function isSuccess({type, data}: RunEvent): boolean {
  return (type === 'done' ? data : type === 'reset' ? data.snapshot : undefined)?.status === 'succeeded'
}

/** Milliseconds that a state is kept without components. */
export function keptFor({keep = 0}: StoreOptions): number {
  return Math.max(GRACE, keep * 1000)
}

/** Any error as one of this package. */
export function asError(error: unknown): HeadwayError {
  return error instanceof HeadwayError ? error : new HeadwayError('client_error', String(error), false, error)
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
