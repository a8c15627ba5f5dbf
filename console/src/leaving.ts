// What becomes of a run once nobody watches it, in words.
import {LINGER} from './api'
import {duration} from './format'

/** For an operation's `linger`: seconds, or null for ever. */
export function afterLeaving(linger: number | null): string {
  if (linger === null) return 'Goes on without you'
  return `Goes on for ${duration(Math.max(linger, LINGER)).replace(/\.0|( 00 (s|min))$/, '')} without you`
}
