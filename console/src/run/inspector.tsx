// All events of a run, with their gaps and delays. Only the visible rows are in the DOM, so that ten thousand events
// scroll like ten.
import type {UseRun} from '@headway/client/react'
import {memo, type UIEvent, useCallback, useId, useLayoutEffect, useMemo, useRef, useState} from 'react'
import {Copy, Download} from '../controls'
import {gap, number, visible} from '../format'
import {useThrottled} from '../throttle'
import {Json} from '../values/json'
import {useFold} from './fold'
import {foldRows, kindOf, type Row} from './rows'
import {Timeline} from './timeline'

const ROW_HEIGHT = 34
/** Rows above and below the visible ones. */
const OVERSCAN = 10
const HEIGHT = 480

/** Milliseconds between two looks at the events of a live run: its events come faster than anybody reads. */
const INTERVAL = 250

export function Inspector({run}: {run: UseRun}) {
  const events = useThrottled(run.events, INTERVAL)
  return <Events events={events} name={`${run.id ?? 'run'}.ndjson`} />
}

const Events = memo(function Events({events, name}: {events: UseRun['events']; name: string}) {
  const [type, setType] = useState('')
  const [open, setOpen] = useState<number>()
  const rows = useFold(events, foldRows)
  const shown = useMemo(() => (type ? rows.filter((row) => row.event.type === type) : rows), [rows, type])
  const types = useMemo(() => [...new Set(rows.map((row) => row.event.type))].sort(), [rows])
  const chosen = rows.find((row) => row.event.id === open)
  if (rows.length === 0) return <p className="empty">No events yet.</p>
  return (
    <div className="inspector">
      <Timeline rows={rows} choose={setOpen} />
      <Summary rows={rows} />
      <div className="inspector-tools">
        <label className="inline">
          <span>Show</span>
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
          name={name}
          type="application/x-ndjson"
          label="Download"
          text={() => events.map((event) => JSON.stringify(event)).join('\n')}
        />
      </div>
      <Rows rows={shown} open={open} choose={setOpen} />
      {chosen && <Detail row={chosen} />}
    </div>
  )
})

function Summary({rows}: {rows: readonly Row[]}) {
  const facts = useMemo(() => {
    const delays = Float64Array.from(rows.flatMap((row) => row.delay ?? [])).sort()
    return {
      longest: rows.slice(1).reduce((longest, row) => Math.max(longest, row.gap), 0),
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

/** Scrolls to the newest event, until somebody scrolls away from it. */
function Rows({rows, open, choose}: RowsProps) {
  const box = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const [top, setTop] = useState(0)
  const onScroll = useCallback((event: UIEvent<HTMLDivElement>): void => {
    const {scrollHeight, scrollTop, clientHeight} = event.currentTarget
    following.current = scrollHeight - scrollTop - clientHeight < ROW_HEIGHT
    setTop(scrollTop)
  }, [])
  useLayoutEffect(() => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [rows])
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN)
  const last = Math.min(rows.length, Math.ceil((top + HEIGHT) / ROW_HEIGHT) + OVERSCAN)
  return (
    <div className="rows" ref={box} onScroll={onScroll} role="group" aria-label="Events" tabIndex={0}>
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            <th scope="col" className="numeric">
              No.
            </th>
            <th scope="col">Event</th>
            <th scope="col" className="numeric">
              Time
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
            <EventRow
              key={row.event.id}
              index={first + at + 2}
              row={row}
              open={row.event.id === open}
              choose={choose}
            />
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
      <td colSpan={6} className="spacer" style={{height: rows * ROW_HEIGHT}} />
    </tr>
  )
}

type EventRowProps = {row: Row; index: number; open: boolean; choose: RowsProps['choose']}

const EventRow = memo(function EventRow({row, index, open, choose}: EventRowProps) {
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
          <span className="skipped" title={`${row.skipped} numbers skipped before this event`}>
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
          <abbr title="Written before this page watched the run">replayed</abbr>
        ) : (
          gap(row.delay)
        )}
      </td>
      <td className="row-data">{summaryOf(event.data)}</td>
    </tr>
  )
})

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
      <Json value={row.event.data} />
    </section>
  )
}

function summaryOf(data: unknown): string {
  if (typeof data === 'string') return data.slice(0, 300)
  const {timestamp: _, ...rest} = data as Record<string, unknown>
  return visible(JSON.stringify(rest).slice(0, 300))
}
