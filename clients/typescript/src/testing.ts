/**
 * A service for tests: a `fetch` whose operations are functions of the test. It streams, resumes, answers and cancels as
 * a service does.
 *
 *     const service = createTestService({
 *       async count(run, input) {
 *         run.progress({done: 1, total: input.pages})
 *         return {pages: input.pages}
 *       },
 *     })
 *     const client = createClient({url: 'http://service.test', fetch: service.fetch})
 */

import type {Progress, Snapshot} from './events.ts'
import type {PartialReference} from './partials.ts'

/** The run that a script plays. */
export interface ScriptedRun {
  readonly id: string
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal
  /** Sends an event. */
  send(type: string, data?: Record<string, unknown>): void
  progress(progress: Omit<Progress, 'timestamp'>): void
  delta(text: string, channel?: 'text' | 'thinking'): void
  /** Sends a partial. The reference that it returns may stand for its value in the result. */
  partial(key: string, value: unknown): PartialReference
  /** Asks a question; waits for the answer. */
  ask(prompt: string, schema?: Record<string, unknown>): Promise<unknown>
  /** Breaks the streams that are open: clients reconnect. */
  cut(): void
}

/** Plays a run. What it returns is the result; an error that it throws fails the run with its `code` and `message`. */
// biome-ignore lint/suspicious/noExplicitAny: the test knows the input of its operations
export type Script = (run: ScriptedRun, input: any) => unknown

export interface TestService {
  /** To be used in place of `fetch`. */
  readonly fetch: typeof globalThis.fetch
  /** The requests so far: `POST /operations/count`, `DELETE /runs/r1`. */
  readonly requests: string[]
}

type Sink = ReadableStreamDefaultController<Uint8Array>

/** A service with these operations. */
export function createTestService(operations: Record<string, Script>): TestService {
  const runs = new Map<string, PlayedRun>()
  const keys = new Map<string, PlayedRun>()
  const requests: string[] = []

  return {fetch: respond as typeof fetch, requests}

  async function respond(url: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    init.signal?.throwIfAborted()
    const path = new URL(String(url)).pathname
    const method = init.method ?? 'GET'
    requests.push(`${method} ${path}`)
    const headers = new Headers(init.headers)
    const [, kind, name = '', rest] = /\/(operations|runs)\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? []
    if (kind === 'operations' && method === 'POST') return start(decodeURIComponent(name), headers, init)
    const run = kind === 'runs' ? runs.get(decodeURIComponent(name)) : undefined
    if (!run) return problem(404, kind === 'runs' ? 'run_not_found' : 'not_found')
    if (rest === 'events') return run.stream(Number(headers.get('Last-Event-ID') ?? 0), init.signal)
    if (rest === 'answer') return run.answer(JSON.parse(String(init.body)))
    if (method === 'DELETE') run.cancel()
    return Response.json(run.snapshot())
  }

  function start(name: string, headers: Headers, init: RequestInit): Response {
    const script = operations[name]
    if (!script) return problem(404, 'operation_not_found')
    const key = headers.get('Idempotency-Key') ?? ''
    let run = keys.get(key)
    if (!run) {
      run = playRun(`r${runs.size + 1}`, name, script, inputOf(init.body))
      runs.set(run.id, run)
      if (key) keys.set(key, run)
    }
    return run.stream(0, init.signal)
  }
}

interface PlayedRun {
  readonly id: string
  stream(after: number, signal?: AbortSignal | null): Response
  answer(body: {question: string | null; answer: unknown}): Response
  cancel(): void
  snapshot(): Snapshot
}

