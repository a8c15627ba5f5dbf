/** The state of a run, built from its events one by one, for those who show it. */

import {type HeadwayError, NO_ERROR, RunFailed} from './errors.ts'
import type {Failure, Operation, Partials, Progress, Question, Reason, RunEvent, Snapshot, Status} from './events.ts'
import {MAX_PARTIALS} from './partials.ts'
import {createText, createVersions} from './rewind.ts'

/** The state of a run so far. What has not arrived yet is `undefined`; `status` narrows the rest. */
export type RunState<Op extends Operation = Operation> = RunFields<Op> & RunPhase<Op>

/** What `status` says of `question`, `result` and `error`. */
export type RunPhase<Op extends Operation = Operation> =
  | Phase<'idle' | 'queued' | 'running' | 'cancelled', undefined, undefined, HeadwayError | undefined>
  | Phase<'waiting', Question, undefined, HeadwayError | undefined>
  | Phase<'cancelling', Question | undefined, undefined, HeadwayError | undefined>
  | Phase<'succeeded', undefined, Op['result'], HeadwayError | undefined>
  | Phase<'failed', undefined, undefined, HeadwayError>

interface Phase<Of extends Status | 'idle', Asked, Result, Failed> {
  /** The run's status; `idle` before there is a run, and `queued` until its first event arrives. */
  readonly status: Of
  /** The question that is open. */
  readonly question: Asked
  /** The result of a run that has succeeded. */
  readonly result: Result
  /** Why the run failed (`RunFailed`), its start was refused (`Problem`), or its connection lost (`Interrupted`). */
  readonly error: Failed
}

export interface RunFields<Op extends Operation = Operation> {
  /** The run's id, once the service has answered. */
  readonly id: string | undefined
  /** The name of its operation, likewise. */
  readonly operation: string | undefined
  /** The last progress. */
  readonly progress: Progress | undefined
  /** 0 to 100, within the current step. Progress that only has a message leaves it as it is. */
  readonly percent: number | undefined
  /** Seconds left, as of the last progress that had an `eta`. */
  readonly eta: number | undefined
  /** The deltas of the channel `text` so far, joined. */
  readonly text: string
  /** The deltas of the channel `thinking` so far, joined. */
  readonly thinking: string
  /** The partials so far, by key: the newest 10,000 keys, or those of `maxPartials`. */
  readonly partials: Partials<Op>
  /** The newest `maxEvents` events. */
  readonly events: readonly RunEvent<Op>[]
  /** When the run started: the timestamp of `start`. */
  readonly startedAt: string | undefined
  /** When the run ended: the timestamp of `done`. */
  readonly endedAt: string | undefined
  /** Seconds from start to end, once the run is over. */
  readonly elapsed: number | undefined
  /** Why the run was cancelled. */
  readonly reason: Reason | undefined
  /** 1, or 2, 3 ... after its producer was lost; what came after the checkpoint that it begins at is dropped. */
  readonly attempt: number
  /** True after a `reset`: `partials` and `events` lack some, and `text` and `thinking` begin after it. */
  readonly incomplete: boolean
}

/** A state under construction, whose status narrows nothing. */
export type Draft = {-readonly [Name in keyof RunFields]: RunFields[Name]} & {
  status: Status | 'idle'
  question: Question | undefined
  result: unknown
  error: HeadwayError | undefined
}

export interface StateBuilder {
  readonly status: Draft['status']
  /** Adds an event. The result is not taken from it: it may refer to partials, and is set once it is complete. */
  add(event: RunEvent): void
  /** Sets fields that do not come from an event. */
  set(fields: Partial<Draft>): void
  /** A new object, which later events do not change. */
  state(): RunState
}

