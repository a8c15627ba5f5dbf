/** A run as its client holds it: the events as an async iterable, the result as a promise, and the verbs. */

import {Disconnected, RunCancelled, RunFailed} from './errors.ts'
import type {Failure, Operation, Question, Reason, RunEvent, Snapshot, Status} from './events.ts'
import {absolute, runId, send} from './http.ts'
import {createLine, type Line, type Start} from './line.ts'
import type {Connection, StartOptions, WatchOptions} from './options.ts'
import {onLeave} from './page.ts'
import {createQueue} from './queue.ts'

/**
 * A run that is being watched. Its events are handed out once, to whoever iterates; leaving the loop early ends the
 * viewing, as `disconnect()` does. The stream is read ahead by no more than some hundred events while nobody iterates.
 */
export interface Run<Op extends Operation = Operation> extends AsyncIterable<RunEvent<Op>> {
  /** Its id; `undefined` until the service has answered. */
  readonly id: string | undefined
  /** Its URL, likewise. */
  readonly url: string | undefined
  /**
   * Its id, once the service has answered; empty for a stream that belongs to no run (the helper `stream()`). Rejects
   * with what the iteration throws where there never is an answer.
   */
  readonly started: Promise<string>
  /** The number of the last event that came. */
  readonly lastEventId: number
  /** The line to it. */
  readonly connection: Connection
  /**
   * Its result, whether anybody iterates or not. Rejects with `RunFailed`, `RunCancelled`, `Disconnected`, or what the
   * iteration throws: `Interrupted` or `Problem`.
   */
  readonly result: Promise<Op['result']>
  /** Asks how it stands. Waits for the answer to the start; throws `Problem`, as the verbs below do. */
  snapshot(): Promise<Snapshot<Op['result']>>
  /** Ends the work. The events go on up to `done`. Harmless when repeated, or too late. */
  cancel(): Promise<Snapshot<Op['result']>>
  /** Ends the viewing. What becomes of the work is for the operation's `linger` to say. */
  disconnect(): void
  /** Answers its question: the one that is open, unless another is named. */
  answer(answer: unknown, question?: string): Promise<Snapshot<Op['result']>>
}

/**
 * Starts a run of the operation at `url` (`.../operations/NAME`). An input with a `File` or `Blob` in it travels as a
 * form. Throws a `TypeError` for what is no URL; whatever else goes wrong is thrown by the iteration and by `result`.
 */
export function startRun<Op extends Operation = Operation>(
  url: string | URL,
  input?: Op['input'] | FormData,
  options: StartOptions = {},
): Run<Op> {
  const key = options.idempotencyKey ?? randomKey()
  return createRun(options, undefined, {url: absolute(url), input, key})
}

/** Watches the run at `url` (`.../runs/ID`), from its first event on unless `lastEventId` says otherwise. */
export function watchRun<Op extends Operation = Operation>(url: string | URL, options: WatchOptions = {}): Run<Op> {
  return createRun(options, absolute(url))
}

function createRun<Op extends Operation>(
  options: WatchOptions,
  url: string | undefined,
  start?: Omit<Start, 'named'>,
): Run<Op> {
  const started = deferred<string>()
  const outcome = createOutcome()
  const queue = createQueue<RunEvent<Op>>()
  const named = (at: string) => started.resolve(runId(at))
  const line = createLine(options, url, start && {...start, named})
  const unlisten = [onAbort(options.signal, stop), onPageHide(options, line)]
  if (url) named(url)
  void pump()

  return {
    get id() {
      return line.url && runId(line.url)
    },
    get url() {
      return line.url
    },
    get lastEventId() {
      return line.position.last
    },
    get connection() {
      return line.connection
    },
    get result() {
      queue.letGo()
      return outcome.promise
    },
    started: started.promise,
    snapshot: () => ask(),
    cancel: () => ask('', {method: 'DELETE'}),
    disconnect: () => stop(new Disconnected()),
    answer,
    [Symbol.asyncIterator]: () => queue.iterate(() => stop(new Disconnected())),
  }

  async function pump(): Promise<void> {
    try {
      for await (const batch of line.follow()) {
        started.resolve(line.url ? runId(line.url) : '')
        for (const event of batch) outcome.learn(event)
        await queue.push(batch as RunEvent<Op>[])
      }
      queue.end()
    } catch (error) {
      stop(error)
    } finally {
      for (const each of unlisten) each()
    }
  }

  /** Ends the viewing, for a reason that the iteration throws unless it is the caller's own wish. */
  function stop(reason: unknown): void {
    line.close()
    outcome.reject(reason)
    started.reject(reason)
    queue.end(reason instanceof Disconnected ? undefined : {reason})
  }

  async function ask(path = '', init?: RequestInit): Promise<Snapshot<Op['result']>> {
    await started.promise
    return (await line.ask(path, init)) as Snapshot<Op['result']>
  }

  async function answer(given: unknown, question = outcome.question): Promise<Snapshot<Op['result']>> {
    const asked = question ?? (await ask()).question?.question ?? null
    const body = JSON.stringify({question: asked, answer: given})
    return ask('/answer', {method: 'POST', body, headers: {'Content-Type': 'application/json'}})
  }
}

interface Outcome {
  readonly promise: Promise<unknown>
  /** The question that is open. */
  readonly question: string | undefined
  learn(event: RunEvent): void
  reject(reason: unknown): void
}

/** What a run comes to, learned from its events. */
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
    learn,
    reject,
  }

  function learn(event: RunEvent): void {
    if (event.type === 'result') result = event.data.result
    else if (event.type === 'error') error = event.data
    else if (event.type === 'question') question = event.data
    else if (event.type === 'answer' || event.type === 'attempt') question = null
    else if (event.type === 'done') settle(event.data.status, event.data.reason)
    else if (event.type === 'reset') adopt(event.data.snapshot)
  }

  function adopt(snapshot: Snapshot): void {
    result = snapshot.result
    error = snapshot.error
    question = snapshot.question
    settle(snapshot.status)
  }

  function settle(status: Status, reason?: Reason): void {
    if (status === 'succeeded') resolve(result)
    if (status === 'failed') reject(new RunFailed(error ?? UNTOLD))
    if (status === 'cancelled') reject(new RunCancelled(reason))
  }
}

const UNTOLD: Failure = {code: 'operation_failed', message: 'The run failed.', retryable: false}

function onAbort(signal: AbortSignal | undefined, stop: (reason: unknown) => void): () => void {
  const aborted = () => stop(signal?.reason)
  if (signal?.aborted) aborted()
  signal?.addEventListener('abort', aborted)
  return () => signal?.removeEventListener('abort', aborted)
}

function onPageHide(options: WatchOptions, line: Line): () => void {
  if (!options.cancelOnPageHide) return () => {}
  return onLeave(() => {
    if (line.url) send(options, line.url, {method: 'DELETE', keepalive: true}).catch(() => {})
  })
}

/** 128 random bits. Not `randomUUID`, which pages without TLS do not have. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function deferred<T>(): {promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void} {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  promise.catch(() => {}) // nobody has to ask: what goes wrong is thrown by the iteration too
  return {promise, resolve, reject}
}
