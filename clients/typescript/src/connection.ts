/**
 * The connection to one run: its stream, reopened after each cut where it was, until `done`.
 *
 * Every way in and out of a stream is in `connect`. An attempt that brings neither a new event nor a comment has failed;
 * only failures in a row count.
 */

import {HeadwayError, Interrupted, Misuse, Problem, RunCancelled} from './errors.ts'
import type {RunEvent, Snapshot} from './events.ts'
import {absolute, bodyOf, discard, fetchOf, isOperationUrl, problemOf, runUrl, send} from './http.ts'
import type {Connection, WatchOptions} from './options.ts'
import {isOffline, onChange} from './page-lifecycle.ts'
import {createReader, type Position, type Reader} from './parse.ts'

/** What a request for a stream takes: events, or a refusal as a problem document. */
const ACCEPT = 'text/event-stream, application/problem+json'
/** Heartbeats of silence after which a stream is dead. */
const MISSED_HEARTBEATS = 2.5
/** Checks within that time. Silence is counted in checks: a machine that was suspended has made only one. */
const CHECKS = 5
const MAX_TIMER = 2 ** 31 - 1

/** The start of a run: the operation's URL, its input, and its `Idempotency-Key`. */
export interface Start {
  url: string
  input: unknown
  key: string
  /** Called with the run's URL. */
  onUrl: (url: string) => void
  /** Seconds for which the run goes on without viewers. */
  linger?: number | undefined
}

export interface RunConnection {
  /** The run's URL, once the service has answered. */
  url: string | undefined
  readonly position: Position
  readonly state: Connection
  /** The events in batches, up to `done`. Throws `Interrupted`, or the `Problem` that the service refused with. */
  events(): AsyncGenerator<RunEvent[]>
  /** Sends a request beside the stream: for the snapshot, a cancel, an answer. */
  request(path: string, init?: RequestInit): Promise<Snapshot>
  /** Sends no start again: an attempt that is under way may still be answered. */
  giveUp(): void
  close(): void
}

/**
 * A connection to the run at `url`, or to the one that it starts by `start`. Throws `TypeError` for an input that cannot
 * be sent, and `Misuse` without a `fetch`.
 */
