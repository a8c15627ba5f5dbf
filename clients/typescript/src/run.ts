/** One run: its events as an async iterable, its result as a promise, and the requests that act on it. */

import {createConnection, type RunConnection, type Start} from './connection.ts'
import {Disconnected, NO_ERROR, RunCancelled, RunFailed} from './errors.ts'
import type {Failure, Operation, OperationUrl, Question, Reason, RunEvent, Snapshot, Status} from './events.ts'
import {absolute, problemOf, runId, send, sendLast} from './http.ts'
import type {Connection, StartOptions, WatchOptions} from './options.ts'
import {onLeave} from './page-lifecycle.ts'
import {type KeptPartials, keepPartials, referredKeys} from './partials.ts'
import {createQueue} from './queue.ts'

/**
 * A run that is watched. Each event is given to one iteration only; leaving the loop early disconnects. As long as
 * nobody iterates, some hundred events are read ahead at most.
 */
export interface Run<Op extends Operation = Operation> extends AsyncIterable<RunEvent<Op>> {
  /** Its id; `undefined` until the service has answered. */
  readonly id: string | undefined
  /** Its URL, likewise. */
  readonly url: string | undefined
  /**
   * Its id, once the service has answered; empty for a stream that belongs to no run (the helper `stream()`). Rejects
   * with what the iteration throws where the service never answers.
   */
  readonly started: Promise<string>
  /** The id of the last event that arrived. */
  readonly lastEventId: number
  /** The state of the connection to it. */
  readonly connection: Connection
  /**
   * Its result, whether anybody iterates or not, with the values of the partials that it refers to: those that have
   * passed are read once more. Rejects with `RunFailed`, `RunCancelled`, `Disconnected`, or what the iteration throws:
   * `Interrupted` or `Problem`.
   */
  readonly result: Promise<Op['result']>
  /** Fetches its snapshot, after the answer to the start. Throws `Problem`, as the requests below do. */
  snapshot(): Promise<Snapshot<Op['result']>>
  /**
   * Cancels it. The events go on up to `done`. Harmless when repeated, or when the run is over. A start that the service
   * has not answered is given up: the iteration and this throw `RunCancelled`.
   */
  cancel(): Promise<Snapshot<Op['result']>>
  /** Stops watching it. How long the run goes on without viewers is its `linger`. */
  disconnect(): void
  /** Fetches a file that it has handed over: `event.data.name` of its `file` events, `snapshot.files`. */
  file(name: string): Promise<Blob>
  /** Deletes it, once it is over, with all that belongs to it. */
  erase(): Promise<void>
  /** Answers its open question, or the one with the id `question`. */
  answer(answer: unknown, question?: string): Promise<Snapshot<Op['result']>>
}

/**
 * Starts a run of the operation at `url` (`.../operations/NAME`). An input with a `File` or `Blob` in it is sent as a
 * form. Throws `TypeError` if the URL is invalid or the input cannot be sent, and `Misuse` without a `fetch`; any other
 * error is thrown by the iteration, and rejects `result`.
 */
export function startRun<Op extends Operation = Operation>(
  url: OperationUrl<Op>,
  input?: Op['input'] | FormData,
  options: StartOptions = {},
): Run<Op> {
  const key = options.idempotencyKey ?? randomKey()
  return createRun(options, undefined, {url: absolute(url), input, key, linger: options.linger})
}

/** Watches the run at `url` (`.../runs/ID`), from its first event or after `lastEventId`. */
export function watchRun<Op extends Operation = Operation>(url: string | URL, options: WatchOptions = {}): Run<Op> {
  return createRun(options, absolute(url))
}

