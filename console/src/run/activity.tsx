// The events that are the operation's own, such as an agent's plans, calls and observations, as a line of doings. A call
// and what came of it name the same number, and stand together.
import type {UseRun} from '@headway/client/react'
import {memo, useMemo} from 'react'
import {duration, label} from '../format'
import {Icon, type IconName} from '../icons'
import {isObject, type Json} from '../values/shapes'
import {Value} from '../values/value'

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
  answer: 'check',
}

/** Members that are for programs, or that the heading shows already. */
const SILENT = new Set(['approve', 'timestamp', 'id', 'call', 'step', 'tool', 'name', 'ok', 'bytes', 'seconds'])
const MOST = 200

/** An event of which only the operation knows what it carries. */
interface OwnEvent {
  id: number
  type: string
  data: unknown
}

interface Doing {
  event: OwnEvent
  data: Json | string
  outcome?: Json
}

/** Whether an event is the operation's own. */
export const isOwn = (event: OwnEvent): boolean => !LIBRARY.has(event.type)

export function Activity({run, live}: {run: UseRun; live: boolean}) {
  const doings = useMemo(() => doingsOf(run.events, run.text), [run.events, run.text])
  if (doings.length === 0) return null
  return (
    <section className="activity" aria-label="Activity">
      {doings.length > MOST && (
        <p className="nothing">
          The newest {MOST} of {doings.length}.
        </p>
      )}
      <ol>
        {doings.slice(-MOST).map((doing, at, all) => (
          <Step key={doing.event.id} doing={doing} outcome={doing.outcome} present={live && at === all.length - 1} />
        ))}
      </ol>
    </section>
  )
}

const Step = memo(function Step({
  doing,
  outcome,
  present,
}: {
  doing: Doing
  outcome: Json | undefined
  present: boolean
}) {
  const {event, data} = doing
  const failed = (outcome ?? (isObject(data) ? data : undefined))?.ok === false
  const waiting = event.type === 'tool_call' && !outcome
  return (
    <li
      className={`doing doing-${event.type} ${present || waiting ? 'doing-present' : ''} ${failed ? 'doing-failed' : ''}`}
    >
      <span className="doing-sign">
        <Icon name={failed ? 'alert' : (ICONS[event.type] ?? 'chevron')} />
      </span>
      <div className="doing-body">
        <h3>
          {headingOf(event, data)}
          {isObject(data) && typeof (data.tool ?? data.name) === 'string' && (
            <code>{String(data.tool ?? data.name)}</code>
          )}
          {typeof outcome?.seconds === 'number' && <span className="doing-time">{duration(outcome.seconds)}</span>}
        </h3>
        <Told data={data} />
        {outcome && <Outcome outcome={outcome} />}
      </div>
    </li>
  )
})

function headingOf(event: OwnEvent, data: Json | string): string {
  if (event.type === 'tool_call') return 'Calls'
  if (event.type === 'plan' && isObject(data) && typeof data.step === 'number') return `Plans step ${data.step}`
  return label(event.type)
}

function Told({data}: {data: Json | string}) {
  if (!isObject(data)) return <Value value={data} name="text" depth={1} />
  const calls = Array.isArray(data.calls) // each is an event of its own
  const members = Object.entries(data).filter(
    ([name, value]) => !SILENT.has(name) && !isNothing(value) && !(calls && name === 'calls'),
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

/** The parts of a plan: those that are known by now, and those that are not. */
function Parts({parts}: {parts: readonly Part[]}) {
  return (
    <ul className="parts">
      {parts.map(({part, observation}, at) => (
        <li key={at} className={observation === null ? undefined : 'part-known'}>
          <Icon name={observation === null ? 'question' : 'check'} />
          {part}
        </li>
      ))}
    </ul>
  )
}

/** What came of a call: its text as JSON where it is some, else as it is. */
function Outcome({outcome}: {outcome: Json}) {
  const read = readJson(outcome.text)
  return (
    <div className="outcome">
      {read === undefined ? (
        <p className={outcome.ok === false ? 'plain plain-code' : 'plain'}>
          {String(outcome.text ?? outcome.code ?? '')}
        </p>
      ) : (
        <Value value={read} depth={1} />
      )}
      {outcome.cut === true && <p className="nothing">The rest was cut off.</p>}
    </div>
  )
}

function readJson(text: unknown): unknown {
  if (typeof text !== 'string' || !/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

const isNothing = (value: unknown): boolean =>
  value === null || value === '' || value === false || (Array.isArray(value) && value.length === 0)

/** The doings of the present attempt; an answer that stands below as the run's text is left out. */
function doingsOf(events: UseRun['events'], text: string): Doing[] {
  const found: Doing[] = []
  const calls = new Map<string, Doing>()
  const from = events.findLastIndex(({type}) => type === 'attempt') + 1
  for (const event of events.slice(from) as readonly OwnEvent[]) {
    if (!isOwn(event)) continue
    const data = event.data as Json | string
    const call = isObject(data) && data.call !== undefined ? `${String(data.step)} ${String(data.call)}` : undefined
    const before = call === undefined ? undefined : calls.get(call)
    if (before && isObject(data) && event.type === 'observation') before.outcome = data
    else if (!(isObject(data) && text && data.text === text)) {
      const doing: Doing = {event, data}
      found.push(doing)
      if (call !== undefined) calls.set(call, doing)
    }
  }
  return found
}
