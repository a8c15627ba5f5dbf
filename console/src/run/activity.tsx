// The custom events of an operation, such as an agent's plans, tool calls and observations, in a list. An observation
// is shown with the tool call that has the same `call`.
import type {UseRun} from '@headway/client/react'
import {memo, useMemo, useState} from 'react'
import {dataLine, duration, label, number} from '../format'
import {Icon, type IconName} from '../icons'
import {useThrottled} from '../throttle'
import {isObject, type JsonObject} from '../values/shapes'
import {Value} from '../values/value'
import {MAX_EVENTS} from './arrivals'
import {type Fold, useFold} from './fold'
import {RowButton, Window} from './window'

const LIBRARY = new Set([
  'start',
  'progress',
  'delta',
  'partial',
  'file',
  'question',
  'answer',
  'attempt',
  'reset',
  'result',
  'error',
  'done',
])
const ICONS: Record<string, IconName> = {
  plan: 'thought',
  tool_call: 'tool',
  observation: 'eye',
  final_answer: 'check',
  warning: 'alert',
}

/** Members for programs, or that the heading shows. */
const HIDDEN = new Set(['approve', 'timestamp', 'id', 'call', 'step', 'tool', 'name', 'ok', 'bytes', 'seconds'])
/** More entries than this are shown in a line each. */
const MAX_ENTRIES = 200
const COLUMNS = [['No.', 'numeric'], ['Event'], ['Data']] as const
/** Milliseconds between two changes of the list. */
const INTERVAL = 200

interface CustomEvent {
  id: number
  type: string
  data: unknown
}

interface Entry {
  event: CustomEvent
  data: JsonObject | string
  observation?: JsonObject | undefined
  /** The id of the event that gave the observation. */
  observed?: number
}

/** Whether an event is a custom one of the operation. */
export const isCustom = (event: CustomEvent): boolean => !LIBRARY.has(event.type)

export function Activity({run, live}: {run: UseRun; live: boolean}) {
  const all = useFold(useThrottled(run.events, INTERVAL), foldEntries)
  // An answer that is also the run's text is shown below.
  const entries = useMemo(
    () => all.filter(({data}) => !run.text || !isObject(data) || data.text !== run.text),
    [all, run.text],
  )
  if (entries.length === 0) return null
  return (
    <section className="activity" aria-label="Activity">
      {entries.length > MAX_ENTRIES ? <ManyEntries entries={entries} /> : <Entries entries={entries} live={live} />}
    </section>
  )
}

function Entries({entries, live}: {entries: readonly Entry[]; live: boolean}) {
  return (
    <ol>
      {entries.map((entry, at) => (
        <ActivityEntry key={entry.event.id} {...entry} current={live && at === entries.length - 1} />
      ))}
    </ol>
  )
}

/** Entries in a line each, as many as nobody reads one by one; a line opens below. */
const ManyEntries = memo(function ManyEntries({entries}: {entries: readonly Entry[]}) {
  const [open, setOpen] = useState<number>()
  const chosen = entries.find(({event}) => event.id === open)
  return (
    <div className="activity-many">
      <p className="muted">{number(entries.length)} events.</p>
      <Window
        label="Activity"
        columns={COLUMNS}
        rows={entries}
        row={(entry, index) => (
          <EntryRow key={entry.event.id} entry={entry} index={index} open={entry.event.id === open} choose={setOpen} />
        )}
      />
      {chosen && <Entries entries={[chosen]} live={false} />}
    </div>
  )
})

type EntryRowProps = {entry: Entry; index: number; open: boolean; choose: (id: number | undefined) => void}

const EntryRow = memo(function EntryRow({entry: {event, data}, index, open, choose}: EntryRowProps) {
  return (
    <tr className={open ? 'row-open' : undefined} aria-rowindex={index}>
      <td className="numeric">
        <RowButton id={event.id} open={open} choose={choose} />
      </td>
      <td>{headingOf(event, data)}</td>
      <td className="row-data">{dataLine(data)}</td>
    </tr>
  )
})

