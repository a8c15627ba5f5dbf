// The announcements for screen readers: each change of status, questions, and the progress at each quarter or every
// twenty seconds. A run has thousands of events, too many to read out.
import type {UseRun} from '@headway/client/react'
import {useEffect, useRef, useState} from 'react'
import {statusLabel} from '../controls'
import {duration, label} from '../format'

const INTERVAL = 20_000

export function Announcer({run}: {run: UseRun}) {
  const [text, announce] = useState('')
  const last = useRef({at: 0, quarters: new Map<unknown, number>()})
  const {status, percent, question, progress, elapsed, error} = run
  useEffect(() => {
    if (status === 'idle') return
    const after = elapsed === undefined ? '' : ` after ${duration(elapsed)}`
    announce(
      `${statusLabel(status)}${after}.${error ? ` ${error.message}` : ''}${question ? ` ${question.prompt}` : ''}`,
    )
    last.current = {at: Date.now(), quarters: new Map()}
  }, [status, question, elapsed, error])
  useEffect(() => {
    if (percent === undefined || status !== 'running') return
    const quarter = Math.floor(percent / 25)
    const step = progress?.step
    const {at, quarters} = last.current
    if (quarter <= (quarters.get(step) ?? (step === undefined ? 0 : -1)) && Date.now() - at <= INTERVAL) return
    last.current.at = Date.now()
    quarters.set(step, quarter)
    const of = step === undefined ? '' : `${label(String(step))}: `
    announce(`${of}${Math.floor(percent)} percent. ${progress?.message ?? ''}`)
  }, [percent, status, progress])
  return (
    <div className="visually-hidden" role="status" aria-live="polite" data-testid="announcer">
      {text}
    </div>
  )
}
