/** The body of a stream as batches of events: `sse.ts` makes frames of text, and this module events of frames. */

import type {RunEvent} from './events.ts'
import {createParser, type Frame} from './sse.ts'

/** The library's events, whose data is an object: anything else is invalid. */
const LIBRARY = /^(start|progress|delta|partial|file|question|answer|result|error|done|attempt|reset)$/
const ENDINGS = /^(succeeded|failed|cancelled)$/

/** How far a run was read, over all of its streams. */
export interface Position {
  /** The id of the last event. */
  last: number
  /** Whether any event was read: its stream may have no ids. */
  begun: boolean
  /** Whether `done` was read. */
  over: boolean
  /** Milliseconds to wait before a new attempt, from the service's last `retry:`. */
  retry: number | undefined
}

/** Decodes JSON. */
export type Parse = (json: string) => unknown

export interface Reader {
  /** The events that `bytes` complete, without those that were read before. */
  feed(bytes: Uint8Array): RunEvent[]
  /** Whether this stream has brought a new event or a comment. */
  readonly alive: boolean
}

/** Reads one stream, and advances `position`. */
export function createReader(position: Position, parse: Parse): Reader {
  const decoder = new TextDecoder()
  let batch: RunEvent[] = []
  let alive = false
  const feed = createParser({
    onFrame(frame) {
      const event = toEvent(frame, position, parse)
      alive ||= event !== undefined
      if (event?.data !== undefined) batch.push(event)
    },
    onRetry(milliseconds) {
      position.retry = milliseconds
    },
    onComment() {
      alive = true
    },
  })
  return {
    feed(bytes) {
      batch = []
      feed(decoder.decode(bytes, {stream: true}))
      return batch
    },
    get alive() {
      return alive
    },
  }
}

/** The event of a frame: `undefined` where it was read before, and with `data` undefined where it is invalid. */
function toEvent(frame: Frame, position: Position, parse: Parse): RunEvent | undefined {
  if (position.over) return
  if (frame.id && /^\d{1,15}$/.test(frame.id)) {
    if (Number(frame.id) <= position.last) return
    position.last = Number(frame.id)
  }
  const type = frame.event || 'message'
  const data = decode(type, frame.data, parse)
  position.begun = true
  position.over = type === 'done' && data !== undefined
  return {id: position.last, type, data} as RunEvent
}

/** A JSON object, or the text as it is; `undefined` for a library event without an object and a `done` without a status. */
function decode(type: string, text: string, parse: Parse): unknown {
  const object = asObject(text, parse)
  if (!LIBRARY.test(type)) return object ?? text
  return type === 'done' && !ENDINGS.test(object?.['status'] as string) ? undefined : object
}

function asObject(text: string, parse: Parse): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return
  try {
    return parse(text) as Record<string, unknown>
  } catch {
    return
  }
}