const ActivityEntry = memo(function ActivityEntry({event, data, observation, current}: Entry & {current: boolean}) {
  const failed = (observation ?? (isObject(data) ? data : undefined))?.ok === false
  const waiting = event.type === 'tool_call' && !observation
  return (
    <li
      className={`entry entry-${event.type} ${current || waiting ? 'entry-current' : ''} ${failed ? 'entry-failed' : ''}`}
    >
      <span className="entry-icon">
        <Icon name={failed ? 'alert' : (ICONS[event.type] ?? 'chevron')} />
      </span>
      <div className="entry-body">
        <h3>
          {headingOf(event, data)}
          {isObject(data) && typeof (data.tool ?? data.name) === 'string' && (
            <code>{String(data.tool ?? data.name)}</code>
          )}
          {typeof observation?.seconds === 'number' && (
            <span className="entry-time">{duration(observation.seconds)}</span>
          )}
        </h3>
        <EventData data={data} />
        {observation && <Observation observation={observation} />}
      </div>
    </li>
  )
})

function headingOf(event: CustomEvent, data: JsonObject | string): string {
  if (event.type === 'plan' && isObject(data) && typeof data.step === 'number') return `Plan for step ${data.step}`
  return label(event.type)
}

function EventData({data}: {data: JsonObject | string}) {
  if (!isObject(data)) return <Value value={data} name="text" depth={1} />
  const hasCalls = Array.isArray(data.calls) // each of them is another event
  const members = Object.entries(data).filter(
    ([name, value]) => !HIDDEN.has(name) && !isEmpty(value) && !(hasCalls && name === 'calls'),
  )
  const [only] = members
  if (!only) return null
  if (isParts(only[1])) return <Parts parts={only[1]} />
  if (members.length > 1) return <Value value={Object.fromEntries(members)} depth={1} />
  return <Value value={only[1]} name={typeof only[1] === 'string' ? 'text' : only[0]} depth={1} />
}

interface Part {
  part: string
  observation: unknown
}

const isParts = (value: unknown): value is Part[] =>
  Array.isArray(value) && value.every((each) => isObject(each) && typeof each.part === 'string')

/** The parts of a plan: those with an observation, and those that still lack one. */
function Parts({parts}: {parts: readonly Part[]}) {
  return (
    <ul className="parts">
      {parts.map(({part, observation}, at) => (
        <li key={at} className={observation === null ? undefined : 'part-done'}>
          <Icon name={observation === null ? 'question' : 'check'} />
          {part}
        </li>
      ))}
    </ul>
  )
}

/** The observation of a tool call; a text that is JSON is shown as a value. */
function Observation({observation}: {observation: JsonObject}) {
  const {text, code, ok, cut} = observation
  const value = parseJson(text)
  return (
    <div className="observation">
      {value === undefined ? (
        <p className={ok === false ? 'plain plain-code' : 'plain'}>{String(text ?? code ?? '')}</p>
      ) : (
        <Value value={value} depth={1} />
      )}
      {cut === true && <p className="muted">The rest was cut off.</p>}
    </div>
  )
}

function parseJson(text: unknown): unknown {
  if (typeof text !== 'string' || !/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === '' || value === false || (Array.isArray(value) && value.length === 0)

/** The newest `MAX_EVENTS` entries, without those of an attempt that was lost, after its checkpoint. */
export function foldEntries(): Fold<readonly Entry[]> {
  const entries = new Map<number, Entry>() // by the ids of their events
  const calls = new Map<string, number>()
  return {add, value: () => [...entries.values()]}

  function add(event: CustomEvent): void {
    if (event.type === 'attempt') goBack((event.data as {after?: number}).after ?? 0)
    if (!isCustom(event)) return
    const data = event.data as JsonObject | string
    const call = isObject(data) && data.call !== undefined ? `${String(data.step)} ${String(data.call)}` : undefined
    const id = call === undefined ? undefined : calls.get(call)
    const earlier = id === undefined ? undefined : entries.get(id)
    if (id !== undefined && earlier && isObject(data) && event.type === 'observation')
      entries.set(id, {...earlier, observation: data, observed: event.id})
    else {
      if (call !== undefined) calls.set(call, event.id)
      entries.set(event.id, {event, data})
      if (entries.size > MAX_EVENTS) entries.delete(entries.keys().next().value as number)
    }
  }

  function goBack(after: number): void {
    for (const [id, entry] of entries) {
      if (id > after) entries.delete(id)
      else if ((entry.observed ?? 0) > after) entries.set(id, {event: entry.event, data: entry.data})
    }
    for (const [call, id] of calls) if (id > after) calls.delete(call)
  }
}
