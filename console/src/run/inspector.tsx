// All events of a run, with their gaps and delays.
import type {UseRun} from '@headway/client/react'
import {memo, useId, useMemo, useState} from 'react'
import {Copy, Download} from '../controls'
import {dataLine, gap, number} from '../format'
import {useThrottled} from '../throttle'
import {Json} from '../values/json'
import {useFold} from './fold'
import {foldRows, kindOf, type Row} from './rows'
import {Timeline} from './timeline'
import {RowButton, Window} from './window'

const COLUMNS = [
  ['No.', 'numeric'],
  ['Event'],
  ['Time', 'numeric'],
  ['Gap', 'numeric'],
  ['Delay', 'numeric'],
  ['Data'],
] as const

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
      <Window
        label="Events"
        columns={COLUMNS}
        rows={shown}
        row={(row, index) => (
          <EventRow key={row.event.id} index={index} row={row} open={row.event.id === open} choose={setOpen} />
        )}
      />
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

type EventRowProps = {row: Row; index: number; open: boolean; choose: (id: number | undefined) => void}

const EventRow = memo(function EventRow({row, index, open, choose}: EventRowProps) {
  const {event} = row
  return (
    <tr className={open ? 'row-open' : undefined} aria-rowindex={index}>
      <td className="numeric">
        <RowButton id={event.id} open={open} choose={choose} />
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
      <td className="row-data">{dataLine(event.data)}</td>
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
