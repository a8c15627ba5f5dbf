// A run whose id is in the address: a reload and a shared link watch the same one.

import {useClient} from '@headway/client/react'
import {useState} from 'react'

import type {Operations} from './operations'

export function Simulation() {
  const [runId, setRunId] = useState(location.hash.slice(1))
  const run = useClient<Operations>().useRun('simulate', {runId, onStart: keep})
  const over = ['succeeded', 'failed', 'cancelled'].includes(run.status)

  function keep(id: string) {
    history.replaceState(null, '', `#${id}`)
    setRunId(id) // from now on this component shows that run, and starts no other
  }

  return (
    <section aria-label="Simulation">
      <h2>Simulate a run</h2>
      {run.status === 'idle' && (
        <button type="button" onClick={() => run.start({steps: 20, interval: 0.25})}>
          Start
        </button>
      )}
      {over && (
        <button type="button" onClick={() => keep('')}>
          New run
        </button>
      )}
      {!over && run.status !== 'idle' && (
        <button type="button" onClick={run.cancel}>
          Cancel
        </button>
      )}
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
    </section>
  )
}
