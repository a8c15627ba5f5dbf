// The events of a run on a line of time, on which a silence is a gap.
import {duration} from '../format'
import {kindOf, type Row} from './rows'

const WIDTH = 1000
const HEIGHT = 44
const MAX_TICKS = 1500

export function Timeline({rows, choose}: {rows: readonly Row[]; choose: (id: number) => void}) {
  const end = Math.max(1, rows.at(-1)?.at ?? 1)
  // Of more events than fit, only each nth progress event has a tick.
  const every = Math.max(1, Math.ceil(rows.length / MAX_TICKS))
  const ticks = rows
    .filter((row, at) => at % every === 0 || kindOf(row.event.type) !== 'progress')
    .slice(0, MAX_TICKS * 2)
  const chooseNearest = (event: React.MouseEvent<SVGSVGElement>): void => {
    const {left, width} = event.currentTarget.getBoundingClientRect()
    const at = ((event.clientX - left) / width) * end
    const nearest = rows.reduce<Row | undefined>(
      (best, row) => (best && Math.abs(best.at - at) <= Math.abs(row.at - at) ? best : row),
      undefined,
    )
    if (nearest) choose(nearest.event.id)
  }
  return (
    <figure className="timeline">
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a shortcut for the mouse; the rows below work with the keyboard */}
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${rows.length} events over ${duration(end / 1000)}`}
        onClick={chooseNearest}
      >
        {ticks.map((row) => {
          const x = 2 + (row.at / end) * (WIDTH - 4)
          const margin = ['progress', 'delta'].includes(row.event.type) ? 14 : 4
          return (
            <line
              key={row.event.id}
              className={`tick tick-${kindOf(row.event.type)}`}
              x1={x}
              x2={x}
              y1={margin}
              y2={HEIGHT - margin}
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
