/** The body of a stream as batches of events: bytes to frames by `eventsource-parser`, frames to what a run's may be. */

import {createParser, type EventSourceMessage} from 'eventsource-parser'

import type {RunEvent} from './events.ts'

/** Characters that an unfinished event may hold: what a hostile peer can make a client keep. */
const MAX_EVENT = 64 * 1024 * 1024

/** Events whose data only the library writes, or checks: it is an object, or else the event is rubbish. */
const OURS = /^(start|progress|delta|partial|question|answer|result|error|done|attempt|reset)$/
const ENDINGS = /^(succeeded|failed|cancelled)$/

/** What reading has come to, over all connections of a line. */
export interface Position {
  /** The number of the last event. */
  last: number
  /** Whether there was `done`. */
  over: boolean
  /** Milliseconds to wait before coming back, as the service said last. */
  retry: number | undefined
}

export interface Reader {
  /** The events that `bytes` complete, without those that were there already. */
  feed(bytes: Uint8Array): RunEvent[]
  /** Whether this connection has brought something: a new event, or a comment. */
  readonly fruitful: boolean
}

/** Reads one connection, and moves `position` on. */
export function createReader(position: Position): Reader {
  const decoder = new TextDecoder()
  let batch: RunEvent[] = []
  let fruitful = false
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent(message) {
      const event = take(message, position)
      fruitful ||= event !== undefined
      if (event?.data !== undefined) batch.push(event)
    },
    onRetry(milliseconds) {
      position.retry = milliseconds
    },
    onComment() {
      fruitful = true
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
    get fruitful() {
      return fruitful
    },
  }
}

/** The event of a frame; its data is `undefined` where the frame is rubbish, and it is `undefined` where it is old. */
function take(message: EventSourceMessage, position: Position): RunEvent | undefined {
  if (position.over) return
  if (message.id && /^\d{1,15}$/.test(message.id)) {
    if (Number(message.id) <= position.last) return
    position.last = Number(message.id)
  }
  const type = message.event ?? 'message'
  const data = decode(type, message.data)
  position.over = type === 'done' && data !== undefined
  return {id: position.last, type, data} as RunEvent
}

/** A JSON object, or the text as it came; `undefined` where an event of the library has no object, or `done` no status. */
function decode(type: string, text: string): unknown {
  const object = asObject(text)
  if (!OURS.test(type)) return object ?? text
  return type === 'done' && !ENDINGS.test(object?.['status'] as string) ? undefined : object
}

function asObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return
  try {
    return JSON.parse(text)
  } catch {
    return
  }
}
