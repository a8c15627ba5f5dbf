// What a screen reader is told: how the status changes, what is asked, and how far the work is, but that only at each
// quarter or every twenty seconds. A run has thousands of events, and nobody could listen to them.
import type {UseRun} from '@headway/client/react'
import {useEffect, useRef, useState} from 'react'
import {statusWord} from '../controls'
import {duration} from '../format'

const EVERY = 20_000

export function Announcer({run}: {run: UseRun}) {
  const [said, say] = useState('')
  const last = useRef({at: 0, quarter: 0})
  const {status, percent, question, progress, elapsed, error} = run
  useEffect(() => {
    if (status === 'idle') return
    const took = elapsed === undefined ? '' : ` after ${duration(elapsed)}`
    say(`${statusWord(status)}${took}.${error ? ` ${error.message}` : ''}${question ? ` ${question.prompt}` : ''}`)
    last.current = {at: Date.now(), quarter: 0}
  }, [status, question, elapsed, error])
  useEffect(() => {
    if (percent === undefined || status !== 'running') return
    const quarter = Math.floor(percent / 25)
    const due = Date.now() - last.current.at > EVERY
    if (quarter === last.current.quarter && !due) return
    last.current = {at: Date.now(), quarter}
    say(`${Math.floor(percent)} percent. ${progress?.message ?? ''}`)
  }, [percent, status, progress])
  return (
    <div className="visually-hidden" role="status" aria-live="polite" data-testid="announcer">
      {said}
    </div>
  )
}
