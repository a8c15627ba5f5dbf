/** The body of a stream as batches of events: `eventsource-parser` makes frames of bytes, and this module events of frames. */

import {createParser, type EventSourceMessage} from 'eventsource-parser'

import type {RunEvent} from './events.ts'

/** Characters of an unfinished event that are kept: it bounds the memory that a hostile peer can take. */
const MAX_EVENT = 64 * 1024 * 1024

/** The library's events, whose data is an object: anything else is invalid. */
const LIBRARY = /^(start|progress|delta|partial|question|answer|result|error|done|attempt|reset)$/
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
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent(message) {
      const event = toEvent(message, position, parse)
      alive ||= event !== undefined
      if (event?.data !== undefined) batch.push(event)
    },
    onRetry(milliseconds) {
      position.retry = milliseconds
    },
    onComment() {
      alive = true
    },
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw error
    },
  })
  return {
    feed(bytes) {
      batch = []
      parser.feed(decoder.decode(bytes, {stream: true}))
      return batch
    },
    get alive() {
      return alive
    },
  }
}

/** The event of a frame: `undefined` where it was read before, and with `data` undefined where it is invalid. */
function toEvent(message: EventSourceMessage, position: Position, parse: Parse): RunEvent | undefined {
  if (position.over) return
  if (message.id && /^\d{1,15}$/.test(message.id)) {
    if (Number(message.id) <= position.last) return
    position.last = Number(message.id)
  }
  const type = message.event ?? 'message'
  const data = decode(type, message.data, parse)
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
