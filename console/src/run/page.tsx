// The page of one run: its question, progress and output, and its details beside them.
import type {UseRun} from '@headway/client/react'
import {memo, type ReactNode, useEffect, useRef, useState} from 'react'
import type {Problem} from '../api'
import {useCatalogue, useTitle} from '../catalogue'
import {LIVE, Notice, StatusBadge, useDocumentTitle} from '../controls'
import {useFocusAfter} from '../focus'
import {label, number} from '../format'
import {Icon} from '../icons'
import {refreshLatestRuns} from '../latest-runs'
import {link} from '../router'
import {useThrottled} from '../throttle'
import {may} from '../tokens'
import {Announcer} from './announcer'
import {useRunById} from './arrivals'
import {ConnectionNotice} from './connection'
import {RunDetails} from './details'
import {Inspector} from './inspector'
import {Output} from './output'
import {ProgressCard} from './progress'
import {QuestionCard} from './question'

/** Milliseconds between two looks at a run: a page of many parts takes longer to render than a frame lasts. */
const INTERVAL = 50

interface PageProps {
  id: string
  view: 'output' | 'events'
}

export function RunPage({id, view}: PageProps) {
  return <Page id={id} view={view} run={useThrottled(useRunById(id), INTERVAL)} />
}

const Page = memo(function Page({id, view, run}: PageProps & {run: UseRun}) {
  const title = useTitle()(run.operation ?? '')
  useDocumentTitle(documentTitle(run, title))
  useEffect(refreshLatestRuns, [run.status])
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
          <h1>{title || 'Run'}</h1>
        </div>
        <div className="run-actions">
          <StatusBadge status={run.status} />
          <Actions id={id} run={run} />
        </div>
      </header>
      <div className="run">
        <div className="run-main">
          <ConnectionNotice run={run} />
          {run.question && LIVE.has(run.status as never) && may(id, 'answer') && (
            <QuestionCard key={run.question.question} question={run.question} answer={run.answer} />
          )}
          <ProgressCard run={run} />
          <Views id={id} view={view} events={run.events.length}>
            {view === 'events' ? <Inspector run={run} /> : <Output run={run} />}
          </Views>
        </div>
        <RunDetails id={id} run={run} />
      </div>
    </>
  )
})

function documentTitle(run: UseRun, title: string): string {
  const name = title || 'Run'
  if (run.percent === undefined || !LIVE.has(run.status as never)) return name
  const step = run.progress?.step
  return `${step === undefined ? '' : `${label(String(step))} `}${Math.floor(run.percent)} % ${name}`
}

/** Cancel for a live run, and a link to the operation for a finished one. */
function Actions({id, run}: {id: string; run: UseRun}) {
  const {operations} = useCatalogue()
  if (LIVE.has(run.status as never)) return may(id, 'cancel') ? <CancelButton run={run} /> : null
  if (!run.operation || !operations.some(({name}) => name === run.operation)) return null
  return (
    <a className="button button-quiet" id="run-again" href={link({page: 'operation', name: run.operation, from: id})}>
      <Icon name="repeat" /> Run again
    </a>
  )
}

function CancelButton({run}: {run: UseRun}) {
  const [error, setError] = useState('')
  const button = useRef<HTMLButtonElement>(null)
  useFocusAfter(button, '#run-again, #progress')
  const cancel = (): void => {
    if (run.status === 'cancelling') return
    setError('')
    run.cancel().catch((error: Error) => setError(error.message))
  }
  return (
    <>
      {error && (
        <span className="field-error" role="alert">
          Not cancelled: {error}
        </span>
      )}
      <button
        ref={button}
        type="button"
        className="button button-danger"
        aria-disabled={run.status === 'cancelling'}
        onClick={cancel}
      >
        <Icon name="stop" /> Cancel
      </button>
    </>
  )
}

/** The two views of a run are two pages, each with its own address. */
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
  useDocumentTitle('Run not found')
  if (problem.status !== 404)
    return (
      <Notice kind="error" title="This run cannot be shown">
        {problem.message}
      </Notice>
    )
  return (
    <header className="page-head">
      <p className="overline">
        <a href={link({page: 'runs'})}>Runs</a>
      </p>
      <h1>Run not found</h1>
      <p className="lead">Its retention has ended, it belongs to another owner, or the address is wrong.</p>
    </header>
  )
}
