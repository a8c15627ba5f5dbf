// Numbers, sizes and times as people read them.

const numbers = new Intl.NumberFormat('en', {maximumFractionDigits: 2})
const clock = new Intl.DateTimeFormat('en', {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'})
const day = new Intl.DateTimeFormat('en', {day: 'numeric', month: 'short'})
const relative = new Intl.RelativeTimeFormat('en', {numeric: 'auto'})

export const number = (value: number): string => numbers.format(value)

/** `1.4 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), units.length - 1)
  const scaled = value / 1000 ** power
  return `${scaled.toFixed(power === 0 || scaled >= 100 ? 0 : 1)} ${units[power]}`
}

/** Seconds as `4.2 s`, `3 min 05 s`, `2 h 07 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const rounded = Math.round(seconds)
  const pad = (value: number): string => String(value).padStart(2, '0')
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${pad(rounded % 60)} s`
  return `${Math.floor(rounded / 3600)} h ${pad(Math.floor((rounded % 3600) / 60))} min`
}

/** Seconds left, rounded since they are an estimate: `about 20 s left`. */
export function remaining(seconds: number): string {
  if (seconds < 1) return 'almost done'
  if (seconds < 10) return `about ${Math.round(seconds)} s left`
  if (seconds < 60) return `about ${Math.round(seconds / 5) * 5} s left`
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`
  return `about ${(seconds / 3600).toFixed(1)} h left`
}

/** Milliseconds as `0.4 ms`, `12 ms`, `1.25 s`. */
export function gap(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  return milliseconds < 10_000 ? `${(milliseconds / 1000).toFixed(2)} s` : duration(milliseconds / 1000)
}

/** `09:30:05`, with the date if it is not today. */
export function moment(iso: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return '–'
  const today = date.toDateString() === new Date().toDateString()
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`
}

/** `2 minutes ago`. */
export function ago(iso: string, now: number): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000)
  if (Number.isNaN(seconds)) return '–'
  if (Math.abs(seconds) < 10) return 'just now'
  if (Math.abs(seconds) < 60) return relative.format(seconds, 'second')
  if (Math.abs(seconds) < 3600) return relative.format(Math.round(seconds / 60), 'minute')
  if (Math.abs(seconds) < 86_400) return relative.format(Math.round(seconds / 3600), 'hour')
  return relative.format(Math.round(seconds / 86_400), 'day')
}

/** `page_count` as `Page count`. */
export function label(name: string): string {
  const words = name
    .replace(/[_-]+/g, ' ')
    .replace(/\b(csv|id|json|pdf|sql|url)\b/g, (short) => short.toUpperCase())
    .trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const HIDDEN = /(?![\n\t])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e01ef}]/gu

/** Text with its control characters, and those that turn its direction or have no width, as `\u202e`. */
export const visible = (text: string): string =>
  text.replace(HIDDEN, (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`)

/** The data of an event in one line, without its timestamp. */
export function dataLine(data: unknown): string {
  if (typeof data === 'string') return data.slice(0, 300)
  const {timestamp: _, ...rest} = data as Record<string, unknown>
  return visible(JSON.stringify(rest).slice(0, 300))
}