export function createStateBuilder(
  status: Draft['status'],
  maxEvents: () => number,
  maxPartials: () => number | undefined = () => undefined,
): StateBuilder {
  const draft: Draft = emptyState(status)
  let events: RunEvent[] = []
  const partials = createVersions()
  const progress = createVersions()
  let texts = {text: createText(), thinking: createText()}
  let changed = {events: false, partials: false}

  return {
    get status() {
      return draft.status
    },
    add,
    set: (fields) => void Object.assign(draft, fields),
    state,
  }

  function add(event: RunEvent): void {
    events.push(event)
    if (events.length > 2 * maxEvents()) events = events.slice(-maxEvents())
    changed.events = true
    if (draft.status === 'queued') draft.status = 'running'
    apply(event)
  }

  function state(): RunState {
    if (changed.events) draft.events = events.slice(-maxEvents())
    if (changed.partials) draft.partials = Object.fromEntries(partials.newest(mostPartials()))
    changed = {events: false, partials: false}
    return {...draft} as RunState
  }

  function apply(event: RunEvent): void {
    const {id, type, data} = event
    if (type === 'progress') addProgress(id, data)
    else if (type === 'delta') addText(id, data.channel === 'thinking' ? 'thinking' : 'text', data.text)
    else if (type === 'partial') setPartial(id, data.key, data.value)
    else if (type === 'question') openQuestion(data)
    else if (type === 'answer') closeQuestion()
    else if (type === 'error') fail(data)
    else if (type === 'start') Object.assign(draft, {operation: data.operation, startedAt: data.timestamp})
    else if (type === 'attempt') startAttempt(data.attempt, data.after ?? 0)
    else if (type === 'reset') applySnapshot(data.snapshot)
    else if (type === 'done') end(data.status, data)
  }

  function addProgress(id: number, data: Progress): void {
    progress.set('', id, data)
    setProgress(data)
  }

  function addText(id: number, channel: 'text' | 'thinking', text: string): void {
    texts[channel].add(id, text)
    draft[channel] = texts[channel].value
  }

  function setProgress(progress: Progress): void {
    if (progress.step !== draft.progress?.step) draft.percent = draft.eta = undefined
    const {done, total, eta} = progress
    if (done !== undefined && total) draft.percent = Math.min(100, (100 * done) / total)
    if (eta !== undefined) draft.eta = eta
    draft.progress = progress
  }

  function setPartial(id: number, key: string, value: unknown): void {
    partials.set(key, id, value)
    if (partials.size > 2 * mostPartials()) partials.limit(mostPartials())
    changed.partials = true
  }

  /** Each state has a copy of them, so that their number bounds the time that a frame takes. */
  function mostPartials(): number {
    return Math.max(1, maxPartials() ?? MAX_PARTIALS)
  }

  function openQuestion(question: Question): void {
    draft.question = question
    setStatus('waiting')
  }

  function closeQuestion(): void {
    draft.question = undefined
    setStatus('running')
  }

  /** `cancelling` holds until the run is over. */
  function setStatus(status: Status): void {
    if (draft.status !== 'cancelling') draft.status = status
  }

  function fail(failure: Failure): void {
    draft.error = new RunFailed(failure)
    draft.question = undefined
  }

  /** Drops what came after the checkpoint, which is the event `after`. */
  function startAttempt(attempt: number, after: number): void {
    for (const each of [partials, progress, texts.text, texts.thinking]) each.dropAfter(after)
    changed.partials = true
    const [text, thinking] = [texts.text.value, texts.thinking.value]
    Object.assign(draft, {attempt, text, thinking, progress: undefined, percent: undefined, eta: undefined})
    if (progress.has('')) setProgress(progress.get('') as Progress)
    closeQuestion()
  }

  /** Takes what the snapshot has; drops the texts, since text with a hole in it would read as if it had none. */
  function applySnapshot(snapshot: Snapshot): void {
    texts = {text: createText(), thinking: createText()}
    if (snapshot.progress) setProgress(snapshot.progress)
    if (snapshot.error) fail(snapshot.error)
    Object.assign(draft, {text: '', thinking: '', incomplete: true, operation: snapshot.operation})
    draft.startedAt ??= snapshot.created
    draft.question = snapshot.question ?? undefined
    if (isOver(snapshot.status)) end(snapshot.status, {timestamp: snapshot.updated})
    else setStatus(snapshot.status)
  }

  function end(
    status: Status,
    {timestamp, elapsed, reason}: {timestamp: string; elapsed?: number; reason?: Reason},
  ): void {
    Object.assign(draft, {status, endedAt: timestamp, elapsed, reason, eta: undefined, question: undefined})
    if (status === 'failed' && !(draft.error instanceof RunFailed)) draft.error = new RunFailed(NO_ERROR)
    if (status !== 'succeeded') return
    if (draft.percent !== undefined) draft.percent = 100
  }
}

/** Whether a run with this status has ended. */
export function isOver(status: Status | 'idle'): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled'
}

function emptyState(status: Draft['status']): Draft {
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
