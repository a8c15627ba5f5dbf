// What becomes of a run once nobody watches it, in words.
import {duration} from './format'

/** For an operation's `linger`: seconds, or null for ever. */
export function afterLeaving(linger: number | null): string {
  if (linger === null) return 'Goes on without you'
  if (linger === 0) return 'Stops when you leave'
  return `Goes on for ${duration(linger).replace(/\.0|( 00 (s|min))$/, '')} without you`
}
