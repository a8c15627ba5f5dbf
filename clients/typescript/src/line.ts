/**
 * The line to one run: a stream that comes back after cuts, from where it was, until it has brought `done`.
 *
 * All ways on and out of a connection are in `follow`. An attempt has failed that brings neither a new event nor a
 * comment; failures are counted in a row.
 */

import {Interrupted, Problem} from './errors.ts'
import type {RunEvent, Snapshot} from './events.ts'
import {absolute, bodyOf, discard, problemOf, runUrl, send} from './http.ts'
import type {Connection, WatchOptions} from './options.ts'
import {isOffline, onChange} from './page.ts'
import {createReader, type Position, type Reader} from './parse.ts'

/** How many heartbeats of silence make a connection a dead one. */
const PATIENCE = 2.5
/** Looks at a connection within that time. Silence is counted in looks: a machine that stood still has looked once. */
const LOOKS = 5
const MAX_TIMER = 2 ** 31 - 1

/** How a run is started: where, with what, and under which key. */
export interface Start {
  url: string
  input: unknown
  key: string
  /** Told the run's URL. */
  named: (url: string) => void
}

export interface Line {
  /** The run's URL, once it is known. */
  url: string | undefined
  readonly position: Position
  readonly connection: Connection
  /** The events in batches, from the first connection to `done`. Throws `Interrupted`, or the `Problem` that ends it. */
  follow(): AsyncGenerator<RunEvent[]>
  /** Asks for something beside the stream: the snapshot, a cancel, an answer. */
  ask(path: string, init?: RequestInit): Promise<Snapshot>
  /** Ends it. */
  close(): void
}

