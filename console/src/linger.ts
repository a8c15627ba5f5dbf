import {LINGER} from './api'
import {duration} from './format'

/** When a run of an operation stops without viewers. `linger` is in seconds; null: never. */
export function lingerText(linger: number | null): string {
  if (linger === null) return 'Goes on without viewers'
  const seconds = Math.max(linger, LINGER)
  const time = seconds < 120 ? `${seconds} s` : duration(seconds).replace(/ 00 (s|min)$/, '')
  return `Stops ${time} after the last viewer leaves`
}
