// The events along the time of the run: where they stand close, it spoke; where there is a hole, it was silent.
import {duration} from '../format'
import {kindOf, type Row} from './inspector'

const WIDTH = 1000
const HEIGHT = 44
const MOST = 1500

export function Rhythm({rows, choose}: {rows: readonly Row[]; choose: (id: number) => void}) {
  const end = Math.max(1, rows.at(-1)?.at ?? 1)
  // Where there are more events than the picture has room for, each nth of them stands for its neighbours.
  const every = Math.max(1, Math.ceil(rows.length / MOST))
  const ticks = rows.filter((row, at) => at % every === 0 || kindOf(row.event.type) !== 'progress').slice(0, MOST * 2)
  const pick = (event: React.MouseEvent<SVGSVGElement>): void => {
    const {left, width} = event.currentTarget.getBoundingClientRect()
    const at = ((event.clientX - left) / width) * end
    const nearest = rows.reduce<Row | undefined>(
      (best, row) => (best && Math.abs(best.at - at) <= Math.abs(row.at - at) ? best : row),
      undefined,
    )
    if (nearest) choose(nearest.event.id)
  }
  return (
    <figure className="rhythm">
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a short cut for the mouse; the rows below are for every hand */}
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${rows.length} events over ${duration(end / 1000)}`}
        onClick={pick}
      >
        {ticks.map((row) => {
          const x = 2 + (row.at / end) * (WIDTH - 4)
          const tall = kindOf(row.event.type) === 'progress' || kindOf(row.event.type) === 'delta' ? 14 : 4
          return (
            <line
              key={row.event.id}
              className={`tick tick-${kindOf(row.event.type)}`}
              x1={x}
              x2={x}
              y1={tall}
              y2={HEIGHT - tall}
            />
          )
        })}
      </svg>
      <figcaption>
        <span>0</span>
        <span>{duration(end / 1000)}</span>
      </figcaption>
    </figure>
  )
}