/** A line to the run at `url`; or, with `start`, to the one that is to be started. */
export function createLine(options: WatchOptions, url: string | undefined, start?: Start): Line {
  const {maxAttempts = 10, retryDelay = 1, maxDelay = 30, heartbeat = 15, onConnection} = options
  const position: Position = {last: options.lastEventId ?? 0, over: false, retry: undefined}
  let connection: Connection = 'idle'
  let closed = false
  let attempt = new AbortController()
  let lastByte = 0
  let failures = 0
  let wake = () => {}
  let hurry = false

  const line: Line = {
    url,
    position,
    get connection() {
      return connection
    },
    follow,
    ask,
    close,
  }
  return line

  async function* follow(): AsyncGenerator<RunEvent[]> {
    const unlisten = onChange({wake: refresh, offline: () => turn('offline')})
    let ending: Connection = 'lost'
    try {
      turn('connecting')
      while (!position.over && !closed) yield* connect()
      ending = 'closed'
    } finally {
      unlisten()
      attempt.abort()
      turn(closed ? 'closed' : ending)
    }
  }

  /** One connection, and the wait after it where it was cut. */
  async function* connect(): AsyncGenerator<RunEvent[]> {
    let reader: Reader | undefined
    let cause: unknown = 'it ended without `done`'
    const stopWatching = watchSilence()
    try {
      const response = await open()
      if (response.status === 204) return yield [await ending()]
      reader = createReader(position)
      turn('open')
      yield* read(response, reader)
    } catch (error) {
      cause = error
    } finally {
      stopWatching()
      attempt.abort()
    }
    if (!closed && !position.over) await comeBack(cause, reader?.fruitful)
  }

  async function* read(response: Response, reader: Reader): AsyncGenerator<RunEvent[]> {
    const body = (response.body as ReadableStream<Uint8Array>).getReader()
    while (!position.over) {
      heard()
      const {done, value} = await body.read()
      if (done) return
      turn('open') // whatever the device has said meanwhile
      const batch = reader.feed(value)
      adopt(batch)
      lastByte = Number.POSITIVE_INFINITY // whoever takes the batch may take his time
      if (batch.length) yield batch
    }
  }

  /** Sends the request of this attempt; gives its answer, where that is a stream or 204. */
  async function open(): Promise<Response> {
    const response = await (line.url ? resume(line.url) : begin(start as Start))
    if (!response.ok) throw await problemOf(response)
    if (response.status === 204) return response
    const type = response.headers.get('Content-Type') ?? 'something without a type'
    if (type.startsWith('text/event-stream')) return response
    await discard(response)
    const detail = `The answer is no event stream, but ${type}.`
    if (position.last || !start) throw new Error(detail)
    throw new Problem(response.status, {code: 'not_an_event_stream', detail})
  }

  async function begin({url, input, key}: Start): Promise<Response> {
    const {body, headers} = bodyOf(input)
    const accept = {Accept: 'text/event-stream', 'Idempotency-Key': key}
    const signal = attempt.signal
    if (body instanceof FormData) lastByte = Number.POSITIVE_INFINITY // an upload has no answer before its end
    const response = await send(options, url, {method: 'POST', body, headers: {...headers, ...accept}, signal})
    if (!response.ok) return response
    const location = response.headers.get('Location')
    const id = response.headers.get('Run-Id')
    if (location) name(absolute(new URL(location, response.url || url)))
    else if (id) name(runUrl(url, id))
    if (response.status !== 202 || !line.url) return response
    await discard(response) // it was asked for without its stream (`Prefer: respond-async`)
    return resume(line.url)
  }

  function resume(url: string): Promise<Response> {
    const headers: Record<string, string> = {Accept: 'text/event-stream'}
    if (position.last) headers['Last-Event-ID'] = String(position.last)
    return send(options, `${url}/events`, {headers, signal: attempt.signal})
  }

  /** The `start` event names the run, where a page of another origin was shown no header that does. */
  function adopt(batch: RunEvent[]): void {
    const first = batch[0]
    if (!line.url && start && first?.type === 'start' && first.data.run) name(runUrl(start.url, first.data.run))
  }

  function name(url: string): void {
    line.url = url
    start?.named(url)
  }

  /** The run is over, and nothing is left to send: its snapshot stands for what this line has missed. */
  async function ending(): Promise<RunEvent> {
    const snapshot = await ask('')
    position.last = snapshot.last_event_id
    position.over = true
    return {id: snapshot.last_event_id, type: 'reset', data: {timestamp: snapshot.updated, snapshot}}
  }

  // Coming back

  /** Waits for the next attempt, or throws what there is to say where there is to be none. */
  async function comeBack(cause: unknown, fruitful = false): Promise<void> {
    if (cause instanceof Problem && !cause.retryable) throw cause
    const started = line.url !== undefined || position.last > 0
    if (!line.url && started) throw new Interrupted(cause)
    failures = fruitful ? 0 : failures + 1
    const offline = isOffline()
    if (offline) failures = 0
    if (failures >= maxAttempts) throw cause instanceof Problem && !started ? cause : new Interrupted(cause)
    turn(offline ? 'offline' : 'interrupted')
    await pause(offline ? maxDelay : delay(cause))
  }

  function delay(cause: unknown): number {
    const first = position.retry === undefined ? retryDelay : position.retry / 1000
    const doubled = Math.min(maxDelay, first * 2 ** Math.max(0, failures - 1))
    const asked = cause instanceof Problem ? cause.retryAfter : 0
    return Math.max(first, doubled, asked) * (1 + Math.random() / 4)
  }

  function pause(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (hurry) return resolve()
      const timer = setTimeout(resolve, Math.min(seconds * 1000, MAX_TIMER))
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  // Dead connections

  function heard(): void {
    lastByte = Date.now()
  }

  /** Begins an attempt, and ends it after a silence of two and a half heartbeats. Gives what ends the watch. */
  function watchSilence(): () => void {
    const mine = new AbortController()
    const seen = {at: 0, looks: 0}
    attempt = mine
    hurry = false
    heard()
    seen.at = lastByte
    const timer = setInterval(
      () => {
        seen.looks = seen.at === lastByte ? seen.looks + 1 : 0
        seen.at = lastByte
        if (seen.looks >= LOOKS && lastByte <= Date.now()) mine.abort(silence())
      },
      (limit() * 1000) / LOOKS,
    )
    return () => clearInterval(timer)
  }

  /** The page may have been away: an attempt that waits is made now, a connection that has died meanwhile is left. */
  function refresh(stale: boolean): void {
    if (stale || Date.now() - lastByte > limit() * 1000) {
      hurry = true
      attempt.abort(silence())
    }
    wake()
  }

  function silence(): Error {
    return new Error(`the line was dead for ${limit()} s`)
  }

  function limit(): number {
    return heartbeat * PATIENCE
  }

  // Beside the stream

  async function ask(path: string, init: RequestInit = {}): Promise<Snapshot> {
    if (!line.url) throw new Problem(404, {code: 'no_run', detail: 'This stream belongs to no run.'})
    for (let failed = 1; ; failed++) {
      try {
        const response = await send(options, line.url + path, init)
        if (!response.ok) throw await problemOf(response)
        return await response.json()
      } catch (error) {
        const final = error instanceof Problem && !error.retryable
        // An answer that was heard, and whose receipt was lost, would be refused when it came again.
        if (final || failed >= maxAttempts || init.method === 'POST') throw error
        await new Promise((resolve) => setTimeout(resolve, delay(error) * 1000))
      }
    }
  }

  function close(): void {
    closed = true
    attempt.abort()
    wake()
  }

  function turn(next: Connection): void {
    if (next === connection) return
    connection = next
    onConnection?.(next)
  }
}
