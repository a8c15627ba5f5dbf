// A table of any size. It shows its first rows, and more on request: a hundred thousand would make the page slow.
import {memo, useRef, useState} from 'react'
import {number} from '../format'
import type {Grid} from './shapes'

const STEP = 50

export const Table = memo(function Table({
  grid,
  label,
  growing = false,
}: {
  grid: Grid
  label: string
  growing?: boolean
}) {
  const [shown, setShown] = useState(STEP)
  const {columns, rows} = grid
  const hasHead = columns.some((column) => column.name)
  const remaining = rows.length - shown
  const box = useRef<HTMLDivElement>(null)
  const showMore = (): void => {
    if (remaining <= STEP * 4) box.current?.focus() // the button goes away
    setShown(shown + STEP * 4)
  }
  return (
    <div className="table-group">
      <div className="table-box" ref={box} role="group" aria-label={label} tabIndex={0}>
        <table className="table">
          {hasHead && (
            <thead>
              <tr>
                {columns.map((column, at) => (
                  <th key={at} scope="col" className={column.numeric ? 'numeric' : undefined}>
                    {column.name}
                    {column.type && <span className="table-type">{column.type.toLowerCase()}</span>}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {rows.slice(0, shown).map((row, at) => (
              <tr key={at}>
                {columns.map((column, place) => (
                  <Cell key={place} value={row[place]} numeric={column.numeric} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(remaining > 0 || growing) && (
        <p className="table-foot">
          {number(rows.length)} rows{growing && ' so far'}
          {remaining > 0 && (
            <button type="button" className="button button-quiet button-small" onClick={showMore}>
              Show {number(Math.min(remaining, STEP * 4))} more
            </button>
          )}
        </p>
      )}
    </div>
  )
})

function Cell({value, numeric}: {value: unknown; numeric: boolean}) {
  if (value === null || value === undefined)
    return (
      <td className="muted">
        <span className="visually-hidden">none</span>
      </td>
    )
  return <td className={numeric ? 'numeric' : undefined}>{cellText(value)}</td>
}

function cellText(value: unknown): string {
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 10_000 ? String(value) : number(value)
  if (Array.isArray(value))
    return value.map((each) => (typeof each === 'object' ? JSON.stringify(each) : String(each))).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
