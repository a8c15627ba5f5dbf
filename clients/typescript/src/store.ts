/** The state of one run, shared by all components that look at it: one connection, and a new state once a frame. */

import {HeadwayError} from './errors.ts'
import type {RunEvent} from './events.ts'
import {createFold, type Fold, isOver, type RunState} from './fold.ts'
import {runId} from './http.ts'
import type {Connection, StartOptions} from './options.ts'
import {type Run, startRun, watchRun} from './run.ts'

/** Milliseconds that a store nobody looks at is kept: StrictMode, and a change of page, leave and come back. */
const GRACE = 200
/** Milliseconds after which a state is shown without an animation frame: a hidden page has none. */
const HIDDEN = 250
const MAX_EVENTS = 10_000

export interface StoreOptions extends Omit<StartOptions, 'signal' | 'onConnection' | 'lastEventId' | 'idempotencyKey'> {
  /** Told the id of each run that `start` has begun. */
  onStart?: (runId: string) => void
  /** The most events that `events` keeps, the newest ones (default 10,000). */
  maxEvents?: number
}

export interface StoreState extends RunState {
  /** The line to the run, which may be `interrupted` while the run is `running`. */
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
  /** Takes what a component says at present: of what several say, the last one counts. */
  configure(url: string, options: StoreOptions): void
}

/** Stores that can be found: by `run URL`, and by `key KEY`. */
const shared = new Map<string, Store>()

/** What a store shows before anything has happened. */
export const IDLE: StoreState = {...createFold('idle', () => 0).state(), connection: 'idle'}
/** And what it shows of a run that is about to be watched. */
const QUEUED: StoreState = {...createFold('queued', () => 0).state(), connection: 'connecting'}

/** The store that is found under `name`; with `target`, the URL of a run, it watches that once somebody looks. */
export function findStore(name: string, target?: string): Store {
  return shared.get(name) ?? createStore(name, target)
}

/** A store. It is shared from now on where it has a name, and from the start of its run on in any case. */
export function createStore(name?: string, target?: string): Store {
  const listeners = new Set<() => void>()
  const names = new Set<string>()
  let url = ''
  let options: StoreOptions = {}
  let run: Run | undefined
  let fold: Fold = createFold(target ? 'queued' : 'idle', maxEvents)
  let state: StoreState = target ? {...QUEUED, id: runId(target)} : IDLE
  let connection: Connection = state.connection
  let release: ReturnType<typeof setTimeout> | undefined
  let released = true // and not yet looked at, which is the same
  let cancelFrame: (() => void) | undefined
  let turn = 0

  const verbs: Verbs = {start, cancel, disconnect, reconnect, answer, reset}
  const store: Store = {
    verbs,
    subscribe,
    getState: () => state,
    configure,
  }
  fold.set({id: state.id})
  if (name) {
    share(name)
    leaveSoon()
  }
  return store

  function configure(at: string, said: StoreOptions): void {
    if (!isRunUrl(at)) url = at
    for (const [option, value] of Object.entries(said)) {
      if (value !== undefined) options = {...options, [option]: value}
    }
  }

  // Who looks

  function subscribe(listener: () => void): () => void {
    listeners.add(listener)
    clearTimeout(release)
    for (const each of names) share(each)
    if (released) reconnect()
    released = false
    return () => {
      listeners.delete(listener)
      if (!listeners.size) leaveSoon()
    }
  }

  function leaveSoon(): void {
    clearTimeout(release)
    release = setTimeout(() => {
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
    begin('queued', 'connecting')
    try {
      if (!url) throw new HeadwayError('no_operation', 'Only the URL of an operation can start a run.')
      const mine = startRun(url, input, lineOptions())
      void follow(mine)
      const id = await mine.started
      if (run !== mine) return id
      if (mine.url) share(mine.url)
      target = mine.url
      fold.set({id: id || undefined})
      show()
      if (id) options.onStart?.(id)
      return id
    } catch (error) {
      if (!run) fail(error) // else whoever follows it tells
      return undefined
    }
  }

  async function cancel(): Promise<void> {
    const {status} = state
    if (!run || isOver(status)) return
    fold.set({status: 'cancelling'})
    flush()
    await run.cancel().catch((error) => {
      if (fold.state().status === 'cancelling') fold.set({status})
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
    fold.set({error: undefined})
    if (state.status === 'idle') fold.set({status: 'queued'})
    void follow(watchRun(target, {...lineOptions(), lastEventId}))
  }

  async function answer(given: unknown): Promise<void> {
    await run?.answer(given, state.question?.question)
  }

  function reset(): void {
    begin('idle', 'idle')
  }

  // The run

  /** Leaves the run that was watched, and shows an empty state. */
  function begin(status: 'idle' | 'queued', line: Connection): void {
    turn++
    run?.disconnect()
    run = undefined
    if (target && names.delete(target) && shared.get(target) === store) shared.delete(target)
    target = undefined
    fold = createFold(status, maxEvents)
    connection = line
    flush()
  }

  async function follow(mine: Run): Promise<void> {
    run = mine
    connection = mine.connection
    show()
    try {
      for await (const event of mine) {
        if (run !== mine) return
        fold.add(event as RunEvent)
        show()
      }
    } catch (error) {
      if (run === mine) fail(error)
    }
  }

  function fail(error: unknown): void {
    const known = error instanceof HeadwayError ? error : new HeadwayError('client_error', String(error), false, error)
    fold.set({error: known})
    if (fold.state().status === 'queued') fold.set({status: 'idle'}) // nothing has been seen of it
    show()
  }

  /** Asked for each time, since the options come after the store. */
  function maxEvents(): number {
    return options.maxEvents ?? MAX_EVENTS
  }

  function lineOptions(): StartOptions {
    const {onStart, maxEvents: _, ...line} = options
    const mine = ++turn
    return {
      ...line,
      // Those of the last render, for a token may have changed since the first.
      headers: () => (typeof options.headers === 'function' ? options.headers() : (options.headers ?? {})),
      onConnection(next) {
        if (mine !== turn) return
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
    state = {...fold.state(), connection}
    for (const listener of [...listeners]) listener()
  }
}

/** Calls once, with the next animation frame or soon. Gives what calls it off. */
function onFrame(call: () => void): () => void {
  const frame = globalThis.requestAnimationFrame?.(call)
  const timer = setTimeout(call, frame === undefined ? 16 : HIDDEN)
  return () => {
    clearTimeout(timer)
    if (frame !== undefined) globalThis.cancelAnimationFrame(frame)
  }
}

/** Whether a URL is a run's, and not an operation's. */
export function isRunUrl(url: string): boolean {
  return /\/runs\/[^/?#]+$/.test(url)
}
