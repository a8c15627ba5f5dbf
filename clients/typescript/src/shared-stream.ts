/**
 * Several runs on one connection: a `fetch` that answers the requests for their streams from one `GET /events`.
 *
 * A browser opens six connections to a server over HTTP/1.1, in all of its tabs together, and a stream takes one. Each
 * request still gets a stream of its own run, so that whoever reads it needs to know nothing of this.
 *
 * When a run joins or leaves, a new connection is opened ahead of the end of the old one: no run is without its viewer in
 * between. What both bring is passed on once.
 */

/** Milliseconds in which the runs that are watched are gathered, before a connection is opened for them. */
const GATHER = 10
/** Milliseconds after which a connection that was refused is tried again, where another one is still open. */
const RETRY = 2000
/** Bytes that a stream may be ahead of its reader: beyond it nothing more is read, of any run. */
const AHEAD = 1024 * 1024
/** The most runs of one connection (`streaming/http/many.py`). */
const MAX_RUNS = 50

const EVENTS = /^(.*)\/runs\/([^/?#]+)\/events(?:\?(merge=\w+))?$/
const FIRST = /^id: ([\w-]+):(\d+)[^\n]*\n/

export interface SharedStreamOptions {
  /** Used in place of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
}

/** The request for the stream of one run, and that stream once there is one. */
interface Viewer {
  readonly run: string
  readonly url: string
  readonly init: RequestInit
  /** The number of the last event that was passed on. */
  last: number
  /** Whether its last event was. */
  over: boolean
  readonly answer: (response: Response | Promise<Response>) => void
  body: ReadableStreamDefaultController<Uint8Array> | undefined
}

/**
 * Returns a `fetch` for the option of that name of `watchRun`, `useRun` and `createClient`. Runs of one service that are
 * watched with the same headers share a connection; any other request is passed on.
 */
export function sharedStream(options: SharedStreamOptions = {}): typeof globalThis.fetch {
  const direct: typeof globalThis.fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init)
  const lines = new Map<string, Line>()

  return async (input, init = {}) => {
    const [, base, run, query = ''] = EVENTS.exec(String(input)) ?? []
    if (base === undefined || run === undefined || (init.method ?? 'GET') !== 'GET') return direct(input, init)
    init.signal?.throwIfAborted()
    const headers = new Headers(init.headers)
    const last = Number(headers.get('Last-Event-ID') ?? 0)
    headers.delete('Last-Event-ID')
    const key = JSON.stringify([base, query, init.credentials, ...headers])
    for (const [each, {size}] of lines) if (size === 0 && each !== key) lines.delete(each)
    const line = lines.get(key) ?? createLine(base, query && `&${query}`, direct)
    lines.set(key, line)
    if (line.has(run) || line.size >= MAX_RUNS) return direct(input, init)
    return new Promise((answer) =>
      line.add({run, url: String(input), init, last, over: false, answer, body: undefined}),
    )
  }
}

interface Line {
  readonly size: number
  has(run: string): boolean
  add(viewer: Viewer): void
}

/** One connection for the runs of its viewers. */
function createLine(base: string, more: string, direct: typeof globalThis.fetch): Line {
  const viewers = new Map<string, Viewer>()
  const encoder = new TextEncoder()
  let current: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let opening = false
  let stale = false
  let wake = () => {}

  return {
    get size() {
      return viewers.size
    },
    has: (run) => viewers.has(run),
    add(viewer) {
      viewers.set(viewer.run, viewer)
      viewer.init.signal?.addEventListener('abort', () => leave(viewer, viewer.init.signal?.reason), {once: true})
      change()
    },
  }

  /** Opens a connection for the runs that are watched now, unless one is just being opened. */
  function change(): void {
    stale = true
    if (opening) return
    clearTimeout(timer)
    timer = setTimeout(() => void open(), GATHER)
  }

  function leave(viewer: Viewer, reason?: unknown): void {
    if (viewers.get(viewer.run) !== viewer) return
    if (viewer.body) viewer.body.error(reason)
    else viewer.answer(Promise.reject(reason))
    drop(viewer)
  }

  function drop(viewer: Viewer): void {
    if (viewers.get(viewer.run) !== viewer) return
    viewers.delete(viewer.run)
    wake()
    if (!viewer.over || viewers.size === 0) change() // its run loses a viewer
  }

  async function open(): Promise<void> {
    stale = false
    const wanted = [...viewers.values()].filter((viewer) => !viewer.over)
    if (wanted.length === 0) return current?.abort()
    opening = true
    const mine = new AbortController()
    try {
      await answer(await request(wanted, mine), wanted, mine)
    } catch (error) {
      for (const viewer of take(wanted)) viewer.answer(Promise.reject(error))
    }
    opening = false
    if (stale) change()
    else if (current !== mine && viewers.size) timer = setTimeout(change, RETRY) // the old one has runs that nobody reads
  }

  function request(wanted: readonly Viewer[], mine: AbortController): Promise<Response> {
    const {signal: _, ...init} = (wanted[0] as Viewer).init
    const headers = new Headers(init.headers)
    const seen = wanted.filter(({last}) => last).map(({run, last}) => `${decodeURIComponent(run)}:${last}`)
    headers.delete('Last-Event-ID')
    if (seen.length) headers.set('Last-Event-ID', seen.join(','))
    const query = wanted.map(({run}) => `run=${run}`).join('&')
    return direct(`${base}/events?${query}${more}`, {
      ...init,
      headers: Object.fromEntries(headers),
      signal: mine.signal,
    })
  }

  async function answer(response: Response, wanted: readonly Viewer[], mine: AbortController): Promise<void> {
    if (response.status === 200 && response.body) {
      current?.abort()
      current = mine
      wake()
      for (const viewer of wanted) if (viewers.get(viewer.run) === viewer) begin(viewer)
      void pump(response.body.getReader(), wanted, mine)
    } else if (response.status === 401 || response.status === 429 || response.status >= 500) {
      const text = await response.text()
      for (const viewer of take(wanted)) viewer.answer(new Response(text, response))
    } else {
      // One of the runs is gone, all are over, or this service streams one run at a time: each has its own answer.
      await response.body?.cancel().catch(() => {})
      for (const viewer of take(wanted)) viewer.answer(direct(viewer.url, viewer.init))
    }
  }

  /** The viewers among these that still wait for an answer, which they get from elsewhere. */
  function take(wanted: readonly Viewer[]): Viewer[] {
    const waiting = wanted.filter((viewer) => viewers.get(viewer.run) === viewer && !viewer.body)
    for (const viewer of waiting) viewers.delete(viewer.run)
    return waiting
  }

  /** Answers a request with a stream, unless it has one. */
  function begin(viewer: Viewer): void {
    if (viewer.body) return
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          viewer.body = controller
        },
        pull: () => wake(),
        cancel: () => {
          viewer.body = undefined
          drop(viewer)
        },
      },
      {highWaterMark: AHEAD, size: (chunk) => chunk.byteLength},
    )
    viewer.answer(new Response(body, {headers: {'Content-Type': 'text/event-stream'}}))
  }

  async function pump(
    body: ReadableStreamDefaultReader<Uint8Array>,
    wanted: readonly Viewer[],
    mine: AbortController,
  ): Promise<void> {
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for (;;) {
        const {done, value} = await body.read()
        if (done || mine.signal.aborted) break
        const text = decoder.decode(value, {stream: true})
        const frames = (rest + text).split('\n\n')
        rest = frames.pop() as string
        pass(frames, wanted)
        while (isAhead(wanted) && !mine.signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
      }
    } catch {
      // It was cut, which its viewers see as an end without `done`.
    }
    if (mine.signal.aborted) return // another connection goes on
    for (const viewer of wanted) end(viewer)
  }

  /** Gives each frame to the viewer of its run, and what belongs to no run to all of them. */
  function pass(frames: readonly string[], wanted: readonly Viewer[]): void {
    const texts = new Map<string, string>()
    const add = (run: string, text: string) => texts.set(run, `${texts.get(run) ?? ''}${text}\n\n`)
    for (const frame of frames) {
      const [head, run, number] = FIRST.exec(frame) ?? []
      if (head === undefined || run === undefined) {
        for (const viewer of wanted) add(viewer.run, frame)
        continue
      }
      const viewer = viewers.get(encodeURIComponent(run))
      if (!viewer || Number(number) <= viewer.last) continue
      viewer.last = Number(number)
      viewer.over ||= frame.startsWith('event: done\n', head.length)
      add(viewer.run, `id: ${number}\n${frame.slice(head.length)}`)
    }
    for (const [run, text] of texts) viewers.get(run)?.body?.enqueue(encoder.encode(text))
  }

  function isAhead(wanted: readonly Viewer[]): boolean {
    return wanted.some(({run, body}) => viewers.has(run) && (body?.desiredSize ?? 1) <= 0)
  }

  function end(viewer: Viewer): void {
    if (viewers.get(viewer.run) !== viewer) return
    viewers.delete(viewer.run)
    viewer.body?.close()
  }
}
