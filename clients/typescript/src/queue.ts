/** The events that were read and not yet iterated over: bounded as long as somebody is to iterate. */

/** Items that are read ahead. */
const AHEAD = 512

export interface Queue<T> {
  /** Adds a batch, then waits until no more than `AHEAD` items are left. */
  push(batch: T[]): Promise<void>
  /** Nothing more is added: the iteration takes what is left, then ends, or throws the reason. */
  end(error?: {reason: unknown}): void
  /** `push` waits no longer. As long as nobody iterates, only the newest items are kept. */
  unblock(): void
  /** Iterates; calls `leave` where the loop is left early. */
  iterate(leave: () => void): AsyncIterator<T>
}

export function createQueue<T>(): Queue<T> {
  let items: T[] = []
  let head = 0
  let ended: {reason?: unknown} | undefined
  let iterated = false
  let unblocked = false
  let waiting: (() => void)[] = []

  return {push, end, unblock, iterate}

  async function push(batch: T[]): Promise<void> {
    items = items.slice(head).concat(batch)
    head = 0
    if (unblocked && !iterated) items = items.slice(-AHEAD)
    notify()
    while (!unblocked && !ended && items.length - head > AHEAD) await change()
  }

  function end(error?: {reason: unknown}): void {
    ended ??= error ?? {}
    notify()
  }

  function unblock(): void {
    unblocked = true
    notify()
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
    if (items.length - head === AHEAD || head === items.length) notify()
    return item
  }

  function change(): Promise<void> {
    return new Promise((resolve) => waiting.push(resolve))
  }

  function notify(): void {
    const waiters = waiting
    waiting = []
    for (const waiter of waiters) waiter()
  }
}
