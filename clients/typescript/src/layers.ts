/** The options of several components that share something: of those that differ, the ones set last count. */

export interface Layers<T extends object> {
  /** Sets all options of one owner: an option that is absent now counts no more. */
  set(owner: object, options: T): void
  /** Drops the options of an owner, unless nobody else has any: what is shared may outlive it by a moment. */
  drop(owner: object): void
  /** The options of all owners. */
  merged(): T
  /** The options of each owner by itself. */
  each(): T[]
}

export function createLayers<T extends object>(): Layers<T> {
  const layers = new Map<object, T>()
  let result: T | undefined

  return {set, drop, merged, each: () => [...layers.values()]}

  function set(owner: object, options: T): void {
    layers.delete(owner)
    layers.set(owner, options)
    result = undefined
  }

  function drop(owner: object): void {
    if (layers.size > 1) layers.delete(owner)
    result = undefined
  }

  function merged(): T {
    result ??= Object.fromEntries(
      [...layers.values()].flatMap(Object.entries).filter(([, value]) => value !== undefined),
    ) as T
    return result
  }
}
