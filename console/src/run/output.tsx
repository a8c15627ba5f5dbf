// What a run gives, as it comes: its doings, its thinking, its text, its pieces, and the result.
import type {UseRun} from '@headway/client/react'
import {useEffect, useId, useMemo, useRef, useState} from 'react'
import {Copy, Download, LIVE} from '../controls'
import {number} from '../format'
import {Icon} from '../icons'
import {Markdown} from '../values/markdown'
import {gridOf, isChart, isObject, isPage} from '../values/shapes'
import {Value} from '../values/value'
import {Activity, isOwn} from './activity'
import {Partials} from './partials'

export function Output({run}: {run: UseRun}) {
  const {thinking, text, partials, result, status} = run
  const live = LIVE.has(status as never)
  const hasPieces = Object.keys(partials).length > 0
  const quiet = !thinking && !text && !hasPieces && result === undefined && !run.events.some(isOwn)
  return (
    <div className="output">
      {quiet && live && <p className="empty">What the run gives appears here as it comes.</p>}
      {quiet && !live && status !== 'idle' && <p className="empty">It ended without giving anything.</p>}
      {thinking && <Thinking text={thinking} going={live && !text} />}
      <Activity run={run} live={live} />
      {text && (
        <section className={`card output-text ${live ? 'growing' : ''}`} aria-label="Text">
          <Markdown text={text} />
        </section>
      )}
      {hasPieces && <Partials partials={partials} live={live} />}
      {result !== undefined && <Result run={run} />}
    </div>
  )
}

/** Open while it thinks, and closed once it speaks, unless somebody has said otherwise. */
function Thinking({text, going}: {text: string; going: boolean}) {
  const [chosen, setChosen] = useState<boolean>()
  const open = chosen ?? going
  const id = useId()
  const words = text.trim().split(/\s+/).length
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (going && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [text, going])
  return (
    <section className={`thinking ${going ? 'thinking-going' : ''}`} aria-label="Thinking">
      <button
        type="button"
        className="thinking-head"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setChosen(!open)}
      >
        <Icon name="thought" />
        <span>{going ? 'Thinking …' : 'Thought'}</span>
        <span className="thinking-words">{words === 1 ? '1 word' : `${number(words)} words`}</span>
        <Icon name="chevron" />
      </button>
      <div
        id={id}
        hidden={!open}
        className="thinking-text"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label="What it thought"
      >
        <Markdown text={text} />
      </div>
    </section>
  )
}

function Result({run}: {run: UseRun}) {
  const id = useId()
  const shown = useMemo(() => withoutRepeats(run), [run])
  const json = (): string => JSON.stringify(run.result, null, 2)
  return (
    <section className="card result" aria-labelledby={id}>
      <header className="result-head">
        <h2 id={id}>Result</h2>
        <div className="result-acts">
          <Copy text={json} label="Copy as JSON" />
          <Download
            name={`${run.operation ?? 'run'}-${run.id ?? ''}.json`}
            type="application/json"
            text={json}
            label="Download"
          />
        </div>
      </header>
      <Value value={shown} name="result" />
    </section>
  )
}

/** The result without the members that stand above it already: its text, its thinking, the pieces that came one by one. */
function withoutRepeats({result, partials, text, thinking, events}: UseRun): unknown {
  if (!isObject(result)) return result === text ? '' : result
  const pieces = Object.values(partials)
  const grids = pieces.some((piece) => Array.isArray(piece) || gridOf(piece))
  const told = new Set([text.trim(), thinking.trim()].filter(Boolean))
  const repeated = (name: string, value: unknown): boolean =>
    (typeof value === 'string' && told.has(value.trim())) ||
    (Array.isArray(value) && value.length > 0 && value.every(isPage) && pieces.some(isPage)) ||
    (name in partials && JSON.stringify(value) === JSON.stringify(partials[name])) ||
    (name === 'rows' && Array.isArray(value) && grids) ||
    isPicturedAlready(value, pieces) ||
    (name === 'steps' && Array.isArray(value) && events.some(isOwn))
  const kept = Object.entries(result).filter(([name, value]) => !repeated(name, value))
  return kept.length ? Object.fromEntries(kept) : result
}

/** A chart that was a piece already; the result's may have the rows in it, where the piece had fewer of them. */
const isPicturedAlready = (value: unknown, pieces: readonly unknown[]): boolean =>
  isChart(value) && pieces.some(isChart)
