'use client'

// Asks a question, and shows the thoughts and the answer as they are written.

import {useClient} from '@headway/client/react'
import {type FormEvent, useState} from 'react'

import type {Operations} from '../operations'

export function Think() {
  const [prompt, setPrompt] = useState('Why is the sea blue?')
  const run = useClient<Operations>().useRun('think', {previous: 'cancel'})
  const live = ['queued', 'running', 'cancelling'].includes(run.status)

  function ask(event: FormEvent) {
    event.preventDefault()
    run.start({prompt})
  }

  return (
    <section aria-label="Think">
      <form onSubmit={ask}>
        <input aria-label="Question" value={prompt} onChange={(event) => setPrompt(event.target.value)} />
        <button disabled={live}>Ask</button>
        <button type="button" disabled={!live} onClick={run.cancel}>
          Cancel
        </button>
      </form>
      <p role="status">
        {run.status} {live && run.progress?.message}
        {run.failureCount > 0 && ` (the service does not answer: ${run.failureCount} tries)`}
      </p>
      {run.error && <p role="alert">{run.error.message}</p>}
      {run.thinking && (
        <details open={!run.text}>
          <summary>Thoughts</summary>
          {run.thinking}
        </details>
      )}
      <p data-testid="answer">{run.text}</p>
      {run.status === 'succeeded' && <p>{run.result.model.name}</p>}
    </section>
  )
}
