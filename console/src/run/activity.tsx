// The custom events of an operation, such as an agent's plans, tool calls and observations, in a list. An observation
// is shown with the tool call that has the same `call`.
import type {UseRun} from '@headway/client/react'
import {memo, useMemo} from 'react'
import {duration, label} from '../format'
import {Icon, type IconName} from '../icons'
import {useThrottled} from '../throttle'
import {isObject, type JsonObject} from '../values/shapes'
import {Value} from '../values/value'
import {type Fold, useFold} from './fold'

const LIBRARY = new Set([
  'start',
  'progress',
  'delta',
  'partial',
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
}

/** Members for programs, or that the heading shows. */
const HIDDEN = new Set(['approve', 'timestamp', 'id', 'call', 'step', 'tool', 'name', 'ok', 'bytes', 'seconds'])
const MAX_ENTRIES = 200
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
  observation?: JsonObject
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
      {entries.length > MAX_ENTRIES && (
        <p className="muted">
          The newest {MAX_ENTRIES} of {entries.length} entries.
        </p>
      )}
      <ol>
        {entries.slice(-MAX_ENTRIES).map(({event, data, observation}, at, all) => (
          <ActivityEntry
            key={event.id}
            event={event}
            data={data}
            observation={observation}
            current={live && at === all.length - 1}
          />
        ))}
      </ol>
    </section>
  )
}

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

/** The entries of the current attempt. */
function foldEntries(): Fold<readonly Entry[]> {
  let entries: Entry[] = []
  let calls = new Map<string, number>()
  return {add, value: () => [...entries]}

  function add(event: CustomEvent): void {
    if (event.type === 'attempt') {
      entries = []
      calls = new Map()
    }
    if (!isCustom(event)) return
    const data = event.data as JsonObject | string
    const call = isObject(data) && data.call !== undefined ? `${String(data.step)} ${String(data.call)}` : undefined
    const at = call === undefined ? undefined : calls.get(call)
    const earlier = at === undefined ? undefined : entries[at]
    if (at !== undefined && earlier && isObject(data) && event.type === 'observation')
      entries[at] = {...earlier, observation: data}
    else {
      if (call !== undefined) calls.set(call, entries.length)
      entries.push({event, data})
    }
  }
}
