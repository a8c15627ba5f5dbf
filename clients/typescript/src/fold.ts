/** What the events of a run amount to, for those who show it. Takes them one by one; `state()` is asked once a frame. */

import {type HeadwayError, RunFailed} from './errors.ts'
import type {Failure, Operation, Progress, Question, Reason, RunEvent, Snapshot, Status} from './events.ts'

/** What a run amounts to so far. What has not come yet is `undefined`. */
export interface RunState<Op extends Operation = Operation> {
  /** The run's id, once the service has answered. */
  readonly id: string | undefined
  /** Its operation's name, likewise. */
  readonly operation: string | undefined
  /** The run's status; `idle` before there is one, and `queued` until its first event has come. */
  readonly status: Status | 'idle'
  /** The last progress. */
  readonly progress: Progress | undefined
  /** 0 to 100, within the present step. Stays through progress that only brings a message. */
  readonly percent: number | undefined
  /** Seconds left, as of the last progress that said so. */
  readonly eta: number | undefined
  /** The deltas of the channel `text` so far, joined. */
  readonly text: string
  /** Those of the channel `thinking`. */
  readonly thinking: string
  /** The finished pieces of the result, by key. */
  readonly partials: Readonly<Record<string, unknown>>
  /** What the run asks at present. */
  readonly question: Question | undefined
  readonly result: Op['result'] | undefined
  /** Why the run failed (`RunFailed`), its start was refused (`Problem`), or the line was given up (`Interrupted`). */
  readonly error: HeadwayError | undefined
  /** The events as they came, the newest `maxEvents`. */
  readonly events: readonly RunEvent<Op>[]
  /** When it began: the timestamp of `start`. */
  readonly startedAt: string | undefined
  /** When it ended: the timestamp of `done`. */
  readonly endedAt: string | undefined
  /** Seconds that it took, once it is over. */
  readonly elapsed: number | undefined
  /** Why it was cancelled. */
  readonly reason: Reason | undefined
  /** 2, 3 ... where the run began anew after its producer was lost; what came of the attempt before has been dropped. */
  readonly attempt: number
  /** True after a `reset`: events are missing, so that `partials` and `events` have a hole, and the texts begin after it. */
  readonly incomplete: boolean
}

type Draft = {-readonly [Name in keyof RunState]: RunState[Name]}

export interface Fold {
  add(event: RunEvent): void
  /** Has what is known without an event shown too. */
  set(known: Partial<Draft>): void
  /** An object that stays as it is. */
  state(): RunState
}

export function createFold(status: Draft['status'], maxEvents: () => number): Fold {
  const draft: Draft = blank(status)
  let log: RunEvent[] = []
  let partials = new Map<string, unknown>()
  let changed = {log: false, partials: false}

  return {add, set: (known) => void Object.assign(draft, known), state}

  function add(event: RunEvent): void {
    log.push(event)
    if (log.length > 2 * maxEvents()) log = log.slice(-maxEvents())
    changed.log = true
    if (draft.status === 'queued') draft.status = 'running'
    learn(event)
  }

  function state(): RunState {
    if (changed.log) draft.events = log.slice(-maxEvents())
    if (changed.partials) draft.partials = Object.fromEntries(partials)
    changed = {log: false, partials: false}
    return {...draft}
  }

  function learn(event: RunEvent): void {
    const {type, data} = event
    if (type === 'progress') advance(data)
    else if (type === 'delta') draft[data.channel === 'thinking' ? 'thinking' : 'text'] += data.text
    else if (type === 'partial') keep(data.key, data.value)
    else if (type === 'question') ask(data)
    else if (type === 'answer') goOn()
    else if (type === 'result') draft.result = data.result
    else if (type === 'error') fail(data)
    else if (type === 'start') Object.assign(draft, {operation: data.operation, startedAt: data.timestamp})
    else if (type === 'attempt') beginAnew(data.attempt)
    else if (type === 'reset') adopt(data.snapshot)
    else if (type === 'done') end(data.status, data)
  }

  function advance(progress: Progress): void {
    if (progress.step !== draft.progress?.step) draft.percent = draft.eta = undefined
    const {done, total, eta} = progress
    if (done !== undefined && total) draft.percent = Math.min(100, (100 * done) / total)
    if (eta !== undefined) draft.eta = eta
    draft.progress = progress
  }

  function keep(key: string, value: unknown): void {
    partials.set(key, value)
    changed.partials = true
  }

  function ask(question: Question): void {
    draft.question = question
    stand('waiting')
  }

  function goOn(): void {
    draft.question = undefined
    stand('running')
  }

  /** A cancel that was asked for shows until it has come. */
  function stand(next: Status): void {
    if (draft.status !== 'cancelling') draft.status = next
  }

  function fail(failure: Failure): void {
    draft.error = new RunFailed(failure)
    draft.question = undefined
  }

  function beginAnew(attempt: number): void {
    partials = new Map()
    changed.partials = true
    Object.assign(draft, {attempt, text: '', thinking: '', progress: undefined, percent: undefined, eta: undefined})
    goOn()
  }

  /** After a gap: what a snapshot can tell, it tells; text that goes on after a hole would read as if there were none. */
  function adopt(snapshot: Snapshot): void {
    if (snapshot.progress) advance(snapshot.progress)
    if (snapshot.error) fail(snapshot.error)
    Object.assign(draft, {text: '', thinking: '', incomplete: true, operation: snapshot.operation})
    draft.startedAt ??= snapshot.created
    draft.question = snapshot.question ?? undefined
    if (snapshot.status === 'succeeded') draft.result = snapshot.result
    if (isOver(snapshot.status)) end(snapshot.status, {timestamp: snapshot.updated})
    else stand(snapshot.status)
  }

  function end(
    status: Status,
    {timestamp, elapsed, reason}: {timestamp: string; elapsed?: number; reason?: Reason},
  ): void {
    Object.assign(draft, {status, endedAt: timestamp, elapsed, reason, eta: undefined, question: undefined})
    if (status === 'succeeded' && draft.percent !== undefined) draft.percent = 100
  }
}

/** Whether nothing more can happen to a run. */
export function isOver(status: Status | 'idle'): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled'
}

function blank(status: Draft['status']): Draft {
  return {
    id: undefined,
    operation: undefined,
    status,
    progress: undefined,
    percent: undefined,
    eta: undefined,
    text: '',
    thinking: '',
    partials: {},
    question: undefined,
    result: undefined,
    error: undefined,
    events: [],
    startedAt: undefined,
    endedAt: undefined,
    elapsed: undefined,
    reason: undefined,
    attempt: 1,
    incomplete: false,
  }
}
