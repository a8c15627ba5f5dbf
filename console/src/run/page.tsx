// The page of one run: what it gives, as it comes, and beside it what one may want to know or do.
import type {UseRun} from '@headway/client/react'
import {type ReactNode, useEffect, useState} from 'react'
import type {Problem} from '../api'
import {useCatalogue, useTitle} from '../catalogue'
import {LIVE, Notice, StatusBadge, useDocumentTitle} from '../controls'
import {number} from '../format'
import {Icon} from '../icons'
import {refreshLatest} from '../latest'
import {link} from '../router'
import {Announcer} from './announcer'
import {useWatched} from './arrivals'
import {Inspector} from './inspector'
import {Line} from './line'
import {Output} from './output'
import {ProgressCard} from './progress'
import {QuestionCard} from './question'
import {Side} from './side'

export function RunPage({id, view}: {id: string; view: 'output' | 'events'}) {
  const run = useWatched(id)
  const title = useTitle()(run.operation ?? '')
  useDocumentTitle(headline(run, title))
  useEffect(refreshLatest, [run.status])
  if (run.error?.name === 'Problem') return <Refused problem={run.error as Problem} />
  return (
    <>
      <Announcer run={run} />
      <header className="page-head run-head">
        <div>
          <p className="overline">
            <a href={link({page: 'runs'})}>Runs</a>
            <code className="run-id">{id}</code>
          </p>
          <h1>{title || 'A run'}</h1>
        </div>
        <div className="run-acts">
          <StatusBadge status={run.status} />
          <Acts run={run} />
        </div>
      </header>
      <div className="run">
        <div className="run-main">
          <Line run={run} />
          {run.question && LIVE.has(run.status as never) && (
            <QuestionCard question={run.question} answer={run.answer} />
          )}
          <ProgressCard run={run} />
          <Views id={id} view={view} events={run.events.length}>
            {view === 'events' ? <Inspector run={run} /> : <Output run={run} />}
          </Views>
        </div>
        <Side id={id} run={run} />
      </div>
    </>
  )
}

function headline(run: UseRun, title: string): string {
  const percent = run.percent !== undefined && LIVE.has(run.status as never) ? `${Math.floor(run.percent)} % ` : ''
  return `${percent}${title || 'Run'}`
}

/** What can be done: end a live run, or begin another like a finished one. */
function Acts({run}: {run: UseRun}) {
  const {operations} = useCatalogue()
  const [wrong, setWrong] = useState('')
  const cancel = (): void => {
    setWrong('')
    run.cancel().catch((error: Error) => setWrong(error.message))
  }
  if (LIVE.has(run.status as never))
    return (
      <>
        {wrong && (
          <span className="field-error" role="alert">
            Not cancelled: {wrong}
          </span>
        )}
        <button type="button" className="button button-danger" disabled={run.status === 'cancelling'} onClick={cancel}>
          <Icon name="stop" /> Cancel
        </button>
      </>
    )
  if (!run.operation || !operations.some(({name}) => name === run.operation)) return null
  return (
    <a className="button button-quiet" href={link({page: 'operation', name: run.operation})}>
      <Icon name="repeat" /> Another
    </a>
  )
}

/** The two ways to look at a run are pages of their own, with addresses of their own. */
function Views({
  id,
  view,
  events,
  children,
}: {
  id: string
  view: 'output' | 'events'
  events: number
  children: ReactNode
}) {
  return (
    <>
      <nav className="views" aria-label="Views of the run">
        <a href={link({page: 'run', id, view: 'output'})} aria-current={view === 'output' ? 'page' : undefined}>
          Output
        </a>
        <a href={link({page: 'run', id, view: 'events'})} aria-current={view === 'events' ? 'page' : undefined}>
          Events <span className="count">{number(events)}</span>
        </a>
      </nav>
      {children}
    </>
  )
}

function Refused({problem}: {problem: Problem}) {
  useDocumentTitle('No such run')
  if (problem.status !== 404)
    return (
      <Notice kind="bad" title="This run cannot be shown">
        {problem.message}
      </Notice>
    )
  return (
    <header className="page-head">
      <p className="overline">
        <a href={link({page: 'runs'})}>Runs</a>
      </p>
      <h1>This run is not kept any more</h1>
      <p className="lead">Its retention is over, it was another owner’s, or the address is mistyped.</p>
    </header>
  )
}
