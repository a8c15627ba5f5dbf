// A table in a box of its own that scrolls. Only the visible rows are in the DOM, so that ten thousand scroll like ten.
import {type ReactNode, type UIEvent, useCallback, useLayoutEffect, useRef, useState} from 'react'

/** Pixels; those of `.rows td` and `.rows`. */
const ROW_HEIGHT = 34
const HEIGHT = 480
/** Rows above and below the visible ones. */
const OVERSCAN = 10

interface WindowProps<T> {
  label: string
  /** The heading of each column, and whether it holds numbers. */
  columns: readonly (readonly [heading: string, numeric?: 'numeric'])[]
  rows: readonly T[]
  /** The `<tr>` of a row, with its `aria-rowindex`. */
  row: (row: T, index: number) => ReactNode
}

/** Scrolls to the newest row, until somebody scrolls away from it. */
export function Window<T>({label, columns, rows, row}: WindowProps<T>) {
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
    <div className="rows" ref={box} onScroll={onScroll} role="group" aria-label={label} tabIndex={0}>
      <table aria-rowcount={rows.length + 1} className={`columns-${columns.length}`}>
        <thead>
          <tr>
            {columns.map(([heading, numeric]) => (
              <th scope="col" key={heading} className={numeric}>
                {heading}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer rows={first} columns={columns.length} />
          {rows.slice(first, last).map((each, at) => row(each, first + at + 2))}
          <Spacer rows={rows.length - last} columns={columns.length} />
        </tbody>
      </table>
    </div>
  )
}

function Spacer({rows, columns}: {rows: number; columns: number}) {
  if (rows <= 0) return null
  return (
    <tr className="spacer-row">
      <td colSpan={columns} className="spacer" style={{height: rows * ROW_HEIGHT}} />
    </tr>
  )
}

interface RowButtonProps {
  id: number
  open: boolean
  choose: (id: number | undefined) => void
}

/** The number of an event, which opens it below the table. */
export function RowButton({id, open, choose}: RowButtonProps) {
  return (
    <button
      type="button"
      className="row-button"
      aria-expanded={open}
      aria-label={`Event ${id}`}
      onClick={() => choose(open ? undefined : id)}
    >
      {id}
    </button>
  )
}
