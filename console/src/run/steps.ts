// The steps of a run, by its progress: each with its own percentage, so that none starts again where another ends.
import type {Progress, RunEvent} from '@headway/client'
import type {Fold} from './fold'

/** The most reports that are kept, of which an attempt goes back to some. */
const MAX_REPORTS = 1000

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
  let steps = new Map<string, Step>()
  let current: string | undefined
  let reports: [id: number, progress: Progress][] = [] // those that have changed a step, for the next attempt
  return {add, value: () => ({all: [...steps.values()], current})}

  function add(event: RunEvent): void {
    if (event.type === 'attempt') goBack(event.data.after ?? 0)
    else if (event.type === 'progress') report(event.id, event.data)
    else if (event.type === 'reset' && event.data.snapshot.progress) report(event.id, event.data.snapshot.progress)
  }

  /** Forgets the reports after the checkpoint of an attempt. */
  function goBack(after: number): void {
    const kept = reports.filter(([id]) => id <= after)
    steps = new Map()
    reports = []
    current = undefined
    for (const [id, progress] of kept) report(id, progress)
  }

  function report(id: number, progress: Progress): void {
    const {step, done, total} = progress
    current = step === undefined ? undefined : String(step)
    if (current === undefined) return
    const before = steps.get(current)?.percent
    const percent = done !== undefined && total ? Math.min(100, (100 * done) / total) : undefined
    const highest = percent === undefined ? before : Math.max(percent, before ?? 0)
    if (steps.has(current) && highest === before) return
    steps.set(current, {name: current, percent: highest})
    reports.push([id, progress])
    if (reports.length > 2 * MAX_REPORTS) reports = reports.slice(-MAX_REPORTS)
  }
}
