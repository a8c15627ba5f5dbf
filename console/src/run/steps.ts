// The steps of a run, by its progress: each with its own percentage, so that none starts again where another ends.
import type {Progress, RunEvent} from '@headway/client'
import type {Fold} from './fold'

export interface Step {
  name: string
  /** 0 to 100; undefined where the step does not tell how much it has to do. It never falls. */
  percent: number | undefined
}

export interface Steps {
  /** In the order in which they began. */
  all: readonly Step[]
  /** The name of the step of the last progress. */
  current: string | undefined
}

export function foldSteps(): Fold<Steps> {
  const steps = new Map<string, Step>()
  let current: string | undefined
  return {add, value: () => ({all: [...steps.values()], current})}

  function add(event: RunEvent): void {
    if (event.type === 'attempt') steps.clear()
    else if (event.type === 'progress') report(event.data)
    else if (event.type === 'reset' && event.data.snapshot.progress) report(event.data.snapshot.progress)
  }

  function report({step, done, total}: Progress): void {
    current = step === undefined ? undefined : String(step)
    if (current === undefined) return
    const before = steps.get(current)?.percent
    const percent = done !== undefined && total ? Math.min(100, (100 * done) / total) : undefined
    const highest = percent === undefined ? before : Math.max(percent, before ?? 0)
    if (!steps.has(current) || highest !== before) steps.set(current, {name: current, percent: highest})
  }
}