function createRun<Op extends Operation>(
  options: WatchOptions,
  url: string | undefined,
  start?: Omit<Start, 'onUrl'>,
): Run<Op> {
  const started = deferred<string>()
  const outcome = createOutcome()
  const queue = createQueue<RunEvent<Op>>()
  let result: Promise<unknown> | undefined
  let log: RunConnection | undefined
  let partials: KeptPartials | undefined
  const onUrl = (url: string) => started.resolve(runId(url))
  const connection = createConnection(options, url, start && {...start, onUrl})
  const unlisten = [onAbort(options.signal, stop), onPageHide(options, connection)]
  if (url) onUrl(url)
  void read()

  return {
    get id() {
      return connection.url && runId(connection.url)
    },
    get url() {
      return connection.url
    },
    get lastEventId() {
      return connection.position.last
    },
    get connection() {
      return connection.state
    },
    get result() {
      queue.unblock()
      result ??= handled(fill(outcome.promise))
      return result
    },
    started: started.promise,
    snapshot: () => request(),
    cancel,
    disconnect: () => stop(new Disconnected()),
    answer,
    file,
    erase: () => request('/events', {method: 'DELETE'}).then(() => {}),
    [Symbol.asyncIterator]: () => queue.iterate(() => stop(new Disconnected())),
  }

  async function read(): Promise<void> {
    try {
      for await (const batch of connection.events()) {
        started.resolve(connection.url ? runId(connection.url) : '')
        if (!connection.url) partials ??= keepPartials(options.maxPartials) // there is no log to read them from once more
        for (const event of batch) {
          partials?.add(event)
          outcome.add(event)
        }
        await queue.push(batch as RunEvent<Op>[])
      }
      queue.end()
    } catch (error) {
      stop(error)
    } finally {
      for (const each of unlisten) each()
    }
  }

  /** Closes the connection. The iteration throws `reason`, unless the caller itself has disconnected. */
  function stop(reason: unknown): void {
    connection.close()
    log?.close()
    outcome.reject(reason)
    started.reject(reason)
    queue.end(reason instanceof Disconnected ? undefined : {reason})
  }

  /** The result with the values that it refers to. */
  async function fill(outcome: Promise<unknown>): Promise<unknown> {
    partials ??= keepPartials(options.maxPartials)
    const raw = await outcome
    const keys = referredKeys(raw)
    if (!keys.length) return raw
    return (keys.every(partials.has) ? partials : await readPartials(keys)).fill(raw)
  }

  /** Reads the partials with these keys from the run's log. */
  async function readPartials(keys: string[]): Promise<KeptPartials> {
    const found = keepPartials(0, new Set(keys))
    if (!connection.url) return found
    log = createConnection({...options, lastEventId: 0, onConnection: undefined, onFailure: undefined}, connection.url)
    for await (const batch of log.events()) for (const event of batch) found.add(event)
    if (!log.position.over) throw new Disconnected()
    return found
  }

  async function request(path = '', init?: RequestInit): Promise<Snapshot<Op['result']>> {
    await started.promise
    return (await connection.request(path, init)) as Snapshot<Op['result']>
  }

  async function file(name: string): Promise<Blob> {
    await started.promise
    const response = await send(options, `${connection.url}/files/${encodeURIComponent(name)}`, {})
    if (!response.ok) throw await problemOf(response)
    return response.blob()
  }

  async function cancel(): Promise<Snapshot<Op['result']>> {
    connection.giveUp()
    return request('', {method: 'DELETE'})
  }

  async function answer(answer: unknown, id = outcome.question): Promise<Snapshot<Op['result']>> {
    const question = id ?? (await request()).question?.question ?? null
    const body = JSON.stringify({question, answer})
    return request('/answer', {method: 'POST', body, headers: {'Content-Type': 'application/json'}})
  }
}

interface Outcome {
  readonly promise: Promise<unknown>
  /** The id of the open question. */
  readonly question: string | undefined
  add(event: RunEvent): void
  reject(reason: unknown): void
}

/** The result or the error of a run, from its events. */
function createOutcome(): Outcome {
  const {promise, resolve, reject} = deferred<unknown>()
  let result: unknown
  let error: Failure | null = null
  let question: Question | null = null

  return {
    promise,
    get question() {
      return question?.question
    },
    add,
    reject,
  }

  function add(event: RunEvent): void {
    if (event.type === 'result') result = event.data.result
    else if (event.type === 'error') error = event.data
    else if (event.type === 'question') question = event.data
    else if (event.type === 'answer' || event.type === 'attempt') question = null
    else if (event.type === 'done') settle(event.data.status, event.data.reason)
    else if (event.type === 'reset') applySnapshot(event.data.snapshot)
  }

  function applySnapshot(snapshot: Snapshot): void {
    result = snapshot.result
    error = snapshot.error
    question = snapshot.question
    settle(snapshot.status)
  }

  function settle(status: Status, reason?: Reason): void {
    if (status === 'succeeded') resolve(result)
    if (status === 'failed') reject(new RunFailed(error ?? NO_ERROR))
    if (status === 'cancelled') reject(new RunCancelled(reason))
  }
}

function onAbort(signal: AbortSignal | undefined, stop: (reason: unknown) => void): () => void {
  const aborted = () => stop(signal?.reason)
  if (signal?.aborted) aborted()
  signal?.addEventListener('abort', aborted)
  return () => signal?.removeEventListener('abort', aborted)
}

function onPageHide(options: WatchOptions, connection: RunConnection): () => void {
  if (!options.cancelOnPageHide) return () => {}
  return onLeave(() => {
    if (connection.url) sendLast(options, connection.url, {method: 'DELETE'})
  })
}

/** 128 random bits. Pages without TLS have no `randomUUID`. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function deferred<T>(): {promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void} {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  return {promise: handled(promise), resolve, reject}
}

/** No rejection of it is unhandled where nobody awaits it: the iteration throws the error too. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
