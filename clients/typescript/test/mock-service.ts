/** A service that a test scripts: a `fetch`, the requests that it received, and the streams that it has opened. */

export interface OpenStream {
  /** The request that opened it: `POST /operations/count`, `GET /runs/r1/events`. */
  request: string
  lastEventId: string | null
  /** Sends an event with the next number. */
  sendEvent(type: string, data?: Record<string, unknown>): void
  /** Sends text as it is. */
  send(text: string): void
  /** Ends the stream cleanly. */
  end(): void
  /** Breaks the connection. */
  cut(): void
  /** Whether the client has closed it. */
  aborted: boolean
}

export interface MockRequest {
  /** Its method and path: `DELETE /runs/r1`. */
  line: string
  headers: Headers
  body: BodyInit | null | undefined
  keepalive: boolean
}

export const TIME = '2026-11-23T09:30:00.125Z'

export function createMockService() {
  const requests: MockRequest[] = []
  const streams: OpenStream[] = []
  const handlers = new Map<string, () => Response>()
  let runs = 0
  let number = 0

  return {
    fetch: respond as typeof fetch,
    requests,
    streams,
    /** Handles requests with this line, such as `DELETE /runs/r1`. */
    on: (line: string, handler: () => Response) => handlers.set(line, handler),
    /** The stream that was opened last. */
    get stream(): OpenStream {
      return streams.at(-1) as OpenStream
    },
    requestLines: () => requests.map(({line}) => line),
  }

  async function respond(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    init.signal?.throwIfAborted()
    const line = `${init.method ?? 'GET'} ${new URL(String(input)).pathname}`
    const headers = new Headers(init.headers)
    requests.push({line, headers, body: init.body, keepalive: init.keepalive ?? false})
    const handler = handlers.get(line)
    if (handler) return handler()
    if (line.startsWith('POST /operations/')) return open(line, headers, init.signal, `r${++runs}`)
    if (line.endsWith('/events')) return open(line, headers, init.signal)
    return Response.json({id: 'r1', status: 'running'})
  }

  function open(request: string, headers: Headers, signal?: AbortSignal | null, run?: string): Response {
    const encoder = new TextEncoder()
    const lastEventId = headers.get('Last-Event-ID')
    let controller: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start(ours) {
        controller = ours
      },
      cancel() {
        stream.aborted = true
      },
    })
    const stream: OpenStream = {
      request,
      lastEventId,
      aborted: false,
      send: (text) => controller.enqueue(encoder.encode(text)),
      sendEvent(type, data = {}) {
        const body = JSON.stringify({timestamp: TIME, ...data})
        stream.send(`id: ${++number}\nevent: ${type}\ndata: ${body}\n\n`)
      },
      end: () => controller.close(),
      cut: () => controller.error(new TypeError('terminated')),
    }
    signal?.addEventListener('abort', () => {
      stream.aborted = true
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
