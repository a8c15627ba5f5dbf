// The partials of a run as they arrive. Pages of a document are shown one at a time, batches of rows as one table, and
// anything else on a card.
import {useMemo} from 'react'
import {label, number} from '../format'
import {batchesOf, isChart, isPage} from '../values/shapes'
import {Table} from '../values/table'
import {ChartBox, Value} from '../values/value'
import {DocumentPages} from './document'

const MAX_PARTIALS = 60

export function Partials({partials, live}: {partials: Readonly<Record<string, unknown>>; live: boolean}) {
  const {pages, table, charts, others} = useMemo(() => byShape(partials), [partials])
  return (
    <>
      {pages.length > 0 && <DocumentPages pages={pages} live={live} />}
      {charts.map(([key, spec]) => (
        <div className="card" key={key}>
          <ChartBox spec={spec} />
        </div>
      ))}
      {table && (
        <div className="card partial">
          <Table grid={table} label="Rows" growing={live} />
        </div>
      )}
      {others.length > MAX_PARTIALS && (
        <p className="muted">
          The newest {MAX_PARTIALS} of {number(others.length)} partials.
        </p>
      )}
      {others.slice(-MAX_PARTIALS).map(([key, value]) => (
        <section className="card partial" key={key} aria-label={label(key)}>
          <h3 className="partial-key">{label(key)}</h3>
          <Value value={value} name={key} depth={1} />
        </section>
      ))}
    </>
  )
}

function byShape(partials: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(partials)
  const pages = entries.map(([, value]) => value).filter(isPage)
  const table = batchesOf(partials)
  const charts = entries.flatMap(([key, value]) => (isChart(value) ? [[key, value] as const] : []))
  const others = entries.filter(([key, value]) => !isPage(value) && !isChart(value) && !table?.keys.has(key))
  return {pages, table: table?.grid, charts, others}
}
