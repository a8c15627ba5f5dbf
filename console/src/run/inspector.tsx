// The events as they came: their numbers, the gap to the one before by the server's clock, and the delay until they
// were here. Only the rows in sight are in the page, so ten thousand events scroll as ten do.
import type {RunEvent} from '@headway/client'
import type {UseRun} from '@headway/client/react'
import {useCallback, useId, useLayoutEffect, useMemo, useRef, useState} from 'react'
import {Copy, Download} from '../controls'
import {gap, number} from '../format'
import {Raw} from '../values/value'
import {delayOf, writtenAt} from './arrivals'
import {Rhythm} from './rhythm'

const ROW = 34
const AROUND = 10
const HEIGHT = 480

export interface Row {
  event: RunEvent
  /** Milliseconds since `start`, and since the event before, by the timestamps. */
  at: number
  gap: number
  /** Milliseconds from the timestamp to its arrival here; undefined where it was written before the page looked. */
  delay: number | undefined
  /** Numbers that are missing before it: progress that was merged, or events that are gone. */
  skipped: number
}

export function Inspector({run}: {run: UseRun}) {
  const [type, setType] = useState('')
  const [open, setOpen] = useState<number>()
  const rows = useMemo(() => rowsOf(run.events), [run.events])
  const shown = useMemo(() => (type ? rows.filter((row) => row.event.type === type) : rows), [rows, type])
  const types = useMemo(() => [...new Set(rows.map((row) => row.event.type))].sort(), [rows])
  const chosen = rows.find((row) => row.event.id === open)
  if (rows.length === 0) return <p className="empty">No event yet.</p>
  return (
    <div className="inspector">
      <Rhythm rows={rows} choose={setOpen} />
      <Summary rows={rows} />
      <div className="inspector-tools">
        <label className="inline">
          <span>Only</span>
          <select
            className="input input-select input-small"
            value={type}
            onChange={(event) => setType(event.target.value)}
          >
            <option value="">all events</option>
            {types.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <Download
          name={`${run.id ?? 'run'}.ndjson`}
          type="application/x-ndjson"
          label="Download"
          text={() => run.events.map((event) => JSON.stringify(event)).join('\n')}
        />
      </div>
      <Rows rows={shown} open={open} choose={setOpen} />
      {chosen && <Detail row={chosen} />}
    </div>
  )
}

function Summary({rows}: {rows: readonly Row[]}) {
  const facts = useMemo(() => {
    const gaps = rows.slice(1).map((row) => row.gap)
    const delays = rows.flatMap((row) => (row.delay === undefined ? [] : [row.delay])).sort((a, b) => a - b)
    return {
      longest: Math.max(0, ...gaps.slice(-50_000)),
      median: delays[delays.length >> 1],
      skipped: rows.reduce((sum, row) => sum + row.skipped, 0),
    }
  }, [rows])
  return (
    <dl className="tiles">
      <div>
        <dt>Events</dt>
        <dd>{number(rows.length)}</dd>
      </div>
      <div>
        <dt>Longest gap</dt>
        <dd>{gap(facts.longest)}</dd>
      </div>
      <div>
        <dt>Median delay</dt>
        <dd>{facts.median === undefined ? '–' : gap(facts.median)}</dd>
      </div>
      <div>
        <dt>Skipped</dt>
        <dd>{number(facts.skipped)}</dd>
      </div>
    </dl>
  )
}

interface RowsProps {
  rows: readonly Row[]
  open: number | undefined
  choose: (id: number | undefined) => void
}

/** Stays at the newest event for as long as nobody scrolls away from it. */
function Rows({rows, open, choose}: RowsProps) {
  const box = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const [top, setTop] = useState(0)
  const scrolled = useCallback((): void => {
    const at = box.current
    if (!at) return
    following.current = at.scrollHeight - at.scrollTop - at.clientHeight < ROW
    setTop(at.scrollTop)
  }, [])
  useLayoutEffect(() => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [rows])
  const first = Math.max(0, Math.floor(top / ROW) - AROUND)
  const last = Math.min(rows.length, Math.ceil((top + HEIGHT) / ROW) + AROUND)
  return (
    <div className="rows" ref={box} onScroll={scrolled} role="group" aria-label="Events" tabIndex={0}>
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            <th scope="col" className="numeric">
              No.
            </th>
            <th scope="col">Event</th>
            <th scope="col" className="numeric">
              At
            </th>
            <th scope="col" className="numeric">
              Gap
            </th>
            <th scope="col" className="numeric">
              Delay
            </th>
            <th scope="col">Data</th>
          </tr>
        </thead>
        <tbody>
          <Spacer rows={first} />
          {rows.slice(first, last).map((row, at) => (
            <Line key={row.event.id} index={first + at + 2} row={row} open={row.event.id === open} choose={choose} />
          ))}
          <Spacer rows={rows.length - last} />
        </tbody>
      </table>
    </div>
  )
}

function Spacer({rows}: {rows: number}) {
  if (rows <= 0) return null
  return (
    <tr className="spacer-row">
      <td colSpan={6} className="spacer" style={{height: rows * ROW}} />
    </tr>
  )
}

function Line({row, index, open, choose}: {row: Row; index: number; open: boolean; choose: RowsProps['choose']}) {
  const {event} = row
  return (
    <tr className={open ? 'row-open' : undefined} aria-rowindex={index}>
      <td className="numeric">
        <button
          type="button"
          className="row-button"
          aria-expanded={open}
          aria-label={`Event ${event.id}`}
          onClick={() => choose(open ? undefined : event.id)}
        >
          {event.id}
        </button>
        {row.skipped > 0 && (
          <span className="skipped" title={`${row.skipped} numbers skipped before it`}>
            +{row.skipped}
          </span>
        )}
      </td>
      <td>
        <span className={`kind kind-${kindOf(event.type)}`}>{event.type}</span>
      </td>
      <td className="numeric">{(row.at / 1000).toFixed(2)} s</td>
      <td className={`numeric ${row.gap >= 2000 ? 'gap-long' : ''}`}>{gap(row.gap)}</td>
      <td className="numeric">
        {row.delay === undefined ? (
          <abbr title="It was written before this page looked">replayed</abbr>
        ) : (
          gap(row.delay)
        )}
      </td>
      <td className="row-data">{brief(event.data)}</td>
    </tr>
  )
}

function Detail({row}: {row: Row}) {
  const id = useId()
  return (
    <section className="card detail" aria-labelledby={id}>
      <header className="result-head">
        <h3 id={id}>
          Event {row.event.id}: {row.event.type}
        </h3>
        <Copy text={() => JSON.stringify(row.event.data)} label="Copy" />
      </header>
      <Raw value={row.event.data} />
    </section>
  )
}

/** Colours are by the part that an event plays in the grammar. */
export function kindOf(type: string): string {
  if (['start', 'done', 'result', 'attempt', 'reset'].includes(type)) return 'life'
  if (type === 'error') return 'error'
  if (['progress', 'delta', 'partial'].includes(type)) return type
  return type === 'question' || type === 'answer' ? 'question' : 'own'
}

function rowsOf(events: readonly RunEvent[]): Row[] {
  const begin = events[0] ? writtenAt(events[0]) || 0 : 0
  let time = begin
  return events.map((event, index) => {
    const before = events[index - 1]
    const earlier = time
    time = writtenAt(event) || time // an event of foreign text carries no time
    return {
      event,
      at: time - begin,
      gap: Math.max(0, time - earlier),
      delay: delayOf(event),
      skipped: before ? event.id - before.id - 1 : event.id - 1,
    }
  })
}

function brief(data: unknown): string {
  if (typeof data === 'string') return data.slice(0, 300)
  const {timestamp: _, ...rest} = data as Record<string, unknown>
  return JSON.stringify(rest).slice(0, 300)
}
