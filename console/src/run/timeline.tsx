// The events of a run on a line of time, on which a silence is a gap.
import {memo} from 'react'
import {duration} from '../format'
import {kindOf, type Row} from './rows'

const WIDTH = 1000
const HEIGHT = 44

export const Timeline = memo(function Timeline({rows, choose}: {rows: readonly Row[]; choose: (id: number) => void}) {
  const end = Math.max(1, rows.at(-1)?.at ?? 1)
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
        {[...ticksOf(rows, end)].map(([kind, path]) => (
          <path key={kind} className={`tick tick-${kind}`} d={path} />
        ))}
      </svg>
      <figcaption>
        <span>0</span>
        <span>{duration(end / 1000)}</span>
      </figcaption>
    </figure>
  )
})

/** The ticks of each kind as one path, with one tick at most for each unit of the width: there are many thousand events. */
function ticksOf(rows: readonly Row[], end: number): Map<string, string> {
  const places = new Map<string, Set<number>>()
  for (const row of rows) {
    const kind = kindOf(row.event.type)
    const at = places.get(kind) ?? new Set()
    places.set(kind, at.add(Math.round(2 + (row.at / end) * (WIDTH - 4))))
  }
  const paths = [...places].map(([kind, at]): [string, string] => {
    const margin = ['progress', 'delta'].includes(kind) ? 14 : 4
    return [kind, [...at].map((x) => `M${x} ${margin}V${HEIGHT - margin}`).join('')]
  })
  return new Map(paths)
}
