// Sends a PDF, and shows its pages as they are read.

import {type HeadwayError, Problem, useClient} from '@headway/client/react'
import {type Upload, uploadFetch} from '@headway/client/upload'
import {useState} from 'react'

import type {Operations} from './operations'

export function Extract() {
  const [file, setFile] = useState<File>()
  const [sent, setSent] = useState<Upload>()
  const [fetch] = useState(() => uploadFetch(setSent))
  const run = useClient<Operations>().useRun('extract', {fetch, previous: 'cancel'})
  const live = ['queued', 'running', 'cancelling'].includes(run.status)
  const pages = Object.values(run.partials).flatMap((partial) => (partial && 'text' in partial ? [partial] : []))

  return (
    <section aria-label="Extract">
      <h2>Extract a PDF</h2>
      <input type="file" aria-label="PDF" onChange={(event) => setFile(event.target.files?.[0])} />
      <button type="button" disabled={live} onClick={() => run.start({file})}>
        Extract
      </button>
      <button type="button" disabled={!live} onClick={run.cancel}>
        Cancel
      </button>
      {run.status === 'queued' && sent && (
        <progress max={sent.total} value={sent.loaded} aria-label={`${sent.loaded} of ${sent.total} bytes sent`} />
      )}
      <p role="status">
        {run.status} {run.progress?.message}
      </p>
      {run.error && <p role="alert">{reasonOf(run.error)}</p>}
      <ol>
        {pages.map((page) => (
          <li key={page.page} value={page.page}>
            {page.text.slice(0, 80)}
          </li>
        ))}
      </ol>
      {run.status === 'succeeded' && <p>{run.result.counts.words} words</p>}
    </section>
  )
}

/** Why the start was refused, field by field where the input is wrong, or why the run failed. */
function reasonOf(error: HeadwayError): string {
  const fields = error instanceof Problem ? error.errors.map(({loc, msg}) => `${loc.join('.')}: ${msg}`) : []
  return fields.join('; ') || error.message
}
