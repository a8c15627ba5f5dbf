/** What events have given so far, and how it goes back to a checkpoint: what came after that is dropped. */

/** The most values of one key, or of one list, that are kept: a checkpoint before the oldest one has none. */
const MAX_VERSIONS = 16

/** Adds up the deltas of a channel. */
export interface Text {
  readonly value: string
  add(id: number, text: string): void
  dropAfter(id: number): void
}

export function createText(): Text {
  let value = ''
  let ids: number[] = []
  let lengths: number[] = []

  return {
    get value() {
      return value
    },
    add(id, text) {
      value += text
      ids.push(id)
      lengths.push(value.length)
    },
    dropAfter(id) {
      const kept = ids.findLastIndex((each) => each <= id) + 1
      value = value.slice(0, lengths[kept - 1] ?? 0)
      ids = ids.slice(0, kept)
      lengths = lengths.slice(0, kept)
    },
  }
}

type Version = readonly [id: number, value: unknown]

/** The newest value of each key, with those before it. */
export interface Versions {
  readonly size: number
  has(key: string): boolean
  get(key: string): unknown
  set(key: string, id: number, value: unknown): void
  dropAfter(id: number): void
  /** Drops all keys but these many, those that came first. */
  limit(most: number): void
  /** The newest value of each of the newest `most` keys. */
  newest(most: number): [string, unknown][]
}

export function createVersions(): Versions {
  const versions = new Map<string, Version[]>()
  const newestOf = (all: Version[] | undefined): unknown => all?.[all.length - 1]?.[1]

  return {
    get size() {
      return versions.size
    },
    has: (key) => versions.has(key),
    get: (key) => newestOf(versions.get(key)),
    set(key, id, value) {
      const before = versions.get(key)
      versions.set(key, [...(before ?? []), [id, value] as const].slice(-MAX_VERSIONS))
    },
    dropAfter(id) {
      for (const [key, all] of versions) {
        const kept = all.filter(([each]) => each <= id)
        if (kept.length) versions.set(key, kept)
        else versions.delete(key)
      }
    },
    limit(most) {
      for (const key of versions.keys()) {
        if (versions.size <= most) return
        versions.delete(key)
      }
    },
    newest: (most) => [...versions].slice(-most).map(([key, all]) => [key, newestOf(all)]),
  }
}