function playRun(id: string, operation: string, script: Script, input: unknown): PlayedRun {
  const began = Date.now()
  const frames: string[] = []
  const sinks = new Set<Sink>()
  const abort = new AbortController()
  let status: Snapshot['status'] = 'running'
  let progress: Progress | null = null
  let result: unknown = null
  let error: Snapshot['error'] = null
  let question: Snapshot['question'] = null
  let answered: (answer: unknown) => void = () => {}

  const run: ScriptedRun = {
    id,
    signal: abort.signal,
    send,
    progress(data) {
      progress = data
      send('progress', {...data})
    },
    delta: (text, channel = 'text') => send('delta', {text, channel}),
    partial(key, value) {
      send('partial', {key, value})
      return {$partial: key}
    },
    ask,
    cut: () => closeAll((sink) => sink.error(new TypeError('terminated'))),
  }
  send('start', {run: id, operation})
  void play()
  return {id, stream, answer, cancel, snapshot}

  async function play(): Promise<void> {
    try {
      await Promise.resolve() // the client has its stream first
      result = (await script(run, input)) ?? null
      if (isOver()) return
      send('result', {result})
      end('succeeded')
    } catch (thrown) {
      if (isOver()) return
      const {code = 'operation_failed', message = String(thrown), retryable = false} = thrown as Record<string, never>
      error = {code, message, retryable}
      send('error', {...error})
      end('failed')
    }
  }

  function ask(prompt: string, schema: Record<string, unknown> = {}): Promise<unknown> {
    question = {question: `q${frames.length + 1}`, prompt, schema, expires: null}
    status = 'waiting'
    send('question', {...question})
    return new Promise((resolve) => {
      answered = resolve
    })
  }

  function answer(body: {question: string | null; answer: unknown}): Response {
    if (!question || body.question !== question.question) return problem(409, 'not_waiting')
    send('answer', body)
    question = null
    status = 'running'
    answered(body.answer)
    return Response.json(snapshot())
  }

  function cancel(): void {
    if (isOver()) return
    abort.abort()
    end('cancelled', {reason: 'requested'})
  }

  function end(how: 'succeeded' | 'failed' | 'cancelled', more: Record<string, unknown> = {}): void {
    status = how
    question = null
    send('done', {status, elapsed: (Date.now() - began) / 1000, ...more})
    closeAll((sink) => sink.close())
  }

  function isOver(): boolean {
    return status === 'succeeded' || status === 'failed' || status === 'cancelled'
  }

  function send(type: string, data: Record<string, unknown> = {}): void {
    const body = JSON.stringify({timestamp: new Date().toISOString(), ...data})
    frames.push(`id: ${frames.length + 1}\nevent: ${type}\ndata: ${body}\n\n`)
    for (const sink of sinks) sink.enqueue(encode(frames.at(-1) as string))
  }

  function stream(after: number, signal?: AbortSignal | null): Response {
    if (isOver() && after >= frames.length) return new Response(null, {status: 204})
    let sink: Sink
    const body = new ReadableStream<Uint8Array>({
      start(opened) {
        sink = opened
        const missed = frames.slice(after).join('')
        if (missed) sink.enqueue(encode(missed))
        if (isOver()) sink.close()
        else sinks.add(sink)
      },
      cancel: () => void sinks.delete(sink),
    })
    signal?.addEventListener('abort', () => {
      if (sinks.delete(sink)) sink.error(signal.reason)
    })
    const headers = {'Content-Type': 'text/event-stream', 'Run-Id': id}
    return new Response(body, {headers})
  }

  function closeAll(close: (sink: Sink) => void): void {
    for (const sink of sinks) close(sink)
    sinks.clear()
  }

  function snapshot(): Snapshot {
    const [created, updated] = [new Date(began).toISOString(), new Date().toISOString()]
    const counts = {last_event_id: frames.length, viewers: sinks.size}
    return {id, operation, status, created, updated, ...counts, progress, result, error, question}
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** The input of a start: its JSON, or the fields of its form. */
function inputOf(body: BodyInit | null | undefined): unknown {
  if (body instanceof FormData) return Object.fromEntries(body.entries())
  return JSON.parse(String(body ?? '{}'))
}

function problem(status: number, code: string): Response {
  const headers = {'Content-Type': 'application/problem+json'}
  return new Response(JSON.stringify({status, code, detail: `The test service answers ${code}.`}), {status, headers})
}
