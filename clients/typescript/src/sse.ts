/** Server-Sent Events as the HTML standard parses them (section 9.2.6): frames of text that arrives in pieces. */

/** Characters of an unfinished event that are kept: it bounds the memory that a hostile peer can take. */
const MAX_EVENT = 64 * 1024 * 1024

export interface Frame {
  /** Its own `id`: that of an earlier one does not count. */
  id: string | undefined
  event: string | undefined
  data: string
}

interface Handlers {
  onFrame(frame: Frame): void
  onRetry(milliseconds: number): void
  onComment(): void
}

/** Returns a function that takes the next piece. It throws `RangeError` for an event that is too long. */
export function createParser({onFrame, onRetry, onComment}: Handlers): (text: string) => void {
  let pieces: string[] = [] // of an unfinished line, joined once: a long one arrives in many
  let waiting = 0 // characters in them
  let size = 0 // characters of the unfinished event before them
  let afterReturn = false
  let fields: Partial<Frame> = {}

  return (text) => {
    const begin = afterReturn && text.startsWith('\n') ? 1 : 0 // the other half of a CRLF
    if (text) afterReturn = text.endsWith('\r')
    const lines = text.slice(begin).split(/\r\n|\r|\n/)
    const rest = lines.pop() as string
    for (const line of lines) {
      take(pieces.length ? pieces.join('') + line : line)
      pieces = []
      waiting = 0
    }
    if (rest) pieces.push(rest)
    waiting += rest.length
    if (size + waiting > MAX_EVENT) throw new RangeError('An event of the stream is too long')
  }

  function take(line: string): void {
    const colon = line.indexOf(':')
    if (!line) dispatch()
    else if (colon === 0) onComment()
    else setField(line, colon)
  }

  function setField(line: string, colon: number): void {
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    size += value.length
    if (name === 'data') fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`
    if (name === 'event' || (name === 'id' && !value.includes('\0'))) fields[name] = value
    if (name === 'retry' && /^\d+$/.test(value)) onRetry(Number(value))
  }

  function dispatch(): void {
    const {id, event, data} = fields
    fields = {}
    size = 0
    if (data !== undefined) onFrame({id, event, data})
  }
}
