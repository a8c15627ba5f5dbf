/** References in a result: `{"$partial": KEY}` stands for the value of the partial KEY, which was sent before. */

import type {RunEvent} from './events.ts'
import {createVersions} from './rewind.ts'

/** The most partials that are kept unless told otherwise. */
export const MAX_PARTIALS = 10_000

/** Stands in a result for the value of a partial. */
export interface PartialReference {
  readonly $partial: string
}

/** A copy of a value, with what `lookup` gives in place of each reference. */
function replaceReferences(value: unknown, lookup: (key: string, reference: unknown) => unknown): unknown {
  if (typeof value !== 'object' || !value) return value
  if (Array.isArray(value)) return value.map((each) => replaceReferences(each, lookup))
  const {$partial} = value as PartialReference
  const entries = Object.entries(value)
  if (typeof $partial === 'string' && !entries[1]) return lookup($partial, value)
  return Object.fromEntries(entries.map(([name, each]) => [name, replaceReferences(each, lookup)]))
}

/** The keys of the partials that a value refers to. */
export function referredKeys(value: unknown): string[] {
  const keys = new Set<string>()
  replaceReferences(value, (key) => keys.add(key))
  return [...keys]
}

export interface KeptPartials {
  add(event: RunEvent): void
  has(key: string): boolean
  /** A result with their values in it. A reference to a partial that never was stays as it is. */
  fill(result: unknown): unknown
}

/** The newest `most` partials that the events of a run give, or those with these keys. */
export function keepPartials(most = MAX_PARTIALS, keys?: ReadonlySet<string>): KeptPartials {
  const kept = createVersions()

  return {
    add({id, type, data}) {
      if (type === 'attempt') kept.dropAfter(data.after ?? 0)
      if (type !== 'partial' || keys?.has(data.key) === false) return
      kept.set(data.key, id, data.value)
      if (!keys) kept.limit(most)
    },
    has: (key) => kept.has(key),
    fill: (result) => replaceReferences(result, (key, value) => (kept.has(key) ? kept.get(key) : value)),
  }
}
