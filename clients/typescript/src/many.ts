/** Several runs on one connection: as a `fetch` for each of them, and as one iterable of pairs. */

import type {RunEvent} from './events.ts'
import type {WatchOptions} from './options.ts'
import {createQueue} from './queue.ts'
import {watchRun} from './run.ts'
import {sharedStream} from './shared-stream.ts'

export {type SharedStreamOptions, sharedStream} from './shared-stream.ts'

export interface WatchRunsOptions extends Omit<WatchOptions, 'lastEventId'> {
  /** The number of the last event that the caller has of a run, by its id: its stream resumes after it. */
  lastEventIds?: Readonly<Record<string, number>> | undefined
}

/**
 * Watches the runs at `urls` (`.../runs/ID`) on one connection, and gives pairs of a run's id and its next event, until
 * all of them are over. Leaving the loop disconnects. Throws what the iteration over one of them throws.
 */
export async function* watchRuns(
  urls: Iterable<string | URL>,
  options: WatchRunsOptions = {},
): AsyncGenerator<[string, RunEvent]> {
  const {lastEventIds, ...shared} = options
  const fetch = sharedStream({fetch: options.fetch})
  const runs = [...urls].map((url) => {
    const id = decodeURIComponent(String(url).replace(/\/+$/, '').split('/').pop() as string)
    return {id, run: watchRun(url, {...shared, fetch, lastEventId: lastEventIds?.[id]})}
  })
  const queue = createQueue<[string, RunEvent]>()
  const disconnect = () => {
    for (const {run} of runs) run.disconnect()
    queue.end()
  }
  const all = runs.map(async ({id, run}) => {
    for await (const event of run) await queue.push([[id, event]])
  })
  Promise.all(all).then(
    () => queue.end(),
    (reason) => queue.end({reason}),
  )
  try {
    for (;;) {
      const {done, value} = await queue.iterate(disconnect).next()
      if (done) return
      yield value
    }
  } finally {
    disconnect()
  }
}
