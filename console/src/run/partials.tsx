// The pieces of a result as they come. Pages of a document make a book to leaf through, batches of rows make one table,
// anything else is a card.
import {useMemo} from 'react'
import {label, number} from '../format'
import {batchesOf, isChart, isPage} from '../values/shapes'
import {Table} from '../values/table'
import {ChartBox, Value} from '../values/value'
import {Book} from './book'

const MOST = 60

export function Partials({partials, live}: {partials: Readonly<Record<string, unknown>>; live: boolean}) {
  const {pages, table, charts, others} = useMemo(() => sorted(partials), [partials])
  return (
    <>
      {pages.length > 0 && <Book pages={pages} live={live} />}
      {charts.map(([key, spec]) => (
        <div className="card" key={key}>
          <ChartBox spec={spec} />
        </div>
      ))}
      {table && (
        <div className="card piece">
          <Table grid={table} label="Rows" growing={live} />
        </div>
      )}
      {others.length > MOST && (
        <p className="nothing">
          The newest {MOST} of {number(others.length)} pieces.
        </p>
      )}
      {others.slice(-MOST).map(([key, value]) => (
        <section className="card piece" key={key} aria-label={label(key)}>
          <h3 className="piece-key">{label(key)}</h3>
          <Value value={value} name={key} depth={1} />
        </section>
      ))}
    </>
  )
}

function sorted(partials: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(partials)
  const pages = entries.map(([, value]) => value).filter(isPage)
  const table = batchesOf(partials)
  const charts = entries.flatMap(([key, value]) => (isChart(value) ? [[key, value] as const] : []))
  const others = entries.filter(([key, value]) => !isPage(value) && !isChart(value) && !table?.keys.has(key))
  return {pages, table: table?.grid, charts, others}
}
