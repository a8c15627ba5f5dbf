// The smallest page that starts a run, shows its progress, cancels it, and watches it again after a reload.

import {useRun} from '@headway/client/react'
import {StrictMode} from 'react'
import {createRoot} from 'react-dom/client'

import type {Operations} from './operations'

/** Keeps the run's id in the address, so that a reload and a shared link watch the same run. */
function keep(runId?: string) {
  history.replaceState(null, '', runId ? `#${runId}` : '#')
}

function Simulation() {
  const runId = location.hash.slice(1)
  const run = useRun<Operations['simulate']>('/operations/simulate', {runId, onStart: keep})
  const live = ['queued', 'running', 'waiting'].includes(run.status)

  return (
    <>
      <button type="button" disabled={live} onClick={() => run.start({steps: 20, interval: 0.25})}>
        Start
      </button>
      <button type="button" disabled={!live} onClick={run.cancel}>
        Cancel
      </button>
      <p>
        <progress max={100} value={run.percent ?? 0} aria-label="Progress" /> {run.progress?.message}
        {run.eta !== undefined && `, ${Math.ceil(run.eta)} s left`}
      </p>
      <p role="status">
        {run.status}
        {run.connection === 'interrupted' && ' (the stream was cut; reconnecting)'}
        {run.connection === 'offline' && ' (you are offline)'}
      </p>
      {run.status === 'succeeded' && <p>It took {run.elapsed} s.</p>}
      {run.error && <p role="alert">{run.error.message}</p>}
    </>
  )
}

createRoot(document.getElementById('page') as HTMLElement).render(
  <StrictMode>
    <Simulation />
  </StrictMode>,
)
