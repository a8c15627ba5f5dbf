/** A service whose every word the test says: a `fetch`, what it was asked, and the streams it has opened. */

export interface OpenStream {
  /** Where it was asked for: `POST /operations/count`, `GET /runs/r1/events`. */
  request: string
  lastEventId: string | null
  /** Sends an event of the next number. */
  say(type: string, data?: Record<string, unknown>): void
  /** Sends text as it is. */
  send(text: string): void
  /** Ends it, or breaks it off. */
  end(): void
  cut(): void
  /** Whether the client has left. */
  left: boolean
}

export interface Asked {
  request: string
  headers: Headers
  body: BodyInit | null | undefined
  keepalive: boolean
}

export const TIME = '2026-11-23T09:30:00.125Z'

export function createStage() {
  const asked: Asked[] = []
  const streams: OpenStream[] = []
  const answers = new Map<string, () => Response>()
  let runs = 0
  let number = 0

  return {
    fetch: answer as typeof fetch,
    asked,
    streams,
    /** Has a request answered otherwise: `DELETE /runs/r1`. */
    on: (request: string, respond: () => Response) => answers.set(request, respond),
    /** The stream that was opened last. */
    get stream(): OpenStream {
      return streams.at(-1) as OpenStream
    },
    requests: () => asked.map(({request}) => request),
  }

  async function answer(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    init.signal?.throwIfAborted()
    const request = `${init.method ?? 'GET'} ${new URL(String(input)).pathname}`
    const headers = new Headers(init.headers)
    asked.push({request, headers, body: init.body, keepalive: init.keepalive ?? false})
    const said = answers.get(request)
    if (said) return said()
    if (request.startsWith('POST /operations/')) return open(request, headers, init.signal, `r${++runs}`)
    if (request.endsWith('/events')) return open(request, headers, init.signal)
    return Response.json({id: 'r1', status: 'running'})
  }

  function open(request: string, headers: Headers, signal?: AbortSignal | null, run?: string): Response {
    const encoder = new TextEncoder()
    const lastEventId = headers.get('Last-Event-ID')
    let controller: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start(given) {
        controller = given
      },
      cancel() {
        stream.left = true
      },
    })
    const stream: OpenStream = {
      request,
      lastEventId,
      left: false,
      send: (text) => controller.enqueue(encoder.encode(text)),
      say(type, data = {}) {
        const body = JSON.stringify({timestamp: TIME, ...data})
        stream.send(`id: ${++number}\nevent: ${type}\ndata: ${body}\n\n`)
      },
      end: () => controller.close(),
      cut: () => controller.error(new TypeError('terminated')),
    }
    signal?.addEventListener('abort', () => {
      stream.left = true
      controller.error(signal.reason)
    })
    if (run) number = 0
    streams.push(stream)
    const names = run ? {Location: `/runs/${run}`, 'Run-Id': run} : undefined
    return new Response(body, {headers: {'Content-Type': 'text/event-stream', ...names}})
  }
}

export function problem(status: number, code: string, more: Record<string, unknown> = {}): Response {
  const headers = {'Content-Type': 'application/problem+json'}
  return new Response(JSON.stringify({status, code, title: 'No', detail: 'No.', ...more}), {status, headers})
}
