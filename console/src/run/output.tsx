// The output of a run, as it arrives: thinking, custom events, text, partials, and the result.
import type {UseRun} from '@headway/client/react'
import {useEffect, useId, useMemo, useRef, useState} from 'react'
import {Copy, Download, LIVE} from '../controls'
import {number} from '../format'
import {Icon} from '../icons'
import {useThrottled} from '../throttle'
import {Markdown} from '../values/markdown'
import {gridOf, isChart, isObject, isPage} from '../values/shapes'
import {Value} from '../values/value'
import {Activity, isCustom} from './activity'
import {Files} from './files'
import {Partials} from './partials'
import {FieldsOf, FilesOf, fieldPlaces} from './picture'

/** Milliseconds between two looks at the partials: there may be thousands of them a second. */
const INTERVAL = 200

export function Output({run}: {run: UseRun}) {
  const {thinking, text, result, status} = run
  const partials = useThrottled(run.partials, INTERVAL)
  const events = useThrottled(run.events, INTERVAL)
  const pictures = useMemo(
    () => new Set(Object.values(partials).map((value) => isObject(value) && value.thumbnail)),
    [partials],
  )
  const fields = useMemo(() => fieldPlaces(result), [result])
  const live = LIVE.has(status as never)
  const hasPartials = useMemo(() => Object.keys(partials).length > 0, [partials])
  const empty = !thinking && !text && !hasPartials && result === undefined && !run.events.some(isShown)
  return (
    <div className="output">
      {empty && live && <p className="empty">Output appears here as it arrives.</p>}
      {empty && !live && status !== 'idle' && <p className="empty">The run ended without output.</p>}
      {thinking && <Thinking text={thinking} live={live && !text} />}
      <Activity run={run} live={live} />
      {text && (
        <section className={`card output-text ${live ? 'growing' : ''}`} aria-label="Text">
          <Markdown text={text} />
        </section>
      )}
      <FilesOf value={run.id}>
        <FieldsOf value={fields}>{hasPartials && <Partials partials={partials} live={live} />}</FieldsOf>
        <Files events={events} shown={pictures} />
      </FilesOf>
      {result !== undefined && <Support result={result} />}
      {result !== undefined && <Demonstration result={result} />}
      {result !== undefined && <Result run={run} />}
    </div>
  )
}

/** Whether an event is shown by itself: a custom one, or a file. */
const isShown = (event: UseRun['events'][number]): boolean => isCustom(event) || event.type === 'file'

/** Open until the text begins, unless somebody opens or closes it. */
function Thinking({text, live}: {text: string; live: boolean}) {
  const [chosen, setChosen] = useState<boolean>()
  const open = chosen ?? live
  const id = useId()
  const words = text.trim().split(/\s+/).length
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (live && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [text, live])
  return (
    <section className={`thinking ${live ? 'thinking-live' : ''}`} aria-label="Thinking">
      <button
        type="button"
        className="thinking-head"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setChosen(!open)}
      >
        <Icon name="thought" />
        <span>{live ? 'Thinking …' : 'Thoughts'}</span>
        <span className="thinking-words">{words === 1 ? '1 word' : `${number(words)} words`}</span>
        <Icon name="chevron" />
      </button>
      <div id={id} hidden={!open} className="thinking-text" ref={box} tabIndex={0} role="group" aria-label="Thoughts">
        <Markdown text={text} />
      </div>
    </section>
  )
}

/** Beside an answer of the model that comes with Headway: what it is, and the one line that connects a better one. */
function Demonstration({result}: {result: unknown}) {
  const model = isObject(result) && isObject(result.model) ? result.model : {}
  if (model.demonstration !== true) return null
  return (
    <p className="demonstration" role="note">
      {String(model.name)} is a model for demonstration: do not trust its answers. A better one:{' '}
      <code>export HEADWAY_LLM_BASE_URL=http://127.0.0.1:11434/v1</code> (here Ollama)
    </p>
  )
}

/** A note under an answer that the observations of its run do not support, or that is no more than what was found. */
function Support({result}: {result: unknown}) {
  const {support, ended} = isObject(result) ? result : {}
  if (support !== 'unsupported' && ended !== 'gave_up') return null
  return (
    <p className="support" role="note">
      {ended === 'gave_up' && 'The run gave up before it reached its goal. '}
      {support === 'unsupported' && 'The observations do not support this answer: check it.'}
    </p>
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
        <div className="result-actions">
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

/** The result without the members that are shown above it: the text, the thinking, the partials. */
function withoutRepeats({result, partials, text, thinking, events}: UseRun): unknown {
  if (!isObject(result)) return result === text ? '' : result
  const values = Object.values(partials)
  const hasTable = values.some((value) => Array.isArray(value) || gridOf(value))
  const texts = new Set([text.trim(), thinking.trim()].filter(Boolean))
  const repeated = (name: string, value: unknown): boolean =>
    (typeof value === 'string' && texts.has(value.trim())) ||
    (Array.isArray(value) && value.length > 0 && value.every(isPage) && values.some(isPage)) ||
    (name in partials && JSON.stringify(value) === JSON.stringify(partials[name])) ||
    (name === 'rows' && Array.isArray(value) && hasTable) ||
    (isChart(value) && values.some(isChart)) || // not compared: the result's chart may have more rows
    (name === 'steps' && Array.isArray(value) && events.some(isCustom))
  const members = Object.entries(result).filter(([name, value]) => !repeated(name, value))
  return members.length ? Object.fromEntries(members) : result
}