export function createConnection(options: WatchOptions, url: string | undefined, start?: Start): RunConnection {
  const {retryDelay = 1, maxDelay = 30, heartbeat = 15, parse = JSON.parse, retry, onConnection, onFailure} = options
  const body = start && bodyOf(start.input)
  fetchOf(options)
  const position: Position = {last: options.lastEventId ?? 0, begun: false, over: false, retry: undefined}
  let state: Connection = 'idle'
  let closed = false
  const abandon = new AbortController()
  const abandoned = abandon.signal
  let attempt = new AbortController()
  let lastByte = 0
  let failures = 0
  let wake = () => {}
  let skipPause = false

  const connection: RunConnection = {
    url,
    position,
    get state() {
      return state
    },
    events,
    request,
    giveUp,
    close,
  }
  return connection

  async function* events(): AsyncGenerator<RunEvent[]> {
    const unlisten = onChange({wake: refresh, offline: () => setState('offline')})
    let ending: Connection = 'lost'
    try {
      setState('connecting')
      while (!position.over && !closed) yield* connect()
      ending = 'closed'
    } finally {
      unlisten()
      attempt.abort()
      setState(closed ? 'closed' : ending)
    }
  }

  /** One stream, and the pause after it where it was cut. */
  async function* connect(): AsyncGenerator<RunEvent[]> {
    let reader: Reader | undefined
    let cause: unknown = 'it ended without `done`'
    const stopChecks = checkSilence()
    try {
      const response = await open()
      if (response.status === 204) return yield [await reset()]
      reader = createReader(position, parse)
      setState('open')
      yield* read(response, reader)
    } catch (error) {
      cause = error
    } finally {
      stopChecks()
      attempt.abort()
    }
    if (!closed && !position.over) await reconnect(cause, reader?.alive)
  }

  async function* read(response: Response, reader: Reader): AsyncGenerator<RunEvent[]> {
    if (!response.body?.getReader) throw new Misuse('This `fetch` gives no stream: pass one that does')
    const body = response.body.getReader()
    while (!position.over) {
      lastByte = Date.now()
      const {done, value} = await body.read()
      if (done) return
      setState('open') // the device may have reported itself offline meanwhile
      const batch = reader.feed(value)
      nameRun(batch)
      lastByte = Number.POSITIVE_INFINITY // no silence while the caller works on the batch
      if (batch.length) yield batch
    }
  }

  /** Sends the request of this attempt. Returns a response that is an event stream, or 204. */
  async function open(): Promise<Response> {
    const response = await (connection.url ? resume(connection.url) : post(start as Start))
    if (!response.ok) throw await problemOf(response)
    if (response.status === 204) return response
    const type = response.headers.get('Content-Type')
    if (type?.startsWith('text/event-stream')) return response
    await discard(response)
    const detail = `Not an event stream, but ${type}.`
    if (position.last || !start) throw new Error(detail)
    throw new Problem(response.status, {code: 'not_an_event_stream', detail})
  }

  async function post({url, key, linger}: Start): Promise<Response> {
    const headers: Record<string, string> = {...body?.headers, Accept: ACCEPT, 'Idempotency-Key': key}
    if (linger !== undefined) headers['Prefer'] = `linger=${linger}`
    // `abandoned` is for `uploadFetch`, which knows whether all is sent; any other `fetch` ignores it.
    const init = {method: 'POST', body: body?.body as BodyInit, headers, signal: attempt.signal, abandoned}
    if (init.body instanceof FormData) lastByte = Number.POSITIVE_INFINITY // an upload has no response before its end
    const response = await send(options, url, init)
    if (!response.ok) return response
    const location = response.headers.get('Location')
    const id = response.headers.get('Run-Id')
    // From the address that the start went to: a proxy may strip a part of the path, which `Location` then lacks.
    if (id && isOperationUrl(url)) setUrl(runUrl(url, id))
    else if (location) setUrl(absolute(new URL(location, response.url || url)))
    else if (id) setUrl(runUrl(url, id))
    if (response.status !== 202 || !connection.url) return response
    await discard(response) // the caller's headers asked for no stream (`Prefer: respond-async`)
    return resume(connection.url)
  }

  function resume(url: string): Promise<Response> {
    const headers: Record<string, string> = {Accept: ACCEPT}
    if (position.last) headers['Last-Event-ID'] = String(position.last)
    return send(options, `${url}/events?merge=deltas`, {headers, signal: attempt.signal})
  }

  /** Takes the run's id from `start`: a page of another origin may be unable to read the headers that have it. */
  function nameRun(batch: RunEvent[]): void {
    const first = batch[0]
    if (!connection.url && start && first?.type === 'start' && first.data.run) setUrl(runUrl(start.url, first.data.run))
  }

  function setUrl(url: string): void {
    connection.url = url
    start?.onUrl(url)
  }

  /** The run is over, and the service has no event left to send: the snapshot stands for those that were missed. */
  async function reset(): Promise<RunEvent> {
    const snapshot = await request('')
    position.last = snapshot.last_event_id
    position.over = true
    return {id: snapshot.last_event_id, type: 'reset', data: {timestamp: snapshot.updated, snapshot}}
  }

  // Reconnecting

  /** Waits until the next attempt is due, or throws where there is none. */
  async function reconnect(cause: unknown, alive = false): Promise<void> {
    if (cause instanceof HeadwayError && !cause.retryable) throw cause
    const started = connection.url !== undefined || position.begun
    if (!connection.url && started) throw new Interrupted(cause)
    failures = alive ? 0 : failures + 1
    const offline = isOffline()
    if (offline) failures = 0
    const last = failures >= maxAttempts() || retry?.({reason: cause, count: failures}) === false
    if (last && !abandoned.aborted) throw cause instanceof Problem && !started ? cause : new Interrupted(cause)
    const seconds = offline ? maxDelay : delay(cause)
    onFailure?.({reason: cause, count: Math.max(failures, 1), nextAttemptAt: Date.now() + seconds * 1000})
    setState(offline ? 'offline' : 'interrupted')
    if (!abandoned.aborted) await pause(seconds)
    if (abandoned.aborted && !connection.url) throw new RunCancelled('requested')
  }

  /** A page that is looked at goes on for as long as that. */
  function maxAttempts(): number {
    return options.maxAttempts ?? (globalThis.document && connection.url ? Number.POSITIVE_INFINITY : 10)
  }

  function delay(cause: unknown): number {
    const first = position.retry === undefined ? retryDelay : position.retry / 1000
    const doubled = Math.min(maxDelay, first * 2 ** Math.max(0, failures - 1))
    const least = cause instanceof Problem ? cause.retryAfter : 0
    return Math.max(first, doubled, least) * (1 + Math.random() / 4)
  }

  function pause(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (skipPause) return resolve()
      const timer = setTimeout(resolve, Math.min(seconds * 1000, MAX_TIMER))
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  // Dead streams

  /** Begins an attempt, and aborts it after two and a half heartbeats of silence. Returns what ends the checks. */
  function checkSilence(): () => void {
    const mine = new AbortController()
    attempt = mine
    skipPause = false
    lastByte = Date.now()
    let checked = lastByte
    let silent = 0
    const timer = setInterval(
      () => {
        silent = checked === lastByte ? silent + 1 : 0
        checked = lastByte
        if (silent >= CHECKS && lastByte <= Date.now()) mine.abort(silence())
      },
      (limit() * 1000) / CHECKS,
    )
    return () => clearInterval(timer)
  }

  /** The page may have been frozen: ends a pause, and a stream that is stale or has been silent for too long. */
  function refresh(stale: boolean): void {
    if (stale || Date.now() - lastByte > limit() * 1000) {
      skipPause = true
      attempt.abort(silence())
    }
    wake()
  }

  function silence(): Error {
    return new Error(`no byte for ${limit()} s`)
  }

  function limit(): number {
    return heartbeat * MISSED_HEARTBEATS
  }

  // Beside the stream

  async function request(path: string, init: RequestInit = {}): Promise<Snapshot> {
    if (!connection.url) throw new Problem(404, {code: 'no_run', detail: 'This stream belongs to no run.'})
    for (let failed = 1; ; failed++) {
      try {
        const response = await send(options, connection.url + path, init)
        if (!response.ok) throw await problemOf(response)
        const text = await response.text()
        return (text && parse(text)) as Snapshot
      } catch (error) {
        const final = error instanceof HeadwayError && !error.retryable
        // An answer to a question is not sent again: if only the response was lost, the service would refuse it.
        if (final || failed >= (options.maxAttempts ?? 10) || init.method === 'POST') throw error
        await new Promise((resolve) => setTimeout(resolve, delay(error) * 1000))
      }
    }
  }

  function giveUp(): void {
    abandon.abort()
    wake()
  }

  function close(): void {
    closed = true
    attempt.abort()
    wake()
  }

  function setState(next: Connection): void {
    if (next === state) return
    state = next
    if (next === 'open') onFailure?.(undefined)
    onConnection?.(next)
  }
}
