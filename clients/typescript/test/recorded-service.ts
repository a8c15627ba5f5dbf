/** A service of one recorded run, without a network: a `fetch` that answers as the service would. */

import type {Recording} from './cases.ts'

export interface Script {
  /** Bytes after which each stream is cut, in turn; the streams after these are whole. */
  cuts?: number[]
  /** Whether a cut breaks the connection instead of ending it cleanly. */
  broken?: boolean
  /** Bytes of a piece (default: all in one piece). */
  piece?: number
}

const encoder = new TextEncoder()

/** Answers requests for the run's start, its stream and its snapshot; `requests` counts those for a stream. */
export function createRecordedService(
  {frames, run, snapshot}: Recording,
  {cuts = [], broken = false, piece}: Script = {},
) {
  const service = {requests: 0, fetch: answer as typeof fetch}
  return service

  async function answer(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const {pathname} = new URL(String(input))
    if (pathname.endsWith(`/runs/${run}`)) return Response.json(snapshot)
    const after = Number(new Headers(init.headers).get('Last-Event-ID') ?? 0)
    const rest = frames.slice(1).filter((frame) => Number(frame.match(/^id: (\d+)/)?.[1]) > after)
    if (!rest.length) return new Response(null, {status: 204})
    const bytes = encoder.encode(['retry: 0\n\n', ...rest].join(''))
    return stream(bytes, cuts[service.requests++], init.signal ?? undefined)
  }

  function stream(bytes: Uint8Array, cut: number | undefined, signal?: AbortSignal): Response {
    const pieces = split(bytes.subarray(0, cut), piece ?? (bytes.length || 1))
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const next = pieces.shift()
        if (next) controller.enqueue(next)
        else if (cut !== undefined && cut < bytes.length && broken) controller.error(new TypeError('terminated'))
        else controller.close()
      },
    })
    signal?.throwIfAborted()
    return new Response(body, {headers: {'Content-Type': 'text/event-stream', Location: `/runs/${run}`}})
  }
}

function split(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({length: Math.ceil(bytes.length / size)}, (_, n) => bytes.slice(n * size, (n + 1) * size))
}
