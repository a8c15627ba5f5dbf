/** What was read and has not been taken yet: bounded while somebody is to take it. */

/** Events that are read ahead. */
const AHEAD = 512

export interface Queue<T> {
  /** Adds a batch; waits, where there is too much already, until some of it has been taken. */
  push(batch: T[]): Promise<void>
  /** Nothing more comes: what is there is handed out, then the iteration ends, or throws the reason. */
  end(why?: {reason: unknown}): void
  /** From now on nothing waits: what nobody has begun to take is let go, the oldest first. */
  letGo(): void
  /** Takes; `leave` is called where the taker stops early. */
  iterate(leave: () => void): AsyncIterator<T>
}

export function createQueue<T>(): Queue<T> {
  let items: T[] = []
  let head = 0
  let ended: {reason?: unknown} | undefined
  let iterated = false
  let free = false
  let waiting: (() => void)[] = []

  return {push, end, letGo, iterate}

  async function push(batch: T[]): Promise<void> {
    items = items.slice(head).concat(batch)
    head = 0
    if (free && !iterated) items = items.slice(-AHEAD)
    stir()
    while (!free && !ended && items.length - head > AHEAD) await change()
  }

  function end(why?: {reason: unknown}): void {
    ended ??= why ?? {}
    stir()
  }

  function letGo(): void {
    free = true
    stir()
  }

  function iterate(leave: () => void): AsyncIterator<T> {
    iterated = true
    return {
      next,
      async return() {
        leave()
        items = []
        return {done: true, value: undefined}
      },
    }
  }

  async function next(): Promise<IteratorResult<T>> {
    while (head >= items.length && !ended) await change()
    if (head < items.length) return {done: false, value: take()}
    if (ended && 'reason' in ended) throw ended.reason
    return {done: true, value: undefined}
  }

  function take(): T {
    const item = items[head++] as T
    if (items.length - head === AHEAD || head === items.length) stir()
    return item
  }

  function change(): Promise<void> {
    return new Promise((resolve) => waiting.push(resolve))
  }

  function stir(): void {
    const woken = waiting
    waiting = []
    for (const each of woken) each()
  }
}
